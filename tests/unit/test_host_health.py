# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check.yml says of the state of a host, without one."""

from __future__ import annotations

import urllib.error

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.closed_ports import Shut
from ansible_collections.conexizan.xmpp.plugins.module_utils.health import (
    counters,
    machine,
    ports,
    server,
    units,
    updates,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import Row

DAY = 86400
UPDATE = "Update Conexizan (docs/upgrading.md) and run site.yml: it may have been tested by then."


def judge(here: str, *newer: str, candidate: str = "", kept: bool = False) -> Row:
    """Judge an ejabberd by 26.07, where newer versions are known, and apt would take one of them."""
    known = {"ejabberd": updates.Offer(here, candidate or here, list(newer))}
    return updates.judge_ejabberd(known, {"ejabberd"} if kept else set(), "26.07")


UP = {"ActiveState": "active"}
# Begun two days after the machine was switched on.
RUNNING = {"ActiveState": "activating", "Result": "success", "InactiveExitTimestampMonotonic": str(2 * DAY * 10**6)}


@pytest.mark.parametrize(
    ("row", "status", "found", "fix"),
    [
        (units.judge_services(["a.service"], {"a.service": UP}, [], []), "pass", "a running, no failed units", ""),
        (
            server.judge_modules({"a.test"}, {"hook mod"}, {"domain a.test", "a.test hook mod"}),
            "pass",
            "active",
            "",
        ),
        (
            server.judge_modules({"a.test", "b.test"}, {"hook mod"}, {"a.test hook mod"}),
            "fail",
            "not active: mod",
            "systemctl restart ejabberd; journalctl -u ejabberd. After an ejabberd update, update Conexizan.",
        ),
        (
            *server.judge_database(["domain a.test", "database writes"]),
            "pass",
            "accepts writes",
            "",
        ),
        (
            *server.judge_database(["database the disk is full", "refused 90000 it is read-only"]),
            "fail",
            "refuses to write: the disk is full; messages come back to their senders",
            "Find what uses the space: du -xhd2 /var | sort -h. Once there is space, no restart is needed.",
        ),
        (
            *server.judge_database(["database writes", "refused 299 the disk is full"]),
            "fail",
            "accepts writes now, but refused them 5 min ago: the disk is full",
            "Find what uses the space: du -xhd2 /var | sort -h. Once there is space, no restart is needed.",
        ),
        (
            *server.judge_database(["database writes", "refused 3600 the disk fails"]),
            "warn",
            "accepts writes now, but refused them 61 min ago: the disk fails",
            "Check that /var/lib/ejabberd is writable, and read journalctl -k. If it is damaged: playbooks/restore.yml",
        ),
        (
            units.judge_services(["a.service"], {"a.service": UP}, [], ["own.service", "a.service"]),
            "fail",
            "restarting again and again: own.service, a.service",
            "See why: systemctl status a.service; journalctl -u a.service",
        ),
        (
            units.judge_services(["a.service"], {"a.service": UP}, ["b.service"], ["own.service"]),
            "warn",
            "restarting again and again: own.service",
            "See why: systemctl status own.service; journalctl -u own.service",
        ),
        (
            counters.judge_counters(
                "10.99.99.99:9100", urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))
            ),
            "fail",
            "cannot be read at 10.99.99.99:9100 (xmpp_metrics): Connection refused",
            "See whether the host has this address (ip address), then run site.yml --tags metrics.",
        ),
        (
            counters.judge_counters("127.0.0.1:9100", "node_load1 0.1\n"),
            "fail",
            "those at 127.0.0.1:9100 have no metrics of the service",
            "systemctl start xmpp-metrics.service; systemctl status xmpp-metrics.service",
        ),
        (counters.judge_counters("[::1]:9100", "# HELP\nxmpp_up 1\n"), "pass", "served at [::1]:9100", ""),
        (
            units.judge_services(["a.service"], {}, [], []),
            "fail",
            "not running: a.service",
            "systemctl restart a.service; systemctl status a.service",
        ),
        (
            units.judge_services([], {}, ["own.service"], []),
            "warn",
            "failed: own.service",
            "systemctl status own.service",
        ),
        (
            units.judge_services([], {}, ["xmpp-expire.service"], []),
            "fail",
            "failed: xmpp-expire.service",
            "systemctl status xmpp-expire.service",
        ),
        (
            machine.judge_memory("MemTotal: 1024000 kB\nMemAvailable: 512000 kB\n"),
            "pass",
            "500 of 1000 MiB are free",
            "",
        ),
        (
            machine.judge_memory("MemTotal: 1024000 kB\nMemAvailable: 30720 kB\n"),
            "fail",
            "30 of 1000 MiB are free",
            "Find what uses it (ps --sort=-rss -eo rss,comm | head), or give the host more.",
        ),
        (
            machine.judge_clock(1.0, synchronized=True, contained=False),
            "pass",
            "correct, synchronized with a time server",
            "",
        ),
        (
            machine.judge_clock(-90, synchronized=True, contained=True),
            "fail",
            "90 s behind this machine's",
            "See timedatectl on both: TURN credentials and certificates depend on the time.",
        ),
        (machine.judge_retention(""), "pass", "expired data is deleted", ""),
        (machine.judge_retention('{"kept": {}}'), "pass", "expired data is deleted", ""),
        (
            machine.judge_retention('{"kept": {"uploads": "the clock was set 365 days forward", "messages": "x"}}'),
            "fail",
            "expired messages, uploads are not deleted: the clock was set 365 days forward; x",
            "See timedatectl. Deletion resumes once the clock has been correct for two days; if it is correct now:"
            " /usr/local/lib/xmpp/clock.py trust",
        ),
        (updates.judge_version("# By Ansible\nconexizan_version: 1.0.0\n", "1.0.0"), "pass", "1.0.0", ""),
        (
            updates.judge_version("conexizan_version: 1.0.0\n", "1.1.0 (commit 0123456789ab)"),
            "warn",
            "the host was deployed by 1.0.0, this is 1.1.0 (commit 0123456789ab)",
            "Run site.yml to deploy this one; CHANGELOG.md says what is new.",
        ),
        (
            updates.judge_version("", "1.0.0"),
            "warn",
            "the host was deployed by one without a number, this is 1.0.0",
            "Run site.yml to deploy this one; CHANGELOG.md says what is new.",
        ),
        (updates.judge_updates([], 3600), "pass", "none pending", ""),
        (
            updates.judge_updates(["a", "b", "c", "d", "e", "f"], 3600),
            "warn",
            "6 pending: a, b, c, d and 2 more",
            "They are installed within a day; now: unattended-upgrade",
        ),
        (
            updates.judge_updates([], 9 * DAY),
            "warn",
            "no update of the package lists for 9 days",
            "See why: apt-get update; systemctl status apt-daily.timer",
        ),
        (judge("26.07-2~bpo13+1"), "pass", "26.07-2~bpo13+1, a tested one", ""),
        (judge("26.07-1", "26.07-2", candidate="26.07-2"), "pass", "26.07-1, a tested one", ""),
        (
            judge("26.07-1", "27.01-1", "26.10-1", "26.07-2", candidate="26.07-2"),
            "warn",
            "26.07-1 stays, with which Conexizan was tested; waiting: ejabberd 27.01-1",
            f"{UPDATE} To take it untested, on the host: {updates.TAKE}; then run site.yml and this.",
        ),
        (
            judge("26.07-1", "26.07.1-1", candidate="26.07.1-1", kept=True),
            "warn",
            "26.07-1 stays, with which Conexizan was tested; waiting: ejabberd 26.07.1-1",
            f"{UPDATE} To take it untested, on the host: {updates.TAKE}; then run site.yml and this.",
        ),
        (
            judge("27.01-1"),
            "warn",
            "27.01-1 is installed, Conexizan was tested with 26.07",
            f"{UPDATE} Until then, see that all rows here are well.",
        ),
        (judge("26.04-1"), "warn", "26.04-1 is installed, Conexizan was tested with 26.07", "Run site.yml."),
        (judge(""), "warn", "not installed", "Run site.yml."),
        (updates.judge_ejabberd({}, set(), "26.07"), "warn", "unknown to apt", "See why: apt-cache policy ejabberd"),
    ],
)
def test_state_of_a_host(row: Row, status: str, found: str, fix: str) -> None:
    assert (row["status"], row["found"], row["fix"]) == (status, found, fix)


def test_timers() -> None:
    """Each kind of fault is told, and hides no other."""
    stopped = {"a.timer": UP, "b.timer": {"ActiveState": "inactive"}}
    results = {"a.service": {"Result": "exit-code"}, "b.service": {"Result": "exec-condition"}, "c.service": RUNNING}
    rows = units.judge_timers(stopped, results, 3 * DAY)
    assert [(row["status"], row["found"], row["fix"]) for row in rows] == [
        ("fail", "stopped: b.timer", "systemctl enable --now b.timer"),
        (
            "fail",
            "the last run failed: a.service",
            "See why: systemctl status a.service; once that is fixed: systemctl start a.service",
        ),
        (
            "warn",
            "running for more than 6 hours: c.service",
            "See what it waits for: systemctl status c.service; then: systemctl restart c.service",
        ),
    ]
    (well,) = units.judge_timers({"a.timer": UP}, {"c.service": RUNNING}, 2 * DAY + 60)
    assert (well["status"], well["found"]) == ("pass", "1 timers active, all last runs succeeded")


GIB = 2**30


@pytest.mark.parametrize(
    ("free", "inodes", "expected"),
    [
        (50 * GIB, 900, None),
        (10 * GIB, 900, ("warn", "/srv has 10% of its space left (10.0 GiB)")),
        (1 * GIB, 900, ("fail", "/srv has 1% of its space left (1.0 GiB)")),
        (50 * GIB, 20, ("fail", "/srv has 2% of its inodes left (50.0 GiB)")),
    ],
)
def test_room_on_a_disk(free: int, inodes: int, expected: tuple[str, str] | None) -> None:
    row = machine.judge_disk("/srv", 100 * GIB, free, 1000, inodes)
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
    assert units.looping({"a.service": state}, 1000) == ["a.service"] * loops


def test_neighbours_have_rows_with_what_frees_the_ports() -> None:
    held = ["TCP 80: held by apache2.service, and nginx would not start. On the host: systemctl disable --now apache2."]
    shut = [Shut("ufw", "table ip filter, chain INPUT", "drop", (("tcp", "443"),))]
    taken, wall = ports.judge_neighbours(held, shut, firewall=True)
    assert taken == {
        "subject": "ports",
        "status": "fail",
        "found": "TCP 80: held by apache2.service, and nginx cannot start",
        "fix": "On the host: systemctl disable --now apache2.",
    }
    assert wall["found"] == "ufw, a firewall of this host, blocks TCP 443 (table ip filter, chain INPUT)"
    assert wall["fix"].startswith("Open these: ufw allow 443/tcp.")
    assert wall["fix"].endswith("ufw disable")


def test_contact_that_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reports abuse would write to nobody."""

    class Api:
        def __init__(self, path: str) -> None:
            assert path

        def call(self, command: str, **arguments: str) -> int:
            assert command == "check_account"
            return 0 if arguments == {"user": "admin", "host": "friends.test"} else 1

    monkeypatch.setattr(server, "Api", Api)
    assert server.contacts_row(["admin@friends.test"]) == []
    (row,) = server.contacts_row(["admin@friends.test", "nosuch@friends.test"])
    assert (row["status"], row["found"]) == ("fail", "no account for the contact address nosuch@friends.test")
    assert "-e create=nosuch@friends.test" in row["fix"]
