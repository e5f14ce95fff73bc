# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine has: room on its disks, memory, the right time, and what is not deleted for want of that."""

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
    return rows or [row("disk", PASS, f"{least:.0%} free at least")]


def judge_disk(place: str, total: int, free: int, inodes: int, free_inodes: int) -> Row | None:
    """Judge a file system (bytes, and files there can be); nothing is said about one with room."""
    part, unit = (free / total if total else 1.0), "room"
    if inodes and free_inodes / inodes < part:
        part, unit = free_inodes / inodes, "places for files"
    if part >= 0.15:
        return None
    found = f"{place} has {part:.0%} of its {unit} left ({free / 2**30:.1f} GiB)"
    fix = (
        f"Find what takes the place (du -xhd2 {place} | sort -h), or let less be kept: xmpp_archive_days, "
        "xmpp_archive_quota_mib, xmpp_upload_days, xmpp_upload_quota_mib, xmpp_upload_total_mib."
    )
    return row("disk", FAIL if part < 0.05 else WARN, found, fix)


def judge_memory(meminfo: str) -> Row:
    """Judge /proc/meminfo."""
    found = {key: int(value) * 1024 for key, value in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.MULTILINE)}
    total, free = found["MemTotal"], found["MemAvailable"]
    words = f"{free / 2**20:.0f} of {total / 2**20:.0f} MiB are free"
    if free / total < 0.1:
        fix = "See what takes it (ps --sort=-rss -eo rss,comm | head), or give the host more."
        return row("memory", FAIL if free / total < 0.04 else WARN, words, fix)
    return row("memory", PASS, words)


def judge_clock(difference: float, *, synchronized: bool, contained: bool) -> Row:
    """Judge the time: how many seconds it differs from the controller's, and whether somebody sets it."""
    if abs(difference) > 30:
        words = f"{abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} this machine's"
        fix = "See timedatectl on both: passwords for calls and certificates go by the time."
        return row("clock", FAIL, words, fix)
    if contained:
        return row("clock", PASS, "right, and set by the machine that the container runs on")
    if not synchronized:
        return row(
            "clock", WARN, "right, but set by nobody", "timedatectl set-ntp true, or see why it does not reach a server"
        )
    return row("clock", PASS, "right, and set by a time server")


def judge_retention(text: str) -> Row:
    """Judge what the programs that delete have written down: why they did not, because the clock may be wrong."""
    try:
        kept: dict[str, str] = json.loads(text)["kept"]
    except (ValueError, KeyError):  # nothing was to be deleted yet
        kept = {}
    if not kept:
        return row("retention", PASS, "what is too old is deleted")
    what = ", ".join(sorted(kept))
    fix = (
        "See timedatectl. It goes on by itself once the clock has gone right for two days; if it is right, at once: "
        f"{CLOCK} trust"
    )
    return row("retention", FAIL, f"{what} that are too old stay: {'; '.join(sorted(set(kept.values())))}", fix)
