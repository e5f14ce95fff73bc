# SPDX-License-Identifier: GPL-3.0-or-later
"""When nothing is told: while somebody works on the host, and just after."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.units import units

JUST = 900  # seconds
LOCKS = Path("/proc/locks")
# Changed by site.yml in each role that changes something, and by packages that are installed.
CHANGED = (Path("/var/lib/xmpp/tree"), Path("/var/lib/dpkg/status"))
PACKAGES = Path("/var/lib/dpkg/lock-frontend")
BACKUP = Path("/var/lib/xmpp-backup")  # locked by backups and by each step of a restore
STATUS = Path("/srv/xmpp/website/status.json")


def locked(path: Path) -> bool:
    """Tell whether a program has locked a file. (To try to lock it could make that program fail.)"""
    if not path.exists():
        return False
    inode = str(path.stat().st_ino)
    # For example: 1: FLOCK  ADVISORY  WRITE 4711 00:1f:1234 0 EOF
    fields = [line.split() for line in LOCKS.read_text(encoding="ascii").splitlines() if "->" not in line]
    return any(one[5].rpartition(":")[2] == inode for one in fields)


def announced(text: str, now: float) -> bool:
    """Tell whether the operator has announced maintenance for this time (XEP-0455); without an end, it is over."""
    try:
        status = json.loads(text)
        begins, ends = (datetime.datetime.fromisoformat(status[key]) for key in ("beginning", "expected_end"))
    except (ValueError, KeyError, TypeError):
        return False
    return bool(status.get("planned")) and begins.timestamp() <= now < ends.timestamp()


def quiet(now: float) -> bool:
    """Tell whether this is no time to look."""
    if time.clock_gettime(time.CLOCK_BOOTTIME) < JUST:
        return True
    if any(path.exists() and 0 <= now - path.stat().st_mtime < JUST for path in CHANGED):
        return True
    if locked(PACKAGES) or announced(STATUS.read_text(encoding="utf-8") if STATUS.exists() else "", now):
        return True
    # A backup is no reason: the first one takes hours.
    running = units(["xmpp-backup.service"], "ActiveState")
    return locked(BACKUP) and running["xmpp-backup.service"]["ActiveState"] != "activating"
