# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check.yml says about what it sees, without a host: certificates, ports, STUN, the state of a host."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import urllib.error
from typing import Any

import pytest

from .loading import load

check = load("plugins/action/check_service.py")
health = load("plugins/modules/host_health.py")

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
DAY = 86400


def doctor(**settings: Any) -> Any:
    domain = {"domain": "friends.test", "host": "friends.test"}
    domain |= {part: f"{part}.friends.test" for part in ("muc", "upload", "proxy", "pubsub")}
    return check.Doctor(
        {
            "domains": [domain],
            "turn_domain": "turn.friends.test",
            "https_port": 443,
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
        | settings
    )


def certificate(*names: str, begins: float = -60, ends: float = 30, serial: str = "01") -> dict[str, Any]:
    """A certificate as Python's ssl shows it; times in days from now."""
    times = {}
    for key, days in (("notBefore", begins), ("notAfter", ends)):
        moment = check.datetime.datetime.fromtimestamp(NOW + days * DAY, check.datetime.UTC)
        times[key] = moment.strftime("%b %d %H:%M:%S %Y GMT")
    return {"subjectAltName": [("DNS", name) for name in names], "serialNumber": serial, **times}


BOTH = ("friends.test", "muc.friends.test")


@pytest.mark.parametrize(
    ("shown", "status", "found"),
    [
        ({"a": certificate(*BOTH)}, "pass", "until 2027-02-14, good for all 2 names"),
        ({"a": certificate("friends.test", "*.friends.test")}, "pass", "until 2027-02-14, good for all 2 names"),
        ({"a": certificate("friends.test")}, "fail", "a: is not good for muc.friends.test"),
        ({"a": certificate(*BOTH, ends=15)}, "warn", "ends on 2027-01-30, and has not been renewed"),
        ({"a": certificate(*BOTH, ends=5)}, "fail", "ends on 2027-01-20, and has not been renewed"),
        # One that is good for six days only is renewed more often.
        ({"a": certificate(*BOTH, begins=-3, ends=3)}, "pass", "until 2027-01-18, good for all 2 names"),
        # One that is good for years needs no warning half a year before.
        ({"a": certificate(*BOTH, begins=-700, ends=30)}, "pass", "until 2027-02-14, good for all 2 names"),
        (
            {"a": certificate(*BOTH), "b": certificate(*BOTH, ends=25, serial="02")},
            "warn",
            "b still shows the one that ends on 2027-02-09",
        ),
        ({}, "warn", "not checked: no port that shows it answers"),
    ],
)
def test_certificate(shown: dict[str, dict[str, Any]], status: str, found: str) -> None:
    seen = [check.Seen(way, "friends.test", certificate=one) for way, one in shown.items()]
    row = doctor().certificate("friends.test", seen, NOW)
    assert (row.status, row.found) == (status, found)
    assert bool(row.mend) == (status != "pass")


def test_what_all_ways_in_show_is_said_once() -> None:
    expired = [check.Seen(way, "friends.test", mistrust="certificate has expired") for way in ("a", "b")]
    good = check.Seen("c", "friends.test", certificate=certificate(*BOTH))
    down = check.Seen("d", "friends.test", trouble="does not answer")
    assert doctor().certificate("friends.test", [*expired, down], NOW).found == "certificate has expired"
    assert doctor().certificate("friends.test", [*expired, good], NOW).found == "a, b: certificate has expired"


def test_own_authority_that_is_not_known_is_not_mistrusted() -> None:
    seen = [check.Seen("port 5223", "friends.test", mistrust="self-signed certificate in certificate chain")]
    row = doctor(certificates="selfsigned").certificate("friends.test", seen, NOW)
    assert (row.status, "not checked" in row.found) == ("warn", True)


def test_untrusted_certificate_names_the_way_in() -> None:
    seen = [check.Seen("port 5223", "friends.test", mistrust="unable to get local issuer certificate")]
    row = doctor(certificates="provided").certificate("friends.test", seen, NOW)
    assert (row.status, row.found) == ("fail", "port 5223: unable to get local issuer certificate")
    assert "behind your own in xmpp_certificate_file" in row.mend


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
    assert check.matches(name, ["Friends.test", "*.friends.test"]) == covered


@pytest.mark.parametrize(
    ("closed", "settings", "status", "found", "mend"),
    [
        ([], {}, "pass", "all 9 TCP ports are open", ""),
        ([5269, 5270], {}, "fail", "closed: TCP 5269, 5270", "systemctl status ejabberd xmpp-firewall"),
        ("all", {}, "fail", "none of 9 TCP ports is open", "mend DNS. See whether the host runs"),
        ("all", {}, "fail", "none of 9 TCP ports is open", "another firewall on it (nft list ruleset; ufw status)"),
        (
            [5222],
            {},
            "fail",
            "closed: TCP 5222",
            "another firewall on it shuts the ports (nft list ruleset; ufw status)",
        ),
        ("all", {"own": ["192.168.1.7"]}, "fail", "none of 9 TCP ports is open", "it may not be led back in"),
        ("all", {"own": []}, "fail", "none of 9 TCP ports is open", "See whether the host runs"),
        ([], {"addresses": {}}, "pass", "all 9 TCP ports are open, where the host is by itself", ""),
    ],
)
def test_ports(
    closed: list[int] | str,
    settings: dict[str, Any],
    status: str,
    found: str,
    mend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = doctor(**settings)
    shut = looks.needed() if closed == "all" else closed
    looks.open = {"192.31.196.1": {port: "does not answer" if port in shut else "" for port in looks.needed()}}
    monkeypatch.setattr(check, "has_route", lambda address: True)
    row = looks.ports("192.31.196.1")
    assert (row.status, row.found) == (status, found)
    assert mend in row.mend


def test_without_a_way_to_ipv6_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = doctor(addresses={"friends.test": ["2001:db8::7"]})
    looks.open = {"2001:db8::7": dict.fromkeys(looks.needed(), "does not answer")}
    monkeypatch.setattr(check, "has_route", lambda address: False)
    assert (looks.ports("2001:db8::7").status, looks.ports("2001:db8::7").found) == (
        "warn",
        "not checked: this machine has no IPv6",
    )


async def test_closed_ports_and_open_ones_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert await doctor().probe("127.0.0.1", port) == ""
    assert await doctor().probe("127.0.0.1", port) == "refuses connections"


@pytest.mark.parametrize(
    ("notified", "servers", "away", "status", "found"),
    [
        (True, 2, [], "pass", "a notification comes, and all of xmpp_push_servers (2) answer"),
        (True, 0, [], "pass", "a notification comes, but xmpp_push_servers names nobody"),
        (True, 2, ["push.example"], "warn", "a notification comes, but not reached from here: push.example"),
        (False, 2, ["push.example"], "fail", "no notification comes for a message to a phone that is away"),
    ],
)
def test_phones_that_are_woken_up(notified: bool, servers: int, away: list[str], status: str, found: str) -> None:
    row = check.judge_push(notified, servers, away)
    assert (row.status, row.found) == (status, found)
    assert bool(row.mend) == (status != "pass")


def test_parts_that_are_switched_off_are_not_looked_for() -> None:
    assert doctor(turn_domain="", federation=False).needed() == [80, 443, 5222, 5223, 7777]


# ---------------------------------------------------------------------- STUN (RFC 8489)
# RFC 5769 2.2: a response over IPv4, with its software, address, integrity and fingerprint.
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)


def test_address_in_an_answer() -> None:
    attributes = check.stun_attributes(RESPONSE)
    assert check.xor_address(attributes[check.MAPPED], RESPONSE[8:20]) == "192.0.2.1"


def test_integrity_of_a_request() -> None:
    """RFC 5769 2.4: long-term credentials; the user name is in UTF-8, the password prepared with SASLprep."""
    user, realm, nonce = (
        "\u30de\u30c8\u30ea\u30c3\u30af\u30b9".encode(),
        b"example.org",
        b"f//499k954d6OL34oL9FSTvy64sA",
    )
    key = hashlib.md5(b":".join((user, realm, b"TheMatrIX")), usedforsecurity=False).digest()
    message = check.stun_message(
        check.BINDING,
        bytes.fromhex("78ad3433c6ad72c029da412e"),
        [(check.USERNAME, user), (check.NONCE, nonce), (check.REALM, realm)],
        key,
    )
    assert message[-20:] == bytes.fromhex("f67024656dd64a3e02b8e0712e85c9a28ca89666")
    assert struct.unpack_from("!H", message, 2)[0] == len(message) - 20


async def test_relay_that_is_silent_is_not_waited_for_long() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        _, relay = await loop.create_datagram_endpoint(check.Relay, remote_addr=silent.getsockname())
        with pytest.raises(TimeoutError):
            await relay.request(check.BINDING, [])
        relay.transport.close()


# ---------------------------------------------------------------------- the host
UP = {"ActiveState": "active"}
# Begun two days after the machine was switched on.
RUNNING = {"ActiveState": "activating", "Result": "success", "InactiveExitTimestampMonotonic": str(2 * DAY * 10**6)}


@pytest.mark.parametrize(
    ("row", "status", "found", "mend"),
    [
        (health.judge_services(["a.service"], {"a.service": UP}, [], []), "pass", "a run, nothing has failed", ""),
        (
            health.judge_modules({"a.test"}, {"hook mod"}, {"domain a.test", "a.test hook mod"}),
            "pass",
            "ejabberd asks them",
            "",
        ),
        (
            health.judge_modules({"a.test", "b.test"}, {"hook mod"}, {"a.test hook mod"}),
            "fail",
            "without effect: mod",
            "systemctl restart ejabberd; journalctl -u ejabberd. After an update of ejabberd: a newer Conexizan.",
        ),
        (
            *health.judge_database(["domain a.test", "database writes"]),
            "pass",
            "writes",
            "",
        ),
        (
            *health.judge_database(["database the disk is full", "refused 90000 it is read-only"]),
            "fail",
            "refuses to write: the disk is full; messages come back to their senders",
            "Find what takes the place: du -xhd2 /var | sort -h. Once there is room, all goes on by itself.",
        ),
        (
            *health.judge_database(["database writes", "refused 299 the disk is full"]),
            "fail",
            "writes now, but refused to 5 min ago: the disk is full",
            "Find what takes the place: du -xhd2 /var | sort -h. Once there is room, all goes on by itself.",
        ),
        (
            *health.judge_database(["database writes", "refused 3600 the disk fails"]),
            "warn",
            "writes now, but refused to 61 min ago: the disk fails",
            "See whether /var/lib/ejabberd can be written, and journalctl -k. Damaged: playbooks/restore.yml",
        ),
        (
            health.judge_services(["a.service"], {"a.service": UP}, [], ["own.service", "a.service"]),
            "fail",
            "end and are started again and again: own.service, a.service",
            "See why: systemctl status a.service; journalctl -u a.service",
        ),
        (
            health.judge_services(["a.service"], {"a.service": UP}, ["b.service"], ["own.service"]),
            "warn",
            "end and are started again and again: own.service",
            "See why: systemctl status own.service; journalctl -u own.service",
        ),
        (
            health.judge_counters(
                "10.99.99.99:9100", urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))
            ),
            "fail",
            "nothing is read at 10.99.99.99:9100 (xmpp_metrics): Connection refused",
            "See whether the host has this address (ip address), then run site.yml --tags metrics.",
        ),
        (
            health.judge_counters("127.0.0.1:9100", "node_load1 0.1\n"),
            "fail",
            "those at 127.0.0.1:9100 say nothing of the service",
            "systemctl start xmpp-metrics.service; systemctl status xmpp-metrics.service",
        ),
        (health.judge_counters("[::1]:9100", "# HELP\nxmpp_up 1\n"), "pass", "are read at [::1]:9100", ""),
        (
            health.judge_services(["a.service"], {}, [], []),
            "fail",
            "not running: a.service",
            "systemctl restart a.service; systemctl status a.service",
        ),
        (
            health.judge_services([], {}, ["own.service"], []),
            "warn",
            "failed: own.service",
            "systemctl status own.service",
        ),
        (
            health.judge_services([], {}, ["xmpp-forget.service"], []),
            "fail",
            "failed: xmpp-forget.service",
            "systemctl status xmpp-forget.service",
        ),
        (
            health.judge_memory("MemTotal: 1024000 kB\nMemAvailable: 512000 kB\n"),
            "pass",
            "500 of 1000 MiB are free",
            "",
        ),
        (
            health.judge_memory("MemTotal: 1024000 kB\nMemAvailable: 30720 kB\n"),
            "fail",
            "30 of 1000 MiB are free",
            "See what takes it (ps --sort=-rss -eo rss,comm | head), or give the host more.",
        ),
        (health.judge_clock(1.0, synchronized=True, contained=False), "pass", "right, and set by a time server", ""),
        (
            health.judge_clock(-90, synchronized=True, contained=True),
            "fail",
            "90 s behind this machine's",
            "See timedatectl on both: passwords for calls and certificates go by the time.",
        ),
        (health.judge_retention(""), "pass", "what is too old is deleted", ""),
        (health.judge_retention('{"kept": {}}'), "pass", "what is too old is deleted", ""),
        (
            health.judge_retention('{"kept": {"uploads": "the clock was set 365 days forward", "messages": "x"}}'),
            "fail",
            "messages, uploads that are too old stay: the clock was set 365 days forward; x",
            "See timedatectl. It goes on by itself once the clock has gone right for two days; if it is right, at once:"
            " /usr/local/lib/xmpp/clock.py trust",
        ),
        (health.judge_updates([], 3600), "pass", "none waits", ""),
        (
            health.judge_updates(["a", "b", "c", "d", "e", "f"], 3600),
            "warn",
            "6 wait: a, b, c, d and 2 more",
            "They come by themselves within a day; now: unattended-upgrade",
        ),
        (
            health.judge_updates([], 9 * DAY),
            "warn",
            "not looked for in 9 days",
            "See why: apt-get update; systemctl status apt-daily.timer",
        ),
    ],
)
def test_state_of_a_host(row: dict[str, str], status: str, found: str, mend: str) -> None:
    assert (row["status"], row["found"], row["mend"]) == (status, found, mend)


def test_timers() -> None:
    """Each kind of fault is told, and hides no other."""
    stopped = {"a.timer": UP, "b.timer": {"ActiveState": "inactive"}}
    results = {"a.service": {"Result": "exit-code"}, "b.service": {"Result": "exec-condition"}, "c.service": RUNNING}
    rows = health.judge_timers(stopped, results, 3 * DAY)
    assert [(row["status"], row["found"], row["mend"]) for row in rows] == [
        ("fail", "stopped: b.timer", "systemctl enable --now b.timer"),
        (
            "fail",
            "the last run failed: a.service",
            "See why: systemctl status a.service; once that is mended: systemctl start a.service",
        ),
        (
            "warn",
            "running for more than 6 hours: c.service",
            "See what it waits for: systemctl status c.service; then: systemctl restart c.service",
        ),
    ]
    (well,) = health.judge_timers({"a.timer": UP}, {"c.service": RUNNING}, 2 * DAY + 60)
    assert (well["status"], well["found"]) == ("pass", "1 wait for their time, no last run failed")


GIB = 2**30


@pytest.mark.parametrize(
    ("free", "inodes", "expected"),
    [
        (50 * GIB, 900, None),
        (10 * GIB, 900, ("warn", "/srv has 10% of its room left (10.0 GiB)")),
        (1 * GIB, 900, ("fail", "/srv has 1% of its room left (1.0 GiB)")),
        (50 * GIB, 20, ("fail", "/srv has 2% of its places for files left (50.0 GiB)")),
    ],
)
def test_room_on_a_disk(free: int, inodes: int, expected: tuple[str, str] | None) -> None:
    row = health.judge_disk("/srv", 100 * GIB, free, 1000, inodes)
    assert (row and (row["status"], row["found"])) == expected


@pytest.mark.parametrize(
    ("state", "loops"),
    [
        ({"ActiveState": "active", "SubState": "running", "NRestarts": "0"}, False),
        ({"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "1"}, True),
        ({"ActiveState": "activating", "SubState": "auto-restart-queued"}, True),
        # One that runs for a second between two starts.
        ({"SubState": "running", "NRestarts": "5", "ActiveEnterTimestampMonotonic": "999000000"}, True),
        # One that was started again once, and one that has long been well.
        ({"SubState": "running", "NRestarts": "1", "ActiveEnterTimestampMonotonic": "999000000"}, False),
        ({"SubState": "running", "NRestarts": "5", "ActiveEnterTimestampMonotonic": "1000000"}, False),
        ({"SubState": "dead"}, False),
    ],
)
def test_service_that_is_started_for_ever(state: dict[str, str], loops: bool) -> None:
    assert health.looping({"a.service": state}, 1000) == ["a.service"] * loops


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
    seen = doctor(shut=[{"owner": "ufw", "protocol": protocol, "port": port}])
    seen.open = {"192.31.196.1": {80: "", closed: "answers nothing"} if closed else {80: "", 5222: ""}}
    assert seen.shut_by() == ("ufw" if named else "")


def test_neighbours_have_rows_with_what_frees_the_ports() -> None:
    held = ["TCP 80: held by apache2.service, and nginx would not start. On the host: systemctl disable --now apache2."]
    shut = [health.firewalls.Shut("ufw", "table ip filter, chain INPUT", "drop", (("tcp", "443"),))]
    ports, wall = health.judge_neighbours(held, shut, firewall=True)
    assert ports == {
        "subject": "ports",
        "status": "fail",
        "found": "TCP 80: held by apache2.service, and nginx cannot start",
        "mend": "On the host: systemctl disable --now apache2.",
    }
    assert wall["found"] == "ufw, a firewall of this host, lets nobody in to TCP 443 (table ip filter, chain INPUT)"
    assert wall["mend"].startswith("Open these: ufw allow 443/tcp.")
    assert wall["mend"].endswith("ufw disable")


@pytest.mark.parametrize(
    ("troubles", "mend"),
    [
        # What a certificate of the wrong kind, or a folder that ejabberd cannot read, looks like.
        (
            ("refuses STARTTLS", "cuts the connection"),
            "Run site.yml --tags certificates,ejabberd; then see on the host",
        ),
        (("", "TLS fails: TLSV1_ALERT_INTERNAL_ERROR"), "ls -l /etc/xmpp/certificates/friends.test"),
        (("port 5222 refuses connections", ""), "as ever"),
        (("port 5222 does not answer", "port 5223 does not answer"), "Mend first what the rows of the ports"),
        (("offers no login", ""), "as ever"),
    ],
)
def test_port_without_a_certificate(troubles: tuple[str, str], mend: str) -> None:
    """The advice is one that helps: to look after ejabberd alone would not."""
    seen = [check.Seen(f"port {port}", "friends.test", one) for port, one in zip((5222, 5223), troubles, strict=True)]
    row = doctor().streams("clients", seen, "as ever")
    assert row.status == "fail"
    assert mend in row.mend


def test_contact_that_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reports abuse would write to nobody."""

    class Api:
        def __init__(self, path: str) -> None:
            assert path

        def call(self, command: str, **arguments: str) -> int:
            assert command == "check_account"
            return 0 if arguments == {"user": "admin", "host": "friends.test"} else 1

    monkeypatch.setattr(health, "Api", Api)
    assert health.contacts_row(["admin@friends.test"]) == []
    (row,) = health.contacts_row(["admin@friends.test", "nosuch@friends.test"])
    assert (row["status"], row["found"]) == ("fail", "nobody is at nosuch@friends.test, where people are told to write")
    assert "-e create=nosuch@friends.test" in row["mend"]
