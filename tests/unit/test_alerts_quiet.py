# SPDX-License-Identifier: GPL-3.0-or-later
"""When the alerts are quiet, and which lock is held for so long that they are not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from alerts import quiet
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, WARN


@pytest.mark.parametrize(
    ("status", "is_so"),
    [
        ({"planned": True, "beginning": "2027-01-15T07:00:00Z", "expected_end": "2027-01-15T09:00:00Z"}, True),
        ({"planned": False, "beginning": "2027-01-15T07:00:00Z", "expected_end": "2027-01-15T09:00:00Z"}, False),
        ({"planned": True, "beginning": "2027-01-15T09:00:00Z", "expected_end": "2027-01-15T10:00:00Z"}, False),
        ({"planned": True, "beginning": "2027-01-15T07:00:00Z"}, False),
        ({}, False),
    ],
)
def test_maintenance_that_was_announced(status: dict[str, object], is_so: bool) -> None:
    assert quiet.announced(json.dumps(status), 1_800_000_000) is is_so  # 08:00


class Locks:
    """A host whose locks are made up, and everything else that makes it quiet."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.paths = {name: folder / name for name in ("tree", "packages", "backup", "locks")}
        for path in self.paths.values():
            path.touch()
        monkeypatch.setattr(quiet, "CHANGED", (self.paths["tree"],))
        monkeypatch.setattr(quiet, "PACKAGES", self.paths["packages"])
        monkeypatch.setattr(quiet, "BACKUP", self.paths["backup"])
        monkeypatch.setattr(quiet, "LOCKS", self.paths["locks"])
        monkeypatch.setattr(quiet, "STATUS", folder / "none")
        self.backup = {"ActiveState": "inactive"}
        monkeypatch.setattr(quiet, "units", lambda *_: {"xmpp-backup.service": self.backup})
        self.changed = self.paths["tree"].stat().st_mtime
        self.now = self.changed + quiet.JUST + 1
        self.held: dict[str, Any] = {}

    def lock(self, name: str, process: str = "4711", device: str = "") -> None:
        path = self.paths[name]
        where = device or quiet.device(path)
        self.paths["locks"].write_text(f"4: POSIX  ADVISORY  WRITE {process} {where}:{path.stat().st_ino} 0 EOF\n")

    def unlock(self) -> None:
        self.paths["locks"].write_text(
            "1: POSIX  ADVISORY  READ 7 00:1f:1 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 8 00:1f:1 0 EOF\n"
        )

    def is_quiet(self, hours: float = 0) -> bool:
        self.now += hours * quiet.HOUR
        return quiet.quiet(self.held, self.now)


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Locks:
    return Locks(monkeypatch, tmp_path)


def test_quiet_while_somebody_works_on_the_host(locks: Locks) -> None:
    locks.unlock()
    assert not locks.is_quiet()
    assert quiet.quiet({}, locks.changed + 1)
    locks.lock("packages")
    assert locks.is_quiet()
    locks.lock("backup")
    assert locks.is_quiet()
    locks.backup["ActiveState"] = "activating"  # a backup, no restore
    assert not locks.is_quiet()
    assert locks.held == {}


def test_lock_that_is_held_for_too_long_is_a_fault(locks: Locks) -> None:
    """As by an apt-get that asks something in a terminal that is closed."""
    locks.lock("packages")
    assert locks.is_quiet()
    assert locks.is_quiet(5.9)
    assert quiet.stuck(locks.held, locks.now) == []
    locks.held = json.loads(json.dumps(locks.held))
    assert not locks.is_quiet(0.1)
    (found,) = quiet.stuck(locks.held, locks.now)
    assert (found["subject"], found["status"]) == ("packages", WARN)
    assert found["found"] == "locked by process 4711 for 6 hours"
    assert "ps -fp 4711" in found["fix"]
    locks.lock("packages", "4712")  # somebody else, who has just begun
    assert locks.is_quiet()
    locks.unlock()
    assert not locks.is_quiet()
    assert locks.held == {}
    locks.lock("backup")
    assert locks.is_quiet()
    assert not locks.is_quiet(7)
    (found,) = quiet.stuck(locks.held, locks.now)
    assert (found["subject"], found["status"], found["found"]) == (
        "restore",
        FAIL,
        "locked by process 4711 for 7 hours",
    )


def test_clock_that_was_ahead_makes_no_lock_a_long_one(locks: Locks) -> None:
    locks.lock("packages")
    locks.now += 9999999
    assert locks.is_quiet()
    locks.now -= 9999999
    assert locks.is_quiet()
    assert not locks.is_quiet(6)


def test_lock_of_a_file_with_the_same_number_on_another_disk(
    monkeypatch: pytest.MonkeyPatch, locks: Locks, tmp_path: Path
) -> None:
    """The device is that of the mount, as on btrfs no other is in /proc/locks."""
    locks.lock("packages", device="103:7f")
    assert not locks.is_quiet()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(re.sub(r"^(\d+ \d+) \d+:\d+", r"\1 259:127", quiet.MOUNTS.read_text(), flags=re.MULTILINE))
    monkeypatch.setattr(quiet, "MOUNTS", mounts)
    assert locks.is_quiet()
    mounts.write_text("")  # nobody knows: rather quiet for six hours
    locks.lock("packages", device="00:1f")
    assert locks.is_quiet()
