# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that backs up: which backups it refuses to bring back, and what it makes of restic's words."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from .loading import load

backup: Any = load("roles/backup/templates/usr/local/sbin/xmpp-backup")


def test_backup_of_this_service_is_taken() -> None:
    backup.check_description({"format": backup.FORMAT, "domain": "friends.test"}, "friends.test")


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"format": backup.FORMAT + 1, "domain": "friends.test"}, "newer release"),
        ({"format": backup.FORMAT, "domain": "club.test"}, "is of club.test, and this service is friends.test"),
    ],
)
def test_backup_that_does_not_fit_is_refused(about: dict[str, object], why: str) -> None:
    with pytest.raises(backup.BackupError, match=why):
        backup.check_description(about, "friends.test")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Fatal: wrong password or no key found\n", "wrong password or no key found"),
        ('{"message_type":"exit_error","code":10,"message":"Fatal: no repository\\nthere"}\n', "no repository there"),
        ("\n one\n\n two\n", "one two"),
        ("", "it gave no reason"),
    ],
)
def test_words(said: str, shown: str) -> None:
    assert backup.words(said) == shown


NOW = datetime.datetime(2026, 11, 22, 2, tzinfo=datetime.UTC)


def night(days: float, *tags: str, domain: str = "friends.test") -> list[dict[str, Any]]:
    """Return the snapshots of a night that is some days ago, as restic lists them, named by days and tag."""
    time = (NOW - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [{"id": f"{days} {tag}", "time": time, "hostname": domain, "tags": [tag]} for tag in tags]


def whole(*days: float) -> list[dict[str, Any]]:
    """Return the snapshots of complete backups."""
    return [one for day in days for one in night(day, "database", "files")]


@pytest.mark.parametrize(
    ("snapshots", "days", "old"),
    [
        ([], 7, []),
        (whole(0, 1, 6, 6.4), 7, []),
        (whole(0, 1, 7, 8), 7, ["7 database", "7 files", "8 database", "8 files"]),
        (whole(0, 1), 1, ["1 database", "1 files"]),
        # No more are made: the newest stays, and nothing else.
        (whole(9, 8), 7, ["9 database", "9 files"]),
        (night(2, "database") + night(8, "database") + whole(9, 10), 7, ["8 database", "10 database", "10 files"]),
        (whole(0) + night(30, "database", "files", domain="club.test"), 7, []),
    ],
)
def test_old_backups_go_by_the_calendar(snapshots: list[dict[str, Any]], days: int, old: list[str]) -> None:
    assert backup.outdated(snapshots, "friends.test", days, NOW) == old
