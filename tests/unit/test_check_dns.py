# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/check.yml judges DNS records, by the answers of a name server.

More than 300 lines: most of it is one table of what is wrong in a zone, and what is said of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.filter import dns_records as filters
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import Row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check import dns_queries
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.dns_queries import Asker, name_server
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.dns_records import RecordCheck
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line

from ..kit.nameserver import NameServer
from .domains import ACME, certificate, domain, settings


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server without a zone."""
    running = NameServer()
    yield running
    running.close()


PEM, KEY = certificate()


SETTINGS = settings(
    domain("friends.test"), domain("family.test"), dnssec=True,
    certificates={"friends.test": PEM, "family.test": PEM}, **ACME,
)  # fmt: skip


NAMES = ["friends.test", "muc.friends.test", "turn.friends.test", "family.test"]


async def diagnose(
    server: NameServer, replace: dict[str, str], wanted: dict[str, Any] = SETTINGS, names: list[str] = NAMES
) -> list[Row]:
    """Serve the zones with some words replaced (spaces are single), and return what is found out."""
    zones = {zone["origin"]: re.sub(" +", " ", zone["text"]) for zone in filters.dns_zones(wanted)}
    for old, new in replace.items():
        assert any(old in text for text in zones.values()), f"{old} is in no zone"
        zones = {origin: text.replace(old, new) for origin, text in zones.items()}
    for origin, text in zones.items():
        server.load(text, origin)
    asker = Asker(server.address)
    check = RecordCheck(filters.dns_records(wanted), asker, yaml_line)
    return await check.examine(names, wanted["authorities"], wanted["challenge"])


async def not_passed(server: NameServer, replace: dict[str, str], **others: Any) -> list[tuple[str, str, str, str]]:
    """Return subject, status, found and fix of what is not in order."""
    rows = await diagnose(server, replace, **others)
    return [(row["subject"], row["status"], row["found"], row["fix"]) for row in rows if row["status"] != "pass"]


async def test_what_was_printed_passes(server: NameServer) -> None:
    rows = await diagnose(server, {})
    assert {row["status"] for row in rows} == {"pass"}
    assert {row["fix"] for row in rows} == {""}
    assert {(row["subject"], row["found"]) for row in rows} >= {
        ("friends.test A AAAA", "2001:db8::7, 203.0.113.7"),
        ("muc.family.test CNAME", "2001:db8::7, 203.0.113.7"),
        ("_xmpps-client._tcp.family.test SRV", "friends.test port 5223"),
        ("_5270._tcp.friends.test TLSA", "matches the key in use"),
        ("friends.test CAA", "letsencrypt.org"),
    }


BOTH = ("friends.test", "family.test")


FRIENDS = "_xmpp-client._tcp 3600 IN SRV 0 1 5222 friends.test."


@pytest.mark.parametrize(
    ("replace", "expected"),
    [
        # an address in the place of an alias is as good, and so is an alias elsewhere that ends at the host
        ({"muc 3600 IN CNAME friends.test.": "muc 60 IN A 203.0.113.7\nmuc 60 IN AAAA 2001:db8::7"}, []),
        ({"muc 3600 IN CNAME friends.test.": "muc 60 IN CNAME family.test."}, []),
        # the time to live is nobody's mistake
        ({" 3600 ": " 60 "}, []),
        # SRV by another name of the same host
        ({FRIENDS: FRIENDS.replace("friends.test.", "turn.friends.test.")}, []),
        # what else is in the zone
        ({FRIENDS: FRIENDS + "\n@ 60 IN MX 10 mail.friends.test.\nwww 60 IN A 198.51.100.1"}, []),
        # a key that comes next beside the one in use
        ({"$ORIGIN friends.test.": f"$ORIGIN friends.test.\n_5222._tcp 60 IN TLSA 3 1 1 {'00' * 32}"}, []),
        # two authorities
        ({'@ 3600 IN CAA 0 issue "letsencrypt.org"': '@ 60 IN CAA 0 issue "other.test"\n'
          '@ 60 IN CAA 0 issue "example.net; validationmethods=http-01"'}, []),
        ({"pubsub 3600 IN CNAME friends.test.": ""},
         [("pubsub.friends.test CNAME", "fail", "no address",
           "Add: pubsub.friends.test. 3600 IN CNAME friends.test.")]),
        ({"pubsub 3600 IN CNAME friends.test.": "pubsub 60 IN CNAME gone.family.test."},
         [("pubsub.friends.test CNAME", "fail", "no address, only an alias of gone.family.test",
           "Add: pubsub.friends.test. 3600 IN CNAME friends.test.")]),
        ({"muc 3600 IN CNAME friends.test.": "muc 60 IN A 203.0.113.7\nmuc 60 IN A 198.51.100.1"},
         [("muc.friends.test CNAME", "fail", "198.51.100.1 is not this host",
           "Replace it by: muc.friends.test. 3600 IN CNAME friends.test.")]),
        ({"turn 3600 IN A 203.0.113.7": "turn 60 IN A 198.51.100.1"},
         [("turn.friends.test A AAAA", "fail", "198.51.100.1 is not this host",
           "Replace it by: turn.friends.test. 3600 IN A 203.0.113.7")]),
        ({"turn 3600 IN AAAA 2001:db8::7": ""},
         [("turn.friends.test A AAAA", "warn", "only 203.0.113.7",
           "Add: turn.friends.test. 3600 IN AAAA 2001:db8::7")]),
        ({"turn 3600 IN A 203.0.113.7": "turn 60 IN A 203.0.113.7\nturn 60 IN A 198.51.100.1"},
         [("turn.friends.test A AAAA", "fail", "198.51.100.1 is not this host",
           "Remove 198.51.100.1 from turn.friends.test")]),
        ({"_xmpps-server._tcp 3600 IN SRV 0 1 5270 friends.test.": ""},
         [(f"_xmpps-server._tcp.{name} SRV", "warn", "no record",
           f"Add: _xmpps-server._tcp.{name}. 3600 IN SRV 0 1 5270 friends.test.") for name in BOTH]),
        ({f"{FRIENDS}\n_xmpps-client": "_xmpps-client"},
         [(f"_xmpp-client._tcp.{name} SRV", "fail", "no record",
           f"Add: _xmpp-client._tcp.{name}. 3600 IN SRV 0 1 5222 friends.test.") for name in BOTH]),
        ({"_turn._udp 3600 IN SRV 0 1 3478 turn": "_turn._udp 60 IN SRV 0 1 3479 turn"},
         [(f"_turn._udp.{name} SRV", "fail", "points to turn.friends.test port 3479",
           f"Replace it by: _turn._udp.{name}. 3600 IN SRV 0 1 3478 turn.friends.test.") for name in BOTH]),
        ({FRIENDS: FRIENDS + "\n_xmpp-client._tcp 60 IN SRV 0 9 5222 old.test."},
         [(f"_xmpp-client._tcp.{name} SRV", "fail", "also points to old.test port 5222",
           f"Keep only: _xmpp-client._tcp.{name}. 3600 IN SRV 0 1 5222 friends.test.") for name in BOTH]),
        ({FRIENDS: FRIENDS + "\n_xmpp-client._tcp 60 IN SRV 9 1 5222 old.test."},
         [(f"_xmpp-client._tcp.{name} SRV", "warn",
           "falls back to old.test port 5222",
           f"Keep only: _xmpp-client._tcp.{name}. 3600 IN SRV 0 1 5222 friends.test.") for name in BOTH]),
        ({"$ORIGIN friends.test.\n": "$ORIGIN friends.test.\nalias 60 IN CNAME friends.test.\n",
          "_stuns._tcp 3600 IN SRV 0 1 5349 turn.": "_stuns._tcp 60 IN SRV 0 1 5349 alias."},
         [(f"_stuns._tcp.{name} SRV", "warn", "points to the alias alias.friends.test, which RFC 2782 does not allow",
           f"Replace it by: _stuns._tcp.{name}. 3600 IN SRV 0 1 5349 turn.friends.test.") for name in BOTH]),
        ({f"_5349._tcp.turn 3600 IN TLSA 3 1 1 {KEY}": ""},
         [("_5349._tcp.turn.friends.test TLSA", "warn", "no record",
           f"Add: _5349._tcp.turn.friends.test. 3600 IN TLSA 3 1 1 {KEY}")]),
        ({f"_5349._tcp.turn 3600 IN TLSA 3 1 1 {KEY}": f"_5349._tcp.turn 60 IN TLSA 3 1 1 {'00' * 32}"},
         [("_5349._tcp.turn.friends.test TLSA", "fail", "no record matches the key in use",
           f"Replace them by: _5349._tcp.turn.friends.test. 3600 IN TLSA 3 1 1 {KEY}")]),
        ({'@ 3600 IN CAA 0 issue "letsencrypt.org"': ""},
         [("CAA", "warn", "any CA may issue certificates",
           'Add:\nfriends.test. 3600 IN CAA 0 issue "letsencrypt.org"\n'
           'family.test. 3600 IN CAA 0 issue "letsencrypt.org"')]),
        ({"$ORIGIN friends.test.\n": '$ORIGIN friends.test.\nturn 60 IN CAA 0 issue "other.test"\n'},
         [("turn.friends.test CAA", "fail", "only other.test; this CA may not use http-01",
           'Add: turn.friends.test. 3600 IN CAA 0 issue "letsencrypt.org"')]),
        ({'issue "letsencrypt.org"': 'issue "letsencrypt.org; validationmethods=dns-01"'},
         [(f"{name} CAA", "fail", "only letsencrypt.org; validationmethods=dns-01; this CA may not use http-01",
           f'Add: {name}. 3600 IN CAA 0 issue "letsencrypt.org"') for name in ("family.test", "friends.test")]),
    ],
)  # fmt: skip
async def test_what_is_found(server: NameServer, replace: dict[str, str], expected: list[Any]) -> None:
    assert await not_passed(server, replace) == expected


SINGLE = settings(single_port=True)
AT_443 = "_xmpps-client._tcp 3600 IN SRV 1 1 443 friends.test."


@pytest.mark.parametrize(
    ("replace", "expected"),
    [
        ({}, []),
        ({AT_443: ""},
         [("_xmpps-client._tcp.friends.test SRV", "warn", "no record for port 443",
           "Add: _xmpps-client._tcp.friends.test. 3600 IN SRV 1 1 443 friends.test.")]),
        ({"_xmpps-client._tcp 3600 IN SRV 0 1 5223 friends.test.": ""},
         [("_xmpps-client._tcp.friends.test SRV", "warn", "no record for port 5223",
           "Add: _xmpps-client._tcp.friends.test. 3600 IN SRV 0 1 5223 friends.test.")]),
        ({AT_443: AT_443.replace("443 friends.test", "443 old.friends.test")},
         [("_xmpps-client._tcp.friends.test SRV", "warn", "falls back to old.friends.test port 443",
           "Keep only:\n_xmpps-client._tcp.friends.test. 3600 IN SRV 0 1 5223 friends.test.\n"
           "_xmpps-client._tcp.friends.test. 3600 IN SRV 1 1 443 friends.test.")]),
    ],
)  # fmt: skip
async def test_both_ports_of_a_service_are_wanted(
    server: NameServer, replace: dict[str, str], expected: list[Any]
) -> None:
    found = await not_passed(server, replace, wanted=SINGLE, names=["friends.test"])
    assert found == expected


async def test_record_that_is_left_after_the_single_port_is_named(server: NameServer) -> None:
    first = "_xmpps-client._tcp 3600 IN SRV 0 1 5223 friends.test."
    found = await not_passed(server, {first: f"{first}\n{AT_443}"}, wanted=settings(), names=["friends.test"])
    assert [(subject, status, words) for subject, status, words, _ in found] == [
        ("_xmpps-client._tcp.friends.test SRV", "warn", "falls back to friends.test port 443")
    ]


async def test_one_mistake_is_fixed_once(server: NameServer) -> None:
    """The host's name is wrong, and with it all that leads to it: each says so, one says what to write."""
    found = await not_passed(server, {"@ 3600 IN A 203.0.113.7": "@ 60 IN A 198.51.100.1"},
                             wanted=settings(own_addresses=["203.0.113.7"]))  # fmt: skip
    fixes = {fix for _, _, _, fix in found}
    assert fixes == {
        "Replace it by: friends.test. 3600 IN A 203.0.113.7",
        "Fix friends.test, which this is an alias of.",
    }
    assert {status for _, status, _, _ in found} == {"fail"}


async def test_host_behind_a_router(server: NameServer) -> None:
    """DNS knows the router, the settings do not."""
    wanted = settings(own_addresses=["192.168.1.7"], turn_domain="")
    found = await not_passed(server, {"192.168.1.7": "192.31.196.1"}, wanted=wanted)
    assert ("friends.test A", "warn", "192.31.196.1, but the host itself has 192.168.1.7",
            'If that is your router, set xmpp_public_addresses: ["192.31.196.1"]\n'
            "Otherwise replace it by: friends.test. 3600 IN A 192.168.1.7") in found  # fmt: skip
    assert {status for _, status, _, _ in found} == {"warn"}


async def test_address_that_only_the_host_knows(server: NameServer) -> None:
    """Behind a router that changes its address, what the names lead to is the host's own affair."""
    wanted = settings(own_addresses=["192.168.1.7"], dynamic=True, stun=True, turn_domain="")
    assert await not_passed(server, {"$ORIGIN friends.test.": "$ORIGIN friends.test.\n@ 60 IN A 192.31.196.1"},
                            wanted=wanted) == []  # fmt: skip
    found = await not_passed(server, {}, wanted=wanted)
    assert ("_xmpp-client._tcp.friends.test SRV", "fail", "friends.test has no address",
            "Fix friends.test first.") in found  # fmt: skip


async def test_authority_that_could_not_be_asked(server: NameServer) -> None:
    found = await not_passed(server, {}, wanted=SETTINGS | {"authorities": []})
    assert [(subject, status) for subject, status, _, _ in found] == [("CAA", "warn")]


async def test_silence_is_no_missing_record(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dns_queries.FIRST < dns_queries.LIMIT < 5
    monkeypatch.setattr(dns_queries, "FIRST", 1.0)
    server.moods = {"*": None}
    started = time.monotonic()
    found = await not_passed(server, {})
    assert time.monotonic() - started < 6, "questions wait for each other"
    assert [(subject, status, words) for subject, status, words, _ in found] == [
        ("name server", "fail", f"{server.address} does not answer")
    ]


async def test_silence_about_some_types(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_queries, "FIRST", 1.0)
    server.moods = {"SRV": None, "CAA": dns.rcode.SERVFAIL}
    found = await not_passed(server, {})
    words = {(subject.rpartition(" ")[2], status, words) for subject, status, words, _ in found}
    assert ("SRV", "fail", f"{server.address} does not answer") in words
    assert (
        "CAA",
        "fail",
        f"{server.address} answers SERVFAIL; until this is fixed, no CA issues a certificate",
    ) in words
    assert {kind for kind, _, _ in words} == {"SRV", "CAA"}


async def test_refusal_is_no_missing_record(server: NameServer) -> None:
    """A name server that has none of the zones, and is nobody's resolver."""
    found = await not_passed(server, {}, names=["elsewhere.test"], wanted=settings(domain("friends.test")))
    assert found == []
    server.zones.clear()
    asker = Asker(server.address)
    rows = await RecordCheck(filters.dns_records(SETTINGS), asker, yaml_line).examine([], [], "")
    assert [(row["subject"], row["found"]) for row in rows] == [("name server", f"{server.address} answers REFUSED")]


async def test_alias_into_what_the_name_server_does_not_know(server: NameServer) -> None:
    """It is the alias that is wrong, not the name server."""
    row, *_ = await not_passed(server, {"muc 3600 IN CNAME friends.test.": "muc 60 IN CNAME old.example."})
    assert row == (
        "muc.friends.test CNAME",
        "fail",
        f"an alias of old.example: {server.address} answers REFUSED",
        "Replace it by: muc.friends.test. 3600 IN CNAME friends.test.",
    )


async def test_names_are_found_where_no_record_is_wanted(server: NameServer) -> None:
    """A host that is not reached by ssh may well be reached by everybody else."""
    server.load("@ 60 IN A 203.0.113.7\n@ 60 IN AAAA 2001:db8::7", "friends.test")
    asker = Asker(server.address)
    check = RecordCheck([], asker, yaml_line, ["friends.test"])
    assert await check.examine([], [], "") == []
    assert asker.addresses("friends.test.").values == {"203.0.113.7", "2001:db8::7"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_resolver(given: str, expected: tuple[str, int]) -> None:
    assert name_server(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "ns.test",
        "192.0.2.53:",
        "192.0.2.53:0",
        "192.0.2.53:65536",
        "192.0.2.53:dns",
        "192.0.2.300",
        "[::1]5353",
        ":53",
        " ",
    ],
)
def test_bad_resolver(given: str) -> None:
    with pytest.raises(AnsibleActionFail) as error:
        name_server(given)
    assert f'resolver is "{given}"' in str(error.value)
    assert "for example: -e resolver=192.0.2.53" in str(error.value)
