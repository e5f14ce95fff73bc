# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that backs up: which backups it refuses to bring back, and what it makes of restic's words."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .loading import load

# Before any test: an audit hook stays, and is to see nothing but what a test asks for.
STEPS = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "subprocess.Popen")
left: list[int] = []


class Cut(BaseException):
    """The power is gone: nothing in the program can hold this up."""


def cut(event: str, _: object) -> None:
    """Count down before each step on the disk, and end there."""
    if left and event in STEPS:
        left[0] -= 1
        if left[0] < 0:
            left.clear()
            raise Cut


sys.addaudithook(cut)
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


class Listed:
    """A repository in which each upload came, or came back, some hours ago."""

    def __init__(self, **hours: int) -> None:
        """Take the hours by the names of the folders."""
        now = datetime.datetime.now(datetime.UTC)
        nodes = [
            {"type": "file", "path": f"/up/{folder}/photo", "ctime": (now - datetime.timedelta(hours=ago)).isoformat()}
            for folder, ago in hours.items()
        ]
        self.stdout = "\n".join(json.dumps(node) for node in nodes)

    def call(self, *_words: str) -> Listed:
        """Return the listing."""
        return self


def test_upload_that_is_restored_twice_goes_when_it_would_have_gone() -> None:
    earlier = "e /up/b - - - bB:30h\ne /up/c - - - bB:30h\ne /up/gone - - - bB:9h\n"
    rules = backup.expiry(Listed(a=10, b=10, c=40), "id", 2, earlier)
    assert rules == "e /up/a - - - bB:38h\ne /up/b - - - bB:20h\ne /up/c - - - bB:0h\n"


# ---------------------------------------------------------------------- cut off at each step
class Places:
    """A service, and a backup that is to take its place."""

    def __init__(self, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it; the uploads are on *disk*."""
        self.root, self.uploads = root, disk / "data"
        for name in ("STATE", "STAGED", "ASIDE", "LIST", "HALF", "DATABASE", "EXPIRY"):
            monkeypatch.setattr(backup, name, root / str(getattr(backup, name)).lstrip("/"))
        self.certificates = root / "etc/letsencrypt"
        names = ("accounts", "live/xmpp_both", "live/xmpp_new", "renewal/xmpp_both.conf")
        paths = [*(self.certificates / name for name in names), self.uploads, backup.EXPIRY]
        self.about = {"paths": [str(path) for path in paths]}
        for path in (backup.DATABASE, backup.DATABASE.with_name("xmpp.db-wal"), backup.EXPIRY):
            write(path, "old")
        for name in ("accounts/one/key", "live/xmpp_both/key", "renewal/xmpp_both.conf"):
            write(self.certificates / name, "old")
        for name in ("kept/photo", "newer/photo"):
            write(self.uploads / name, "old")
        self.old = self.state()
        self.stage()
        self.exchange()
        self.new = self.state()
        assert not self.old.items() & self.new.items()

    def exchange(self) -> None:
        """Do what swap does: forget an earlier restore that broke off, and begin."""
        backup.put_back()
        backup.exchange(backup.replaced(self.about))

    def stage(self) -> None:
        """Fetch the backup."""
        backup.remove(backup.STAGED)
        files = [self.certificates / "accounts/two/key", self.certificates / "renewal/xmpp_both.conf"]
        files += [self.certificates / f"live/xmpp_{name}/key" for name in ("both", "new")]
        write(backup.STAGED / "files" / str(backup.EXPIRY).lstrip("/"), "of the restore before that backup")
        for path in (*files, self.uploads / "kept/photo"):
            write(backup.STAGED / "files" / str(path).lstrip("/"), "new")
        for name in ("xmpp.db", "expiry"):
            write(backup.STAGED / name, "new")
        write(backup.STAGED / "about.json", "{}")

    def state(self) -> dict[str, str]:
        """Return what there is beside what the program keeps for itself."""
        files = [path for folder in (self.root, self.uploads.parent) for path in folder.rglob("*") if path.is_file()]
        return {str(path): path.read_text(encoding="ascii") for path in files if backup.STATE not in path.parents}


def write(path: Path, text: str) -> None:
    """Make a file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.fixture(params=["one disk", "two disks"])
def places(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Everything on one disk, or the uploads on another one."""
    monkeypatch.setattr(os, "sync", lambda: None)  # of the whole machine, hundreds of times
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=tmp_path if request.param == "one disk" else memory) as disk:
        assert (os.stat(disk).st_dev == tmp_path.stat().st_dev) == (request.param == "one disk")
        yield Places(tmp_path / "root", Path(disk), monkeypatch)


def cuts(function: Callable[[], object]) -> Iterator[int]:
    """Call a function until it has come to its end, cut off one step later each time, and yield after each cut."""
    for step in itertools.count():
        left[:] = [step]
        try:
            function()
        except Cut:
            yield step
        else:
            return
        finally:
            left.clear()


def test_restore_that_is_cut_off_anywhere_can_be_undone_or_repeated(places: Places) -> None:
    """What can be put back is always what was there before the first one. ejabberd is held back while it is neither."""
    backup.put_back()
    places.stage()
    for step in cuts(places.exchange):
        assert backup.HALF.exists() or places.state() in (places.old, places.new), step
        if step % 2:
            places.stage()
            places.exchange()
            assert places.state() == places.new, step
        backup.put_back()
        assert places.state() == places.old, step
        assert not backup.HALF.exists()
        places.stage()
    assert places.state() == places.new


@pytest.mark.parametrize("after", [12, 24, 99])
def test_undoing_that_is_cut_off_anywhere_can_be_repeated(places: Places, after: int) -> None:
    """Also of a restore that was itself cut off."""
    backup.put_back()
    places.stage()
    left[:] = [after]
    with contextlib.suppress(Cut):
        places.exchange()
    left.clear()
    assert backup.HALF.exists() == (after < 99)
    for step in cuts(backup.put_back):
        assert backup.HALF.exists() or places.state() in (places.old, places.new), step
    assert places.state() == places.old


def test_what_is_half_deleted_is_not_put_back(places: Places) -> None:
    """Whoever says `xmpp-backup done`, and is cut off, says it again; if that is forgotten, nothing is lost."""
    for step in cuts(backup.done):
        assert places.state() == places.new
        backup.put_back()
        assert places.state() in (places.old, places.new), step
        places.stage()
        places.exchange()
    assert not backup.ASIDE.exists()
    assert places.state() == places.new


def test_half_of_a_restore_is_not_deleted(places: Places) -> None:
    """It is all there is of the service: neither by a word, nor some night, nor by a swap without a backup."""
    backup.LIST.rename(backup.HALF)
    os.utime(backup.ASIDE, (0, 0))
    with pytest.raises(backup.BackupError, match="cut off"):
        backup.done()
    backup.tidy({"days": 1, "upload_days": 1})
    backup.remove(backup.STAGED)
    with pytest.raises(backup.BackupError, match="cut off"):
        backup.swap({})
    backup.put_back()
    assert places.state() == places.old
