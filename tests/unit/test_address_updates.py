# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses at DNS providers: what each is asked, with stubs that speak their interfaces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import address_updates
import pytest
from address_updates import Change
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.dns_providers import PROVIDERS

from .provider_stubs import SPEAKS, ZONE, Records, Stub, running

CREDENTIALS = {
    "cloudflare": {"CF_DNS_API_TOKEN": "right"},
    "desec": {"DESEC_TOKEN": "right"},
    "duckdns": {"DUCKDNS_TOKEN": "right"},
    "gandiv5": {"GANDIV5_PERSONAL_ACCESS_TOKEN": "right"},
    "hetzner": {"HETZNER_API_TOKEN": "right"},
    "inwx": {"INWX_USERNAME": "operator", "INWX_PASSWORD": "right", "INWX_SHARED_SECRET": "JBSW Y3DP EHPK 3PXP"},
    "ovh": {
        "OVH_ENDPOINT": "",
        "OVH_APPLICATION_KEY": "a1",
        "OVH_APPLICATION_SECRET": "right",
        "OVH_CONSUMER_KEY": "c1",
    },
}
OTHER_WAY = ("ovh", {"OVH_ENDPOINT": "", "OVH_CLIENT_ID": "i1", "OVH_CLIENT_SECRET": "right"})
# Two addresses at a name are one too many.
OLD: Records = {
    (ZONE, "A"): ["203.0.113.1", "203.0.113.2"],
    (ZONE, "AAAA"): ["2001:db8::1"],
    ("mail." + ZONE, "A"): ["203.0.113.9"],
}
NEW = [Change(ZONE, "A", ["203.0.113.7"]), Change("turn." + ZONE, "A", ["203.0.113.7"])]


@contextmanager
def provider(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A provider with the old records, where its interface is looked for."""
    with running(name, OLD) as stub:
        monkeypatch.setitem(address_updates.PLACES, name, stub.place)
        monkeypatch.setitem(address_updates.OVH, "", (stub.place, f"{stub.place}/token"))
        yield stub


def test_list_of_the_front_door_is_that_of_the_program() -> None:
    assert [name for name, one in PROVIDERS.items() if one.addresses] == list(address_updates.UPDATES)
    assert list(SPEAKS) == list(address_updates.UPDATES)


@pytest.mark.parametrize(("name", "credentials"), [*CREDENTIALS.items(), OTHER_WAY])
def test_addresses_are_changed_and_nothing_else(
    name: str, credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that has records, and one that has none. The other family and other names stay."""
    with provider(name, monkeypatch) as stub:
        address_updates.update(name, credentials, ZONE, NEW)
        changed = {(ZONE, "A"): ["203.0.113.7"], ("turn." + ZONE, "A"): ["203.0.113.7"]}
        assert stub.records == OLD | changed


@pytest.mark.parametrize("name", CREDENTIALS)
def test_both_families(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [Change(ZONE, "A", ["203.0.113.7"]), Change(ZONE, "AAAA", ["2001:db8::7"])]
    with provider(name, monkeypatch) as stub:
        address_updates.update(name, CREDENTIALS[name], ZONE, both)
        assert stub.records == OLD | {(ZONE, "A"): ["203.0.113.7"], (ZONE, "AAAA"): ["2001:db8::7"]}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_wrong_credential_is_told_and_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {key: value.replace("right", "hunter-two") for key, value in CREDENTIALS[name].items()}
    with provider(name, monkeypatch) as stub:
        with pytest.raises(address_updates.Refused) as caught:
            address_updates.update(name, wrong, ZONE, NEW)
        assert str(caught.value)
        assert "hunter-two" not in str(caught.value)
        assert stub.records == OLD


def test_domains_of_duckdns_are_below_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """turn.friends.duckdns.org goes with friends.duckdns.org, which is asked for once."""
    names = ["friends.duckdns.org", "turn.friends.duckdns.org"]
    with provider("duckdns", monkeypatch) as stub:
        changes = [Change(name, "A", ["203.0.113.7"]) for name in names]
        address_updates.update("duckdns", CREDENTIALS["duckdns"], "duckdns.org", changes)
        assert len(stub.asked) == 1
        assert stub.records == OLD | {("friends." + ZONE, "A"): ["203.0.113.7"]}


def test_answer_of_a_provider_cannot_show_a_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(*_: object) -> None:
        raise address_updates.Refused("the token hunter-two is unknown")

    monkeypatch.setitem(address_updates.UPDATES, "desec", echo)
    with pytest.raises(address_updates.Refused, match=r"the token \(a credential\) is unknown"):
        address_updates.update("desec", {"DESEC_TOKEN": "hunter-two"}, ZONE, NEW)


def test_credential_is_found_whatever_stands_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a part of an address, at the place where an answer is truncated, and a short one only as a word."""
    secrets = {"DESEC_TOKEN": "hunter two+two", "OTHER_KEY": "er"}
    for said, told in (
        ("GET /?auth=Token%20hunter%20two%2Btwo", "GET /?auth=Token%20(a credential)"),
        ("GET /?auth=Tokenhunter+two%2Btwo&er", "GET /?auth=Token(a credential)&(a credential)"),
        ("x" * 295 + " hunter two+two", "x" * 295 + " (a c"),
        ("other\n\x1b[2J signs", "other [2J signs"),
    ):

        def echo(*_: object, said: str = said) -> None:
            raise address_updates.Refused(said)

        monkeypatch.setitem(address_updates.UPDATES, "desec", echo)
        with pytest.raises(address_updates.Refused) as caught:
            address_updates.update("desec", secrets, ZONE, NEW)
        assert str(caught.value) == told


def test_domain_of_duckdns_has_one_address_of_a_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be told every five minutes."""
    with provider("duckdns", monkeypatch) as stub:
        changes = [Change(ZONE, "A", ["203.0.113.7", "203.0.113.8"])]
        with pytest.raises(address_updates.Refused, match=r"not 203\.0\.113\.7 and 203\.0\.113\.8"):
            address_updates.update("duckdns", CREDENTIALS["duckdns"], ZONE, changes)
        assert stub.asked == []


def test_no_credential_follows_a_redirection(monkeypatch: pytest.MonkeyPatch) -> None:
    with running("gandiv5", OLD) as stub:
        monkeypatch.setitem(SPEAKS, "gandiv5", lambda *_: (307, {}))
        monkeypatch.setitem(address_updates.PLACES, "gandiv5", stub.place)
        with pytest.raises(address_updates.Refused, match="307"):
            address_updates.update("gandiv5", CREDENTIALS["gandiv5"], ZONE, NEW)
        assert len(stub.asked) == 1


def test_provider_that_is_not_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(address_updates.PLACES, "hetzner", "https://127.0.0.1:9")
    with pytest.raises(address_updates.Refused, match=r"it cannot be reached: .*refused"):
        address_updates.update("hetzner", CREDENTIALS["hetzner"], ZONE, NEW)


def test_answer_that_is_none_of_an_interface_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the page of a hotel's network."""
    with provider("cloudflare", monkeypatch) as stub:
        answers: list[Any] = ["<html>", {"unexpected": 1}, []]
        for said in answers:
            monkeypatch.setitem(SPEAKS, "cloudflare", lambda *_, said=said: (200, said))
            with pytest.raises(address_updates.Refused, match="its answer is"):
                address_updates.update("cloudflare", CREDENTIALS["cloudflare"], ZONE, NEW)
        assert stub.records == OLD


def test_code_of_a_second_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of RFC 6238, appendix B, of its last six digits."""
    monkeypatch.setattr(time, "time", lambda: 1111111109.0)
    assert address_updates.one_time_code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") == "081804"
    with pytest.raises(address_updates.Refused, match="is not base32"):
        address_updates.one_time_code("GEZDGN")
