#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether the clock is reliable enough to delete what it says is too old.

messages DAYS   exit with 1, and print why, unless messages that are older may be deleted
uploads DAYS    the same for uploaded files
look            only record the time
trust           declare the clock right

A clock may be a year ahead for an hour: a dead battery, a wrong time server, a typing error. So nothing is deleted
while no time server sets the clock, nor for two days after it jumped or everything would have been deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import sqlite3
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path

STATE = Path("/var/lib/xmpp/clock.json")
DATABASES = Path("/var/lib/ejabberd")
UPLOADS = Path("/srv/xmpp/upload/data")
DAY = 86400
SETTLED = 2 * DAY  # seconds that a doubted clock must run without a jump
TOLERANCE = 600  # seconds: differences from slewing and a paused machine
LATE = 2 * DAY  # seconds: how late the newest may be deleted without a doubt, as after a weekend without power
KINDS = ("messages", "uploads", "backups")
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized
# The newest, in seconds since 1970: of the archive, and of the offline messages.
NEWEST = {
    "archive": "SELECT max(timestamp) / 1000000 FROM archive",
    "spool": "SELECT CAST(strftime('%s', max(created_at)) AS INTEGER) FROM spool",
}


@dataclass
class Clock:
    """The clock as it was last recorded, and the doubts about it: a reason each, and the steady seconds since."""

    boot: str = ""
    wall: float = 0.0
    uptime: float = 0.0
    doubts: dict[str, float] = field(default_factory=dict)
    # By kind: why nothing was deleted the last time.
    kept: dict[str, str] = field(default_factory=dict)
    # Whether a time server sets it. Nothing else is recorded while none does: a small machine starts with the time at
    # which it was switched off.
    is_set: bool = True


def look(before: Clock, boot: str, wall: float, uptime: float) -> Clock:
    """Return the record for a clock that shows *wall*, in seconds since 1970, and the kernel's *uptime*."""
    passed, doubts = wall - before.wall, dict(before.doubts)
    if before.boot == boot:
        steady = uptime - before.uptime
        doubts = {why: seconds + steady for why, seconds in doubts.items()}
        if abs(passed - steady) > TOLERANCE:
            doubts = {f"the clock was set {span(passed - steady)}": 0.0}
        doubts = {why: seconds for why, seconds in doubts.items() if seconds < SETTLED or why in map(everything, KINDS)}
    elif passed < -TOLERANCE:  # a step forward may be the time without power
        doubts = {f"the clock was set {span(passed)}": 0.0}
    return Clock(boot, wall, uptime, doubts, dict(before.kept))


def span(seconds: float) -> str:
    """Return a difference in words."""
    amount = abs(seconds)
    unit, length = ("days", DAY) if amount >= 2 * DAY else ("hours", 3600) if amount >= 7200 else ("minutes", 60)
    return f"{amount / length:.0f} {unit} {'forward' if seconds > 0 else 'back'}"


def everything(what: str) -> str:
    """Return the reason to wait if everything of a kind would be deleted."""
    return f"all {what} that there are would be deleted at once"


def doubt(clock: Clock, what: str, days: int, newest: float | None) -> str:
    """Return why nothing may be deleted, or an empty string, and record it; *newest* is the time of the newest item.

    Items are deleted day by day, so the newest is never much too old unless the clock is wrong or the host was off.
    """
    if not clock.is_set:
        return "no time server has set the clock"
    if newest is not None and newest < clock.wall - days * DAY - LATE:
        clock.doubts.setdefault(everything(what), 0.0)
    else:
        clock.doubts.pop(everything(what), None)
    others = [everything(one) for one in KINDS if one != what]
    return "; ".join(why for why, steady in clock.doubts.items() if steady < SETTLED and why not in others)


def somebody_sets_it() -> bool:
    """Return whether the clock is synchronized; in a container, its host is responsible for that."""
    if Path("/run/systemd/container").exists():
        return True
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))) != TIME_ERROR


def read() -> Clock:
    """Return the last record; an empty one if there is none or a power cut damaged it."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Clock(**json.loads(STATE.read_text(encoding="utf-8")))
    return Clock()


def write(clock: Clock) -> None:
    """Write the record, in place: in a sandbox, the folder is read-only."""
    STATE.write_text(json.dumps(asdict(clock)), encoding="utf-8")


def current() -> Clock:
    """Read the clock. A sandbox shows neither boot nor uptime: there, the record from just before it is valid."""
    before = read()
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Not clock_gettime: a program that fakes the time for tests fakes it there as well.
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except OSError:
        return before
    if not somebody_sets_it():
        before.is_set = False
        return before
    return look(before, boot, time.time(), uptime)


def newest_message() -> float | None:
    """Return when the newest message came, of archive and spool the older one; None if there is no message."""
    found: dict[str, float] = {}
    for path in filter(Path.is_file, DATABASES.glob("*.db")):  # opening a pipe would wait for whoever writes to it
        # Quoted: ejabberd names the files, and a question mark in a name would let it choose the mode.
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            for table, query in NEWEST.items():
                with contextlib.suppress(sqlite3.OperationalError):  # a file without that table
                    when = database.execute(query).fetchone()[0]
                    if when is not None:
                        found[table] = max(found.get(table, 0.0), float(when))
    return min(found.values(), default=None)


def newest_upload(limit: float) -> float | None:
    """Return when the newest upload came, or the first one that is newer than *limit*; None if there is none."""
    newest = None
    for path in UPLOADS.glob("*/*/*"):
        with contextlib.suppress(FileNotFoundError):
            # A file does not change after its upload.
            newest = max(newest or 0.0, path.stat().st_ctime)
            if newest >= limit:
                break
    return newest


def may(what: str, days: int) -> str:
    """Return why nothing older than some days may be deleted, or an empty string; and record it."""
    clock = current()
    limit = clock.wall - days * DAY - LATE
    reason = doubt(clock, what, days, newest_message() if what == "messages" else newest_upload(limit))
    clock.kept.pop(what, None)
    if reason:
        clock.kept[what] = reason
    write(clock)
    return reason


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, dest="verb", metavar="VERB")
    for verb in ("messages", "uploads"):
        verbs.add_parser(verb).add_argument("days", type=int)
    for verb in ("look", "trust"):
        verbs.add_parser(verb)
    arguments = parser.parse_args()
    if arguments.verb in ("look", "trust"):
        clock = current()
        if arguments.verb == "trust":
            clock.doubts = dict.fromkeys(map(everything, KINDS), float(SETTLED))
            clock.kept = {}
        write(clock)
    elif reason := may(arguments.verb, arguments.days):
        print(f"No {arguments.verb} are deleted: {reason}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:
        # With 1, systemd would skip the unit without an error (ExecCondition= in systemd.service(5)).
        traceback.print_exc()
        sys.exit(255)
