# SPDX-License-Identifier: GPL-3.0-or-later
"""What the alerts tell, and when: each fault once, and once that it is over."""

from __future__ import annotations

from copy import deepcopy

import pytest
from alerts.changes import BROKEN, WELL, Problem, news
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row

MINUTES = 600.0  # from one look to the next
DAY = 86400
DOWN = row("services", FAIL, "not running: coturn.service", "systemctl restart coturn.service")
UP = row("services", PASS, "ejabberd, nginx, coturn running, no failed units")
TOLD_DOWN = "services: not running: coturn.service\nFix: systemctl restart coturn.service"
TOLD_UP = "Well again: services: ejabberd, nginx, coturn running, no failed units"


class Host:
    """A host that is looked at every ten minutes."""

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}
        self.now = 1_800_000_000.0
        self.changes = 0  # of what is known, each of which is written to the disk

    def look(self, *rows: Row, times: int = 1) -> list[str]:
        told = []
        for _ in range(times):
            self.now += MINUTES
            before = deepcopy(self.problems)
            told += news(self.problems, list(rows), self.now)
            self.changes += self.problems != before
        return told


def test_fault_is_told_once_and_its_end_once() -> None:
    host = Host()
    assert host.look(UP) == []
    assert host.look(DOWN) == []
    assert host.look(DOWN) == [TOLD_DOWN]
    assert host.look(DOWN, times=1000) == []
    assert host.look(UP, times=WELL - 1) == []
    assert host.look(UP) == [TOLD_UP]
    assert host.look(UP, times=1000) == []
    assert host.problems == {}


def test_what_is_known_changes_a_few_times_for_a_fault_and_its_end() -> None:
    """Whatever changes is written to the disk, and a memory card wears out."""
    host = Host()
    host.look(DOWN, times=1000)
    assert host.changes == BROKEN
    host.look(UP, times=1000)
    assert host.problems == {}
    assert host.changes == BROKEN + WELL + 1  # it is forgotten after a day


def test_moment_is_no_news() -> None:
    """A service that is restarted; and one that starts for a moment while it is down."""
    host = Host()
    for _ in range(5):
        assert host.look(DOWN) == []
        assert host.look(UP) == []
    host.look(DOWN, times=BROKEN)
    for _ in range(5):
        assert host.look(UP, times=WELL - 1) == []
        assert host.look(DOWN, times=2) == []


def test_two_faults_are_two_sentences() -> None:
    host = Host()
    disk = row("disk", FAIL, "/ has 3% of its space left (0.4 GiB)", "Find what uses the space")
    host.look(DOWN, disk)
    assert host.look(DOWN, disk) == [
        TOLD_DOWN,
        "disk: / has 3% of its space left (0.4 GiB)\nFix: Find what uses the space",
    ]
    less = row("disk", FAIL, "/ has 2% of its space left (0.2 GiB)", "Find what uses the space")
    assert host.look(UP, less, times=WELL) == [TOLD_UP]
    assert host.look(UP, row("disk", PASS, "at least 20% free"), times=WELL) == ["Well again: disk: at least 20% free"]


def test_one_more_service_is_news_once() -> None:
    host = Host()
    both = row("services", FAIL, "not running: coturn.service, ejabberd.service", "restart both")
    host.look(DOWN, times=BROKEN)
    assert host.look(both, times=10) == ["services: not running: coturn.service, ejabberd.service\nFix: restart both"]
    assert host.look(DOWN, times=10) == []
    assert host.look(both, times=10) == []
    assert host.look(UP, times=10) == [TOLD_UP]


def test_warning_that_becomes_a_failure_is_news() -> None:
    host = Host()
    rows = [row("memory", status, "few", "more") for status in (WARN, FAIL)]
    assert len(host.look(rows[0], times=20)) == 1
    assert len(host.look(rows[1], times=20)) == 1
    assert host.look(rows[0], times=20) == []


def test_fault_that_comes_and_goes_all_day_is_told_a_few_times() -> None:
    host = Host()
    looks = [DOWN] * BROKEN + [UP] * WELL
    told = [sentence for turn in range(4 * 24 * 6) for sentence in host.look(looks[turn % len(looks)])]
    assert told == [TOLD_DOWN, TOLD_UP, TOLD_DOWN]  # the second time, it must stay away for two hours
    assert host.look(UP, times=11) == []
    assert host.look(UP, times=1000) == [TOLD_UP]
    assert host.problems == {}


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (row("ejabberd version", WARN, "26.07-1 stays; waiting: ejabberd 26.10-1", "update"), 7 * DAY),
        (row("security updates", WARN, "1 pending: openssl", "wait"), 3 * DAY),
        (row("restart", WARN, "needed to complete an update", "systemctl reboot"), 7 * DAY),
        (row("backup", WARN, "none has been made yet", "wait"), 2 * DAY),
        (row("clock", WARN, "correct, but not synchronized", "timedatectl"), 3600),
        (row("backup", FAIL, "failed", "see"), 0),
    ],
)
def test_what_ends_by_itself_is_told_later(fault: Row, seconds: int) -> None:
    host = Host()
    host.look(fault)
    looks = max(seconds // 600, 1)
    assert host.look(fault, times=looks - 1) == []
    assert len(host.look(fault, times=1000)) == 1


def test_clock_that_was_ahead_delays_nothing_for_longer() -> None:
    """A Raspberry Pi starts with any time, which is corrected later."""
    host = Host()
    restart = row("restart", WARN, "needed to complete an update", "systemctl reboot")
    host.now += 400 * DAY
    assert host.look(restart, times=BROKEN) == []
    host.now -= 400 * DAY
    assert host.look(restart, times=7 * 24 * 6) == []
    assert len(host.look(restart, times=2)) == 1


def test_what_cannot_be_known_is_neither() -> None:
    """While ejabberd is stopped, nobody knows whether its database is well again."""
    host = Host()
    refused = row("database", FAIL, "refuses to write: the disk is full", "see")
    skipped = row("own modules", WARN, "skipped: ejabberd is not running", "Once ejabberd runs, check again.")
    lately = row("database", WARN, "accepts writes now, but refused them 9 min ago", "see")
    assert len(host.look(refused, times=5)) == 1
    assert host.look(skipped, times=50) == []
    assert host.look(lately, times=WELL) == [f"Well again: database: {lately['found']}"]


def test_row_that_is_there_only_for_a_fault() -> None:
    host = Host()
    half = row("restore", FAIL, "was interrupted", "xmpp-backup rollback")
    assert len(host.look(half, times=5)) == 1
    assert host.look(times=WELL) == ["Well again: restore"]
