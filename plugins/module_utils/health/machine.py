# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the machine: disk space, memory, clock, and retention, which a wrong clock suspends."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row

PLACES = ("/", "/var", "/var/lib/ejabberd", "/srv/xmpp", "/boot")
CLOCK = "/usr/local/lib/xmpp/clock.py"


def disks() -> list[Row]:
    """Judge each file system that the service writes to, once."""
    rows, seen, least = [], set(), 1.0
    for place in PLACES:
        if not Path(place).is_dir() or (device := os.stat(place).st_dev) in seen:
            continue
        seen.add(device)
        room = os.statvfs(place)
        least = min(least, room.f_bavail / room.f_blocks if room.f_blocks else 1.0)
        judged = judge_disk(
            place, room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize, room.f_files, room.f_favail
        )
        rows += [judged] if judged else []
    return rows or [row("disk", PASS, f"at least {least:.0%} free")]


def judge_disk(place: str, total: int, free: int, inodes: int, free_inodes: int) -> Row | None:
    """Judge a file system by its bytes and inodes; returns None if there is enough space."""
    part, unit = (free / total if total else 1.0), "space"
    if inodes and free_inodes / inodes < part:
        part, unit = free_inodes / inodes, "inodes"
    if part >= 0.15:
        return None
    found = f"{place} has {part:.0%} of its {unit} left ({free / 2**30:.1f} GiB)"
    fix = (
        f"Find what uses the space (du -xhd2 {place} | sort -h), or keep less: xmpp_archive_days, "
        "xmpp_archive_quota_mib, xmpp_upload_days, xmpp_upload_quota_mib, xmpp_upload_total_mib."
    )
    return row("disk", FAIL if part < 0.05 else WARN, found, fix)


def judge_memory(meminfo: str) -> Row:
    """Judge /proc/meminfo."""
    found = {key: int(value) * 1024 for key, value in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE)}
    total, free = found["MemTotal"], found["MemAvailable"]
    words = f"{free / 2**20:.0f} of {total / 2**20:.0f} MiB are free"
    if free / total < 0.1:
        fix = "Find what uses it (ps --sort=-rss -eo rss,comm | head), or give the host more."
        return row("memory", FAIL if free / total < 0.04 else WARN, words, fix)
    return row("memory", PASS, words)


def judge_clock(difference: float, *, synchronized: bool, contained: bool) -> Row:
    """Judge the time: by how many seconds it differs from the controller's, and whether it is synchronized."""
    if abs(difference) > 30:
        words = f"{abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} this machine's"
        fix = "See timedatectl on both: TURN credentials and certificates depend on the time."
        return row("clock", FAIL, words, fix)
    if contained:
        return row("clock", PASS, "correct, set by the host of this container")
    if not synchronized:
        return row(
            "clock",
            WARN,
            "correct, but not synchronized",
            "timedatectl set-ntp true, or see why it reaches no time server",
        )
    return row("clock", PASS, "correct, synchronized with a time server")


def judge_retention(text: str) -> Row:
    """Judge the notes of the programs that delete: they delete nothing while the clock may be wrong."""
    try:
        kept: dict[str, str] = json.loads(text)["kept"]
    except (ValueError, KeyError):  # nothing was to be deleted yet
        kept = {}
    if not kept:
        return row("retention", PASS, "expired data is deleted")
    what = ", ".join(sorted(kept))
    fix = (
        "See timedatectl. Deletion resumes once the clock has been correct for two days; if it is correct now: "
        f"{CLOCK} trust"
    )
    return row("retention", FAIL, f"expired {what} are not deleted: {'; '.join(sorted(set(kept.values())))}", fix)
