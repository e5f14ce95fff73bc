# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is deleted on the word of a clock that nobody sets, that jumped, or that would have everything deleted."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import clock
import pytest

NOW = 1_800_000_000.0
HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0


def went(*steps: tuple[float, float], boot: str = "boot") -> clock.Clock:
    """Return the clock after steps of (seconds on the clock, seconds of uptime)."""
    seen = clock.look(clock.Clock(), boot, NOW, 1000.0)
    for wall, uptime in steps:
        seen = clock.look(seen, boot, seen.wall + wall, seen.uptime + uptime)
    return seen


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([], ""),
        ([(HOUR, HOUR)] * 5, ""),
        ([(HOUR + 300, HOUR)], ""),
        ([(YEAR, HOUR)], "the clock was set 365 days forward"),
        ([(5 * HOUR, HOUR)], "the clock was set 4 hours forward"),
        ([(HOUR - 3 * DAY, HOUR)], "the clock was set 3 days back"),
        # It was put right again an hour later: neither is believed at once.
        ([(YEAR, HOUR), (HOUR - YEAR, HOUR)], "the clock was set 365 days back"),
        ([(YEAR, HOUR), *[(12 * HOUR, 12 * HOUR)] * 3], "the clock was set 365 days forward"),
        ([(YEAR, HOUR), *[(12 * HOUR, 12 * HOUR)] * 5], ""),
    ],
)
def test_clock_that_jumped(steps: list[tuple[float, float]], why: str) -> None:
    seen = went(*steps)
    for what in clock.KINDS:
        assert clock.doubt(seen, what, 14, seen.wall - HOUR) == why


@pytest.mark.parametrize(("gap", "why"), [(90 * DAY, ""), (-90 * DAY, "the clock was set 90 days back")])
def test_host_that_was_off(gap: float, why: str) -> None:
    """How long it was off only the clock says; that it was off for less than no time is no time at all."""
    seen = clock.look(went((HOUR, HOUR)), "next boot", NOW + gap, 60.0)
    assert clock.doubt(seen, "messages", 14, None) == why


def test_clock_that_nobody_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is not even looked at: a small machine begins with the time at which it was switched off."""
    monkeypatch.setattr(clock, "STATE", tmp_path / "clock.json")
    monkeypatch.setattr(clock, "DATABASES", tmp_path)
    monkeypatch.setattr(clock, "somebody_sets_it", lambda: False)
    assert clock.may("messages", 14) == "no time server has set the clock"
    written = json.loads((tmp_path / "clock.json").read_text(encoding="utf-8"))
    assert written["kept"] == {"messages": "no time server has set the clock"}
    assert written["wall"] == 0
    monkeypatch.setattr(clock, "somebody_sets_it", lambda: True)
    assert clock.may("messages", 14) == ""
    assert json.loads((tmp_path / "clock.json").read_text(encoding="utf-8"))["kept"] == {}


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        (None, False),  # nothing there
        (HOUR, False),
        (15 * DAY, False),  # of a quiet service, deleted an hour after its time
        (17 * DAY, True),
        (YEAR, True),
    ],
)
def test_all_at_once(newest: float | None, why: bool) -> None:
    """After two days in which the clock went right, or on the operator's word; of other kinds it says nothing."""
    seen = went((HOUR, HOUR))
    there = None if newest is None else seen.wall - newest
    reason = "all uploads that there are would be deleted at once" if why else ""
    assert clock.doubt(seen, "uploads", 14, there) == reason
    assert clock.doubt(seen, "messages", 14, seen.wall) == ""
    assert clock.doubt(seen, "uploads", 14, there) == reason
    if why:
        for _ in range(4):
            seen = clock.look(seen, "boot", seen.wall + 12 * HOUR, seen.uptime + 12 * HOUR)
        assert clock.doubt(seen, "uploads", 14, there) == ""
        # What comes later is another matter.
        assert clock.doubt(seen, "uploads", 14, seen.wall) == ""
        assert clock.doubt(seen, "uploads", 14, there) == reason


def test_operators_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "STATE", tmp_path / "clock.json")
    monkeypatch.setattr(clock, "somebody_sets_it", lambda: True)
    monkeypatch.setattr(sys, "argv", ["clock.py", "look"])
    clock.main()
    ahead = time.time() + YEAR
    monkeypatch.setattr(time, "time", lambda: ahead)
    monkeypatch.setattr(clock, "UPLOADS", tmp_path / "uploads")
    (tmp_path / "uploads/a/b").mkdir(parents=True)
    (tmp_path / "uploads/a/b/photo").touch()
    reason = "the clock was set 365 days forward; all uploads that there are would be deleted at once"
    assert clock.may("uploads", 14) == reason
    monkeypatch.setattr(sys, "argv", ["clock.py", "trust"])
    clock.main()
    assert clock.may("uploads", 14) == ""


def test_newest_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In whichever of the databases; of that kind of which it is older, as either would be deleted as a whole."""
    monkeypatch.setattr(clock, "DATABASES", tmp_path)
    assert clock.newest_message() is None
    for name, rows in (("xmpp.db", [NOW - 40 * DAY]), ("other.db", [NOW - 3 * DAY, NOW - 20 * DAY])):
        with sqlite3.connect(tmp_path / name) as database:
            database.execute("CREATE TABLE archive (timestamp BIGINT)")
            database.executemany("INSERT INTO archive VALUES (?)", [(int(row * 1e6),) for row in rows])
    sqlite3.connect(tmp_path / "empty.db").close()
    assert clock.newest_message() == NOW - 3 * DAY
    with sqlite3.connect(tmp_path / "xmpp.db") as database:
        database.execute("CREATE TABLE spool (created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)")
        assert clock.newest_message() == NOW - 3 * DAY
        database.execute("INSERT INTO spool VALUES ('2026-01-01 00:00:00')")
    assert clock.newest_message() == 1767225600


@pytest.mark.parametrize("name", ["made?mode=rwc&x=.db", "made#x.db", "ma%64e.db", "file:made.db"])
def test_names_of_databases_say_nothing_to_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """The program is root's, the names are ejabberd's: with a mode in one, it would write, and obey a journal."""
    monkeypatch.setattr(clock, "DATABASES", tmp_path)
    with sqlite3.connect(tmp_path / name) as database:
        database.execute("CREATE TABLE archive (timestamp BIGINT)")
        database.execute("INSERT INTO archive VALUES (?)", [int(NOW * 1e6)])
    assert clock.newest_message() == NOW
    assert os.listdir(tmp_path) == [name]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)])
def test_what_is_no_database_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(clock, "DATABASES", tmp_path)
    make(tmp_path / "x.db")
    assert clock.newest_message() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}'])
def test_what_a_power_cut_left_is_no_obstacle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    monkeypatch.setattr(clock, "STATE", tmp_path / "clock.json")
    (tmp_path / "clock.json").write_text(text, encoding="utf-8")
    assert clock.read() == clock.Clock()


def test_newest_upload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "UPLOADS", tmp_path / "missing")
    assert clock.newest_upload(0) is None
    monkeypatch.setattr(clock, "UPLOADS", tmp_path)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/photo").touch()
    os.utime(tmp_path / "a/b/photo", (0, 0))
    newest = clock.newest_upload(time.time())
    assert newest is not None
    assert newest > time.time() - HOUR, "not the date that its sender gave it"
