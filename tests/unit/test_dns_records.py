# SPDX-License-Identifier: GPL-3.0-or-later
"""The records a service needs, and the zones they are printed as."""

from __future__ import annotations

from typing import Any

import dns.zone
import pytest
from ansible_collections.conexizan.xmpp.plugins.filter import dns_records as filters

from .domains import ACME, certificate, domain, settings


def records(wanted: dict[str, Any], *kinds: str) -> list[str]:
    """Return the records of some types, short."""
    found = filters.dns_records(wanted)
    return [f"{item['name']} {item['type']} {item['value']}" for item in found if not kinds or item["type"] in kinds]


def text(wanted: dict[str, Any]) -> str:
    """Return all zones."""
    return "\n".join(zone["text"] for zone in filters.dns_zones(wanted))


def test_every_record_of_a_plain_service() -> None:
    assert records(settings(**ACME)) == [
        "friends.test. A 203.0.113.7",
        "friends.test. AAAA 2001:db8::7",
        "muc.friends.test. CNAME friends.test.",
        "upload.friends.test. CNAME friends.test.",
        "proxy.friends.test. CNAME friends.test.",
        "pubsub.friends.test. CNAME friends.test.",
        "turn.friends.test. A 203.0.113.7",
        "turn.friends.test. AAAA 2001:db8::7",
        "_xmpp-client._tcp.friends.test. SRV 0 1 5222 friends.test.",
        "_xmpps-client._tcp.friends.test. SRV 0 1 5223 friends.test.",
        "_xmpp-server._tcp.friends.test. SRV 0 1 5269 friends.test.",
        "_xmpps-server._tcp.friends.test. SRV 0 1 5270 friends.test.",
        "_stun._udp.friends.test. SRV 0 1 3478 turn.friends.test.",
        "_stun._tcp.friends.test. SRV 0 1 3478 turn.friends.test.",
        "_stuns._tcp.friends.test. SRV 0 1 5349 turn.friends.test.",
        "_turn._udp.friends.test. SRV 0 1 3478 turn.friends.test.",
        "_turn._tcp.friends.test. SRV 0 1 3478 turn.friends.test.",
        "_turns._tcp.friends.test. SRV 0 1 5349 turn.friends.test.",
        'friends.test. CAA 0 issue "letsencrypt.org"',
    ]


def test_what_is_off_has_no_record() -> None:
    off = text(settings(federation=False, turn_domain=""))
    assert [word for word in ("-server", "stun", "turn", "CAA", "TLSA", " MX ") if word in off] == []


def test_component_that_others_reach_has_a_name() -> None:
    """Other servers come to the port for servers of the host behind it (RFC 6120 3.2.2)."""
    assert records(settings(components=["bridge.friends.test"]), "CNAME")[-1:] == [
        "bridge.friends.test. CNAME friends.test."
    ]


def test_one_port_comes_after_what_everybody_can_reach() -> None:
    """Whoever is in an ordinary network notices nothing."""
    found = [line for line in records(settings(single_port=True), "SRV") if " 443 " in line]
    assert found == [
        "_xmpps-client._tcp.friends.test. SRV 1 1 443 friends.test.",
        "_xmpps-server._tcp.friends.test. SRV 1 1 443 friends.test.",
        "_turns._tcp.friends.test. SRV 1 1 443 turn.friends.test.",
    ]
    assert "_xmpps-client._tcp.friends.test. SRV 0 1 5223 friends.test." in records(settings(single_port=True), "SRV")
    alone = settings(single_port=True, federation=False, turn_domain="")
    assert [line for line in records(alone, "SRV") if " 443 " in line] == found[:1]


def test_one_port_has_the_keys_of_all_that_it_serves() -> None:
    pems = {name: certificate() for name in ("friends.test", "family.test")}
    wanted = settings(domain("friends.test"), domain("family.test"), dnssec=True, single_port=True,
                      certificates={name: pem for name, (pem, _) in pems.items()})  # fmt: skip
    found = records(wanted, "TLSA")
    for _, key in pems.values():
        assert f"_443._tcp.friends.test. TLSA 3 1 1 {key}" in found
    assert f"_443._tcp.turn.friends.test. TLSA 3 1 1 {pems['friends.test'][1]}" in found


def test_host_with_another_name_leaves_the_domain_to_its_web_site() -> None:
    wanted = settings(domain("friends.test", "chat.friends.test"), domain("family.test"), **ACME)
    assert records(wanted, "A") == [
        "chat.friends.test. A 203.0.113.7",
        "turn.friends.test. A 203.0.113.7",
        "family.test. A 203.0.113.7",
    ]
    assert {line.rpartition(" ")[2] for line in records(wanted, "SRV") if "xmpp" in line} == {"chat.friends.test."}
    # The web site may have another authority, and its owner would be locked out.
    assert [line.split()[0] for line in records(wanted, "CAA")] == [
        "chat.friends.test.",
        "turn.friends.test.",
        "family.test.",
    ]
    assert "/.well-known/host-meta.json" in text(wanted)
    assert "/.well-known/acme-challenge/" in text(wanted)
    assert "acme-challenge" not in text(wanted | {"challenge": "dns"})
    assert "host-meta" not in text(settings())


def test_name_outside_of_the_domains_has_a_zone_of_its_own() -> None:
    wanted = settings(domain("friends.test", muc="rooms.test"), turn_domain="relay.neighbour.test")
    zones = {zone["origin"]: zone["text"] for zone in filters.dns_zones(wanted)}
    assert list(zones) == ["friends.test", "relay.neighbour.test", "rooms.test"]
    # It may be the top of a zone, which cannot be an alias; and what is written there must not depend on the origin.
    assert "\nrooms.test. 3600 IN A     203.0.113.7\n" in zones["rooms.test"]
    assert "rooms" not in zones["friends.test"]


def test_domain_below_another_has_a_zone_of_its_own() -> None:
    wanted = settings(domain("friends.test"), domain("old.friends.test"))
    zones = {zone["origin"]: zone["text"] for zone in filters.dns_zones(wanted)}
    assert "\nmuc                3600 IN CNAME old.friends.test." in zones["old.friends.test"]
    assert "old" not in zones["friends.test"]


@pytest.mark.parametrize(
    ("public", "own", "others", "expected"),
    [
        ([], ["203.0.113.7", "2001:db8::7"], {}, ["203.0.113.7", "2001:db8::7"]),
        (["198.51.100.1"], ["203.0.113.7", "2001:db8::7"], {}, ["198.51.100.1", "2001:db8::7"]),
        (["198.51.100.1", "198.51.100.2"], ["10.0.0.7"], {}, ["198.51.100.1", "198.51.100.2"]),
        # behind a router, an address of the local network is of no use to others
        (["198.51.100.1"], ["10.0.0.7", "fd00::7"], {}, ["198.51.100.1"]),
        (["2001:DB8::1"], ["192.168.1.7"], {}, ["2001:db8::1"]),
        ([], ["192.168.1.7", "2001:db8::7"], {"dynamic": True, "stun": True}, ["2001:db8::7"]),
        # in a local network, it is the right one
        ([], ["192.168.1.7", "fd00::7"], {}, ["192.168.1.7", "fd00::7"]),
        ([], [], {}, []),
    ],
)
def test_addresses(public: list[str], own: list[str], others: dict[str, Any], expected: list[str]) -> None:
    wanted = settings(public_addresses=public, own_addresses=own, **others)
    found = [line.split()[2] for line in records(wanted, "A", "AAAA") if line.startswith("friends.test. ")]
    assert found == expected


def test_addresses_that_need_a_remark() -> None:
    assert "192.168.1.7: only the local network reaches this" in text(settings(own_addresses=["192.168.1.7"]))
    assert "; The host has no address to the outside" in text(settings(own_addresses=[]))
    dynamic = settings(dynamic=True)
    assert "keeps its own addresses up to date" in text(dynamic)
    assert {item["ttl"] for item in filters.dns_records(dynamic) if item["type"] == "A"} == {300}


def test_unknown_authority_is_no_record_but_a_remark() -> None:
    wanted = settings(challenge="http")
    assert records(wanted, "CAA") == []
    assert "; No CAA record: nobody is there.\n" in text(wanted)


def test_keys() -> None:
    pem, key = certificate()
    other_pem, other_key = certificate()
    wanted = settings(
        domain("friends.test"), domain("family.test"), dnssec=True, https_port=8443,
        certificates={"friends.test": pem + other_pem, "family.test": other_pem},
    )  # fmt: skip
    found = records(wanted, "TLSA")
    # All domains are behind the same ports of one host.
    assert [line for line in found if line.startswith("_5270.")] == [
        f"_5270._tcp.friends.test. TLSA 3 1 1 {key}",
        f"_5270._tcp.friends.test. TLSA 3 1 1 {other_key}",
    ]
    assert [line for line in found if not line.startswith("_52")] == [
        f"_8443._tcp.friends.test. TLSA 3 1 1 {key}",
        f"_5349._tcp.turn.friends.test. TLSA 3 1 1 {key}",
        f"_8443._tcp.family.test. TLSA 3 1 1 {other_key}",
    ]


def test_a_certificate_is_missing_yet() -> None:
    """Half of the keys would turn away those who come for the other domain."""
    pem, _ = certificate()
    wanted = settings(domain("friends.test"), domain("family.test"), dnssec=True, certificates={"friends.test": pem})
    assert records(wanted, "TLSA") == []
    assert "; No TLSA record: the host has no certificate for family.test yet." in text(wanted)


def test_zones_are_valid_and_hold_every_record() -> None:
    """What is printed is read again by dnspython, which is somebody else's reader of master files."""
    pem, _ = certificate()
    wanted = settings(
        domain("friends.test", "chat.friends.test", muc="rooms.test"), domain("family.test"),
        dnssec=True, certificates={"friends.test": pem, "family.test": pem}, **ACME,
    )  # fmt: skip
    read = set()
    for zone in filters.dns_zones(wanted):
        assert max(map(len, zone["text"].splitlines())) <= 130
        # The text brings its own $ORIGIN: it is read from the root, as in a zone further up.
        parsed = dns.zone.from_text(zone["text"], origin=".", relativize=False, check_origin=False)
        for name, ttl, value in parsed.iterate_rdatas():
            assert name.to_text().endswith(f"{zone['origin']}.")
            read.add((name.to_text(), ttl, value.rdtype.name, value.to_text()))
    assert read == {(item["name"], item["ttl"], item["type"], item["value"]) for item in filters.dns_records(wanted)}
