# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that are interrupted at any step: the data from before, or of the backup, is always complete."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backup import exchange, files, paths, restore, retention
from backup.errors import BackupError

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


class Places:
    """A service, and a backup that is to replace it."""

    def __init__(self, root: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make it; the uploads are on *disk*."""
        self.root, self.uploads = root, disk / "data"
        for name in ("STATE", "STAGED", "ASIDE", "LIST", "HALF", "DATABASE", "EXPIRY"):
            monkeypatch.setattr(paths, name, root / str(getattr(paths, name)).lstrip("/"))
        self.certificates = root / "etc/letsencrypt"
        names = ("accounts", "live/xmpp_both", "live/xmpp_new", "renewal/xmpp_both.conf")
        replaced = [*(self.certificates / name for name in names), self.uploads, paths.EXPIRY]
        self.about = {"paths": [str(path) for path in replaced]}
        for path in (paths.DATABASE, paths.DATABASE.with_name("xmpp.db-wal"), paths.EXPIRY):
            write(path, "old")
        for name in ("accounts/one/key", "live/xmpp_both/key", "renewal/xmpp_both.conf"):
            write(self.certificates / name, "old")
        for name in ("kept/photo", "newer/photo"):
            write(self.uploads / name, "old")
        self.old = self.state()
        self.prepare()
        self.exchange()
        self.new = self.state()
        assert not self.old.items() & self.new.items()

    def exchange(self) -> None:
        """Do what the verb apply does: roll an earlier restore back that was not finished, and begin."""
        exchange.put_back()
        exchange.exchange(exchange.replaced(self.about))

    def prepare(self) -> None:
        """Fetch the backup."""
        files.remove(paths.STAGED)
        names = [self.certificates / "accounts/two/key", self.certificates / "renewal/xmpp_both.conf"]
        names += [self.certificates / f"live/xmpp_{name}/key" for name in ("both", "new")]
        write(paths.STAGED / "files" / str(paths.EXPIRY).lstrip("/"), "of the restore before that backup")
        for path in (*names, self.uploads / "kept/photo"):
            write(paths.STAGED / "files" / str(path).lstrip("/"), "new")
        for name in ("xmpp.db", "expiry"):
            write(paths.STAGED / name, "new")
        write(paths.STAGED / "about.json", "{}")

    def state(self) -> dict[str, str]:
        """Return what there is beside what the program keeps for itself."""
        files = [path for folder in (self.root, self.uploads.parent) for path in folder.rglob("*") if path.is_file()]
        return {str(path): path.read_text(encoding="ascii") for path in files if paths.STATE not in path.parents}


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
    """Call a function until it comes to its end, interrupted one step later each time; yield after each of them."""
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


def test_restore_that_is_interrupted_anywhere_can_be_rolled_back_or_repeated(places: Places) -> None:
    """What can be put back is always what was there before the first one. ejabberd is held back while it is neither."""
    exchange.put_back()
    places.prepare()
    for step in cuts(places.exchange):
        assert paths.HALF.exists() or places.state() in (places.old, places.new), step
        if step % 2:
            places.prepare()
            places.exchange()
            assert places.state() == places.new, step
        exchange.put_back()
        assert places.state() == places.old, step
        assert not paths.HALF.exists()
        places.prepare()
    assert places.state() == places.new


@pytest.mark.parametrize("after", [12, 24, 99])
def test_rollback_that_is_interrupted_anywhere_can_be_repeated(places: Places, after: int) -> None:
    """Also of a restore that was itself interrupted."""
    exchange.put_back()
    places.prepare()
    left[:] = [after]
    with contextlib.suppress(Cut):
        places.exchange()
    left.clear()
    assert paths.HALF.exists() == (after < 99)
    for step in cuts(exchange.put_back):
        assert paths.HALF.exists() or places.state() in (places.old, places.new), step
    assert places.state() == places.old


def test_what_is_half_deleted_is_not_put_back(places: Places) -> None:
    """An interrupted `xmpp-backup commit` is repeated; if that is forgotten, nothing is lost."""
    for step in cuts(restore.commit):
        assert places.state() == places.new
        exchange.put_back()
        assert places.state() in (places.old, places.new), step
        places.prepare()
        places.exchange()
    assert not paths.ASIDE.exists()
    assert places.state() == places.new


def test_half_of_a_restore_is_not_deleted(places: Places) -> None:
    """It is all there is of the service: not by a verb, not at night, not by a restore without a prepared backup."""
    paths.LIST.rename(paths.HALF)
    os.utime(paths.ASIDE, (0, 0))
    with pytest.raises(BackupError, match="was interrupted"):
        restore.commit()
    retention.delete_leftovers({"days": 1, "upload_days": 1})
    files.remove(paths.STAGED)
    with pytest.raises(BackupError, match="was interrupted"):
        restore.apply({})
    exchange.put_back()
    assert places.state() == places.old


def test_restore_onto_a_disk_that_is_mounted(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder cannot be moved; what is in it can, but for what belongs to the disk."""
    exchange.put_back()
    monkeypatch.setattr(Path, "is_mount", lambda path: path == places.uploads)
    move = files.move

    def refuse(source: Path, target: Path) -> None:
        assert source != places.uploads, "Device or resource busy"
        move(source, target)

    monkeypatch.setattr(files, "move", refuse)
    (places.uploads / "lost+found").mkdir()
    places.prepare()
    places.exchange()
    assert places.state() == places.new
    assert (places.uploads / "lost+found").exists()
    exchange.put_back()
    assert places.state() == places.old


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077], ids=oct)
def test_folders_that_come_back_are_open_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """What is below has its modes from the backup."""
    (tmp_path / "staged").mkdir()
    before = os.umask(umask)
    try:
        files.move(tmp_path / "staged", tmp_path / "etc/xmpp/certificates")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "etc", tmp_path / "etc/xmpp")} == {0o755}
