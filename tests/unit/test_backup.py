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

from .loading import ROOT, load

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
sys.path.insert(0, str(ROOT / "roles/base/templates/usr/local/lib/xmpp"))  # where it finds its clock
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
    assert list(backup.complete(listed, "friends.test"))[-2:] == [AHEAD, at(22)]
    # Nor does it stay for a year: it counts as made together with the next.
    later = NOW + datetime.timedelta(days=9)
    old = backup.outdated(listed + numbered(4, at(30)), "friends.test", 7, later)
    assert f"{AHEAD} files" in old
    assert f"{at(30)} files" not in old


def test_clock_that_was_behind_has_nothing_deleted() -> None:
    """Neither what was made then, nor what was made before."""
    snapshots = numbered(1, at(18), at(19), "1970-01-01T00:00:10Z", at(21))
    assert backup.outdated(snapshots, "friends.test", 7, NOW) == []
    assert list(backup.complete(snapshots, "friends.test"))[-1] == at(21)
    assert backup.outdated(snapshots, "friends.test", 7, datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.UTC)) == []


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clock that was right an hour ago; return what is kept of it."""
    path = tmp_path / "clock.json"
    monkeypatch.setattr(backup.clock, "STATE", path)
    monkeypatch.setattr(backup.clock, "somebody_sets_it", lambda: True)
    backup.clock.write(backup.clock.current())
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


def keep_house(repository: Kept, former: dict[str, str] | None = None) -> dict[str, Any]:
    """Delete what is too old and return what is written down."""
    status: dict[str, Any] = {"former": former or {}}
    backup.forget(repository, {"domain": "friends.test", "days": 7}, status)
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
    with pytest.raises(backup.KeptError, match="all backups that there are would be deleted at once"):
        keep_house(repository)
    assert repository.calls == []


@pytest.mark.usefixtures("seen")
def test_clock_that_jumped_has_no_backup_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Kept(ago(9, 8, 1, 0))
    ahead = backup.clock.time.time() + 3 * 86400
    monkeypatch.setattr(backup.clock.time, "time", lambda: ahead)
    with pytest.raises(backup.KeptError, match="the clock was set 3 days forward"):
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


def test_restore_onto_a_disk_that_is_mounted(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder cannot be moved; what is in it can, but for what belongs to the disk."""
    backup.put_back()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == places.uploads)
    move = backup.move

    def refuse(source: Path, target: Path) -> None:
        assert source != places.uploads, "Device or resource busy"
        move(source, target)

    monkeypatch.setattr(backup, "move", refuse)
    (places.uploads / "lost+found").mkdir()
    places.stage()
    places.exchange()
    assert places.state() == places.new
    assert (places.uploads / "lost+found").exists()
    backup.put_back()
    assert places.state() == places.old


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
def test_folders_that_come_back_are_open_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """What is below has its modes from the backup."""
    (tmp_path / "staged").mkdir()
    before = os.umask(umask)
    try:
        backup.move(tmp_path / "staged", tmp_path / "etc/xmpp/certificates")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "etc", tmp_path / "etc/xmpp")} == {0o755}
