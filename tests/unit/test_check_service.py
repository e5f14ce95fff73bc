# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check.yml says about what it sees, without a host: certificates, ports, STUN."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import socket
import struct
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import stun
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check import (
    certificates,
    ports,
    push,
    session,
    ways_in,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.stun import Relay
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.ways_in import Seen
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
DAY = 86400


def service(**settings: Any) -> Service:
    domain = {"domain": "friends.test", "host": "friends.test"}
    domain |= {part: f"{part}.friends.test" for part in ("muc", "upload", "proxy", "pubsub")}
    return Service(
        {
            "domains": [domain],
            "turn_domain": "turn.friends.test",
            "relays": [],
            "https_port": 443,
            "single_port": False,
            "federation": True,
            "push_servers": [],
            "registration": "closed",
            "certificate_names": {"friends.test": ["friends.test", "muc.friends.test"]},
            "certificates": "acme",
            "ca": "",
            "upload_days": 30,
            "archive_days": 30,
            "addresses": {"friends.test": ["192.31.196.1"], "turn.friends.test": ["192.31.196.1"]},
            "own": ["192.31.196.1"],
            "shut": [],
            "account": {},
            "account_trouble": "",
        }
        | settings,
        yaml_line,
    )


def certificate(*names: str, begins: float = -60, ends: float = 30, serial: str = "01") -> dict[str, Any]:
    """A certificate as Python's ssl shows it; times in days from now."""
    times = {}
    for key, days in (("notBefore", begins), ("notAfter", ends)):
        moment = datetime.datetime.fromtimestamp(NOW + days * DAY, datetime.UTC)
        times[key] = moment.strftime("%b %d %H:%M:%S %Y GMT")
    return {"subjectAltName": [("DNS", name) for name in names], "serialNumber": serial, **times}


BOTH = ("friends.test", "muc.friends.test")


@pytest.mark.parametrize(
    ("shown", "status", "found"),
    [
        ({"a": certificate(*BOTH)}, "pass", "valid until 2027-02-14, covers all 2 names"),
        ({"a": certificate("friends.test", "*.friends.test")}, "pass", "valid until 2027-02-14, covers all 2 names"),
        ({"a": certificate("friends.test")}, "fail", "a: does not cover muc.friends.test"),
        ({"a": certificate(*BOTH, ends=15)}, "warn", "expires on 2027-01-30 and has not been renewed"),
        ({"a": certificate(*BOTH, ends=5)}, "fail", "expires on 2027-01-20 and has not been renewed"),
        # One that is good for six days only is renewed more often.
        ({"a": certificate(*BOTH, begins=-3, ends=3)}, "pass", "valid until 2027-01-18, covers all 2 names"),
        # One that is good for years needs no warning half a year before.
        ({"a": certificate(*BOTH, begins=-700, ends=30)}, "pass", "valid until 2027-02-14, covers all 2 names"),
        (
            {"a": certificate(*BOTH), "b": certificate(*BOTH, ends=25, serial="02")},
            "warn",
            "b still serves the one that expires on 2027-02-09",
        ),
        ({}, "warn", "skipped: no port that serves it is open"),
    ],
)
def test_certificate(shown: dict[str, dict[str, Any]], status: str, found: str) -> None:
    seen = [Seen(way, "friends.test", certificate=one) for way, one in shown.items()]
    row = certificates.judge(service(), "friends.test", seen, NOW)
    assert (row["status"], row["found"]) == (status, found)
    assert bool(row["fix"]) == (status != "pass")


def test_what_all_ways_in_show_is_said_once() -> None:
    expired = [Seen(way, "friends.test", mistrust="certificate has expired") for way in ("a", "b")]
    good = Seen("c", "friends.test", certificate=certificate(*BOTH))
    down = Seen("d", "friends.test", trouble="does not answer")
    by_all, by_some = (
        certificates.judge(service(), "friends.test", [*expired, other], NOW)["found"] for other in (down, good)
    )
    assert (by_all, by_some) == ("certificate has expired", "a, b: certificate has expired")


def test_own_authority_that_is_not_known_is_not_mistrusted() -> None:
    seen = [Seen("port 5223", "friends.test", mistrust="self-signed certificate in certificate chain")]
    row = certificates.judge(service(certificates="selfsigned"), "friends.test", seen, NOW)
    assert (row["status"], row["found"].startswith("skipped: ")) == ("warn", True)


def test_untrusted_certificate_names_the_way_in() -> None:
    seen = [Seen("port 5223", "friends.test", mistrust="unable to get local issuer certificate")]
    row = certificates.judge(service(certificates="provided"), "friends.test", seen, NOW)
    assert (row["status"], row["found"]) == ("fail", "port 5223: unable to get local issuer certificate")
    assert "Append the intermediate certificates to your own in xmpp_certificate_file" in row["fix"]


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("friends.test", True),
        ("muc.friends.test", True),
        ("a.muc.friends.test", False),
        ("enemies.test", False),
        ("test", False),
    ],
)
def test_names_that_a_certificate_covers(name: str, covered: bool) -> None:
    assert certificates.matches(name, ["Friends.test", "*.friends.test"]) == covered


@pytest.mark.parametrize(
    ("closed", "settings", "status", "found", "fix"),
    [
        ([], {}, "pass", "all 9 TCP ports are open", ""),
        ([5269, 5270], {}, "fail", "closed: TCP 5269, 5270", "systemctl status ejabberd xmpp-firewall"),
        ("all", {}, "fail", "none of 9 TCP ports is open", "fix DNS. See whether the host runs"),
        ("all", {}, "fail", "none of 9 TCP ports is open", "another firewall on it (nft list ruleset; ufw status)"),
        (
            [5222],
            {},
            "fail",
            "closed: TCP 5222",
            "another firewall on it blocks the ports (nft list ruleset; ufw status)",
        ),
        ("all", {"own": ["192.168.1.7"]}, "fail", "none of 9 TCP ports is open", "many routers have no NAT loopback"),
        ("all", {"own": []}, "fail", "none of 9 TCP ports is open", "See whether the host runs"),
        ([], {"addresses": {}}, "pass", "all 9 TCP ports are open (the host's own address; DNS has none)", ""),
    ],
)
def test_ports(
    closed: list[int] | str,
    settings: dict[str, Any],
    status: str,
    found: str,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = service(**settings)
    shut = ports.needed(looks) if closed == "all" else closed
    looks.open = {"192.31.196.1": {port: "does not answer" if port in shut else "" for port in ports.needed(looks)}}
    monkeypatch.setattr(ports, "has_route", lambda address: True)
    row = ports.judge(looks, "192.31.196.1")
    assert (row["status"], row["found"]) == (status, found)
    assert fix in row["fix"]


def test_without_a_way_to_ipv6_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = service(addresses={"friends.test": ["2001:db8::7"]})
    looks.open = {"2001:db8::7": dict.fromkeys(ports.needed(looks), "does not answer")}
    monkeypatch.setattr(ports, "has_route", lambda address: False)
    row = ports.judge(looks, "2001:db8::7")
    assert (row["status"], row["found"]) == ("warn", "skipped: this machine has no IPv6")


async def test_closed_ports_and_open_ones_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert await ports.probe("127.0.0.1", port) == ""
    assert await ports.probe("127.0.0.1", port) == "refuses connections"


@pytest.mark.parametrize(
    ("notified", "servers", "away", "status", "found"),
    [
        (True, 2, [], "pass", "notifications are sent, and all of xmpp_push_servers (2) answer"),
        (True, 0, [], "pass", "notifications are sent, but xmpp_push_servers is empty"),
        (True, 2, ["push.example"], "warn", "notifications are sent, but not reached: push.example"),
        (False, 2, ["push.example"], "fail", "no notification is sent for a message to an offline phone"),
    ],
)
def test_phones_that_are_woken_up(notified: bool, servers: int, away: list[str], status: str, found: str) -> None:
    row = push.judge(notified, servers, away)
    assert (row["status"], row["found"]) == (status, found)
    assert bool(row["fix"]) == (status != "pass")


def test_parts_that_are_switched_off_are_not_looked_for() -> None:
    assert ports.needed(service(turn_domain="", federation=False)) == [80, 443, 5222, 5223, 7777]


# ---------------------------------------------------------------------- STUN (RFC 8489)
# RFC 5769 2.2: a response over IPv4, with its software, address, integrity and fingerprint.
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)


def test_address_in_an_answer() -> None:
    attributes = stun.stun_attributes(RESPONSE)
    assert stun.xor_address(attributes[stun.MAPPED], RESPONSE[8:20]) == "192.0.2.1"


def test_integrity_of_a_request() -> None:
    """RFC 5769 2.4: long-term credentials; the user name is in UTF-8, the password prepared with SASLprep."""
    user, realm, nonce = (
        "\u30de\u30c8\u30ea\u30c3\u30af\u30b9".encode(),
        b"example.org",
        b"f//499k954d6OL34oL9FSTvy64sA",
    )
    key = hashlib.md5(b":".join((user, realm, b"TheMatrIX")), usedforsecurity=False).digest()
    message = stun.stun_message(
        stun.BINDING,
        bytes.fromhex("78ad3433c6ad72c029da412e"),
        [(stun.USERNAME, user), (stun.NONCE, nonce), (stun.REALM, realm)],
        key,
    )
    assert message[-20:] == bytes.fromhex("f67024656dd64a3e02b8e0712e85c9a28ca89666")
    assert struct.unpack_from("!H", message, 2)[0] == len(message) - 20


async def test_relay_that_is_silent_is_not_waited_for_long() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        _, relay = await loop.create_datagram_endpoint(Relay, remote_addr=silent.getsockname())
        with pytest.raises(TimeoutError):
            await relay.request(stun.BINDING, [])
        assert relay.transport
        relay.transport.close()


@pytest.mark.parametrize(
    ("protocol", "port", "closed", "named"),
    [
        ("tcp", "5222", 5222, True),
        ("tcp", "5222", 5223, False),  # closed for another reason
        ("udp", "5222", 5222, False),
        ("tcp", "5222", 0, False),  # shut for somebody else
    ],
)
def test_firewall_of_somebody_else_is_one_cause(protocol: str, port: str, closed: int, named: bool) -> None:
    seen = service(shut=[{"owner": "ufw", "protocol": protocol, "port": port}])
    seen.open = {"192.31.196.1": {80: "", closed: "answers nothing"} if closed else {80: "", 5222: ""}}
    assert ports.shut_by(seen) == ("ufw" if named else "")


@pytest.mark.parametrize(
    ("troubles", "fix"),
    [
        # What a certificate of the wrong kind, or a folder that ejabberd cannot read, looks like.
        (
            ("refuses STARTTLS", "closed the connection"),
            "Run site.yml --tags certificates,ejabberd; then, on the host",
        ),
        (("", "TLS fails: TLSV1_ALERT_INTERNAL_ERROR"), "ls -l /etc/xmpp/certificates/friends.test"),
        (("port 5222 refuses connections", ""), "as ever"),
        (("port 5222 does not answer", "port 5223 does not answer"), "First fix what the rows about ports"),
        (("offers no SASL mechanisms", ""), "as ever"),
    ],
)
def test_port_without_a_certificate(troubles: tuple[str, str], fix: str) -> None:
    """The advice is one that helps: to look after ejabberd alone would not."""
    seen = [Seen(f"port {port}", "friends.test", one) for port, one in zip((5222, 5223), troubles, strict=True)]
    row = ways_in.judge("clients", seen, "as ever")
    assert row["status"] == "fail"
    assert fix in row["fix"]


async def test_account_that_could_not_be_made_is_a_row() -> None:
    """The reason is in the row of the login, and each check that needs an account says that it was skipped."""
    login, *rest = await session.user(service(account_trouble="the API answers 500"))
    assert (login["subject"], login["status"], login["found"]) == (
        "login",
        "fail",
        "no test account: the API answers 500",
    )
    assert {row["subject"] for row in rest} == {"file upload", "XEPs", "push", "TURN"}
    assert {(row["status"], row["found"]) for row in rest} == {("warn", "skipped: no login")}
