# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are deleted when, whatever the clock says."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

import clock
import pytest
from backup import retention
from backup.errors import KeptError
from backup.snapshots import complete, expired

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
    assert expired(snapshots, "friends.test", days, NOW) == old


def numbered(count: int, *times: str) -> list[dict[str, Any]]:
    """Return the snapshots of complete backups that were made one after the other, from the one *count* on."""
    return [
        {"id": f"{time} {tag}", "time": time, "hostname": "friends.test", "tags": [tag, f"made-{made}"]}
        for made, time in enumerate(times, count)
        for tag in ("database", "files")
    ]


def at(day: int, year: int = 2026) -> str:
    """Return a night in November."""
    return f"{year}-11-{day:02}T02:00:00Z"


AHEAD = at(21, 2027)


def test_newest_is_the_last_one_made() -> None:
    """A night with the clock a year ahead is not the newest for a year; a restore takes the one of yesterday."""
    snapshots = whole(4, 3) + numbered(1, at(20), AHEAD, at(22))
    listed = sorted(snapshots, key=lambda one: str(one["time"]))  # as restic does
    assert list(complete(listed, "friends.test"))[-2:] == [AHEAD, at(22)]
    # Nor does it stay for a year: it counts as made together with the next.
    later = NOW + datetime.timedelta(days=9)
    old = expired(listed + numbered(4, at(30)), "friends.test", 7, later)
    assert f"{AHEAD} files" in old
    assert f"{at(30)} files" not in old


def test_clock_that_was_behind_has_nothing_deleted() -> None:
    """Neither what was made then, nor what was made before."""
    snapshots = numbered(1, at(18), at(19), "1970-01-01T00:00:10Z", at(21))
    assert expired(snapshots, "friends.test", 7, NOW) == []
    assert list(complete(snapshots, "friends.test"))[-1] == at(21)
    assert expired(snapshots, "friends.test", 7, datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.UTC)) == []


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clock that was right an hour ago; return what is kept of it."""
    path = tmp_path / "clock.json"
    monkeypatch.setattr(clock, "STATE", path)
    monkeypatch.setattr(clock, "somebody_sets_it", lambda: True)
    clock.write(clock.current())
    return path


class Kept:
    """A repository that says what it is to forget."""

    domain, place = "friends.test", "/mnt/backup"

    def __init__(self, snapshots: list[dict[str, Any]]) -> None:
        """Take what is in it."""
        self.listed, self.calls = snapshots, list[tuple[str, ...]]()

    def snapshots(self) -> list[dict[str, Any]]:
        """Return it."""
        return self.listed

    def call(self, *words: str) -> None:
        """Remember what is to be done."""
        self.calls.append(words)


def ago(*days: float, domain: str = "friends.test") -> list[dict[str, Any]]:
    """Return complete backups of some days ago, by the clock of this machine."""
    now = datetime.datetime.now(datetime.UTC)
    times = [(now - datetime.timedelta(days=one)).strftime("%Y-%m-%dT%H:%M:%SZ") for one in days]
    return [
        {"id": f"{day} {tag}", "time": time, "hostname": domain, "tags": [tag]}
        for day, time in zip(days, times, strict=True)
        for tag in ("database", "files")
    ]


def keep_house(repository: Any, former: dict[str, str] | None = None) -> dict[str, Any]:
    """Delete what is too old and return what is written down."""
    status: dict[str, Any] = {"former": former or {}}
    retention.delete_expired(repository, {"domain": "friends.test", "days": 7}, status)
    return status


@pytest.mark.usefixtures("seen")
def test_what_is_too_old_goes() -> None:
    repository = Kept(ago(9, 8, 1, 0))
    keep_house(repository)
    assert repository.calls[0] == ("forget", "9 database", "9 files", "8 database", "8 files")


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("days", [(380, 379, 366, 0), (30, 20, 0), (12, 0)])
def test_everything_does_not_go_at_once(days: tuple[float, ...]) -> None:
    """As on the night of a clock that is ahead."""
    repository = Kept(ago(*days))
    with pytest.raises(KeptError, match="all backups that there are would be deleted at once"):
        keep_house(repository)
    assert repository.calls == []


@pytest.mark.usefixtures("seen")
def test_clock_that_jumped_has_no_backup_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Kept(ago(9, 8, 1, 0))
    ahead = time.time() + 3 * 86400
    monkeypatch.setattr(time, "time", lambda: ahead)
    with pytest.raises(KeptError, match="the clock was set 3 days forward"):
        keep_house(repository)
    assert repository.calls == []


@pytest.mark.usefixtures("seen")
def test_backups_of_a_domain_that_was_given_up_go_as_well() -> None:
    """The last one, too: its accounts are in those of today. Not those of another host that has the domain now."""
    until = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=8)).isoformat()
    repository = Kept(ago(2, 1, 0) + ago(20, 8.1, 7.6, domain="old.test") + ago(20, domain="club.test"))
    status = keep_house(repository, {"old.test": until})
    assert repository.calls[0] == ("forget", "20 database", "20 files", "8.1 database", "8.1 files")
    assert status["former"] == {}
    until = datetime.datetime.now(datetime.UTC).isoformat()
    repository = Kept(ago(2, 1, 0) + ago(9, 3, domain="old.test"))
    assert keep_house(repository, {"old.test": until})["former"] == {"old.test": until}
    assert repository.calls[0] == ("forget", "9 database", "9 files")
