# SPDX-License-Identifier: GPL-3.0-or-later
"""When nothing is told: while somebody works on the host, and just after."""

from __future__ import annotations

import datetime
import json
import os
import re
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.units import units
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, WARN, Row, number, row

JUST = 900  # seconds; after a start of the host, the timer waits as long
HOUR = 3600
LONG = 6 * HOUR  # a lock that is held for longer is no reason any more, but a fault
LOCKS, MOUNTS = Path("/proc/locks"), Path("/proc/self/mountinfo")
# Changed by site.yml in each role that changes something, and by packages that are installed.
CHANGED = (Path("/var/lib/xmpp/tree"), Path("/var/lib/dpkg/status"))
PACKAGES = Path("/var/lib/dpkg/lock-frontend")
BACKUP = Path("/var/lib/xmpp-backup")  # locked by backups and by each step of a restore
STATUS = Path("/srv/xmpp/website/status.json")


def device(path: Path) -> str:
    """Return the device of a file as /proc/locks has it, or an empty string. (On btrfs, stat has another one.)"""
    handle = os.open(path, os.O_PATH)
    try:
        about = Path(f"/proc/self/fdinfo/{handle}").read_text(encoding="ascii")
    finally:
        os.close(handle)
    mount = re.search(r"^mnt_id:\s*(\d+)$", about, re.MULTILINE)
    mounts = MOUNTS.read_text(encoding="utf-8", errors="replace")
    found = re.search(rf"^{mount[1]} \d+ (\d+):(\d+) ", mounts, re.MULTILINE) if mount else None
    return f"{int(found[1]):02x}:{int(found[2]):02x}" if found else ""


def holder(path: Path) -> str:
    """Return the process that has locked a file, or an empty string. (To try to lock it could make that one fail.)"""
    if not path.exists():
        return ""
    inode, where = str(path.stat().st_ino), device(path)
    for line in LOCKS.read_text(encoding="ascii").splitlines():
        # For example: 1: FLOCK  ADVISORY  WRITE 4711 00:1f:1234 0 EOF
        fields = line.split()
        if "->" in fields:  # it waits for the lock
            continue
        its_device, _, its_inode = fields[5].rpartition(":")
        if its_inode == inode and where in ("", its_device):
            return fields[4]
    return ""


def working(held: dict[str, Any], now: float) -> bool:
    """Note since when who holds a lock; tell whether somebody is at work, and not for too long."""
    found = {"packages": holder(PACKAGES), "restore": holder(BACKUP)}
    if found["restore"]:  # a backup is no reason: the first one takes hours
        running = units(["xmpp-backup.service"], "ActiveState")
        if running["xmpp-backup.service"]["ActiveState"] == "activating":
            found["restore"] = ""
    for what, process in found.items():
        before, since = held.pop(what, ("", now))
        if process:
            held[what] = [process, min(since, now) if process == before else now]
    return any(now - since < LONG for _, since in held.values())


def stuck(held: dict[str, Any], now: float) -> list[Row]:
    """Return the rows about locks that are held for too long: a question that waits for its answer, most likely."""
    effect = {
        "packages": (WARN, "Until it ends, no update is installed, and site.yml cannot install anything."),
        "restore": (FAIL, "Until it ends, neither a restore nor a backup can begin."),
    }
    return [
        row(
            what,
            effect[what][0],
            f"locked by process {process} for {number(int(now - since) // HOUR, 'hour', 'hours')}",
            f"See what it waits for: ps -fp {process}. {effect[what][1]}",
        )
        for what, (process, since) in held.items()
        if now - since >= LONG
    ]


def announced(text: str, now: float) -> bool:
    """Tell whether the operator has announced maintenance for this time (XEP-0455); without an end, it is over."""
    try:
        status = json.loads(text)
        begins, ends = (datetime.datetime.fromisoformat(status[key]) for key in ("beginning", "expected_end"))
    except (ValueError, KeyError, TypeError):
        return False
    return bool(status.get("planned")) and begins.timestamp() <= now < ends.timestamp()


def quiet(held: dict[str, Any], now: float) -> bool:
    """Tell whether this is no time to look; *held* are the locks that were held at the last look."""
    if any(path.exists() and 0 <= now - path.stat().st_mtime < JUST for path in CHANGED):
        return True
    if working(held, now):
        return True
    return announced(STATUS.read_text(encoding="utf-8") if STATUS.exists() else "", now)
