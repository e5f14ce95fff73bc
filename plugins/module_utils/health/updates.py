# SPDX-License-Identifier: GPL-3.0-or-later
"""Check for pending security updates, and for old package lists."""

from __future__ import annotations

import importlib
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import PASS, WARN, Row, listed, row

LISTS = Path("/var/lib/apt/lists")
DAY = 86400


def judge_updates(waiting: list[str] | None, age: float) -> Row:
    """Judge the pending security updates, and the age of the package lists in seconds."""
    if waiting is None:
        return row("security updates", WARN, "skipped: python3-apt is missing", "apt-get install unattended-upgrades")
    if waiting:
        fix = "They are installed within a day; now: unattended-upgrade"
        return row("security updates", WARN, f"{len(waiting)} pending: {listed(waiting)}", fix)
    if age > 3 * DAY:
        fix = "See why: apt-get update; systemctl status apt-daily.timer"
        return row("security updates", WARN, f"no update of the package lists for {age / DAY:.0f} days", fix)
    return row("security updates", PASS, "none pending")


def security_updates() -> list[str] | None:
    """Return the installed packages that would be upgraded from Debian's security archive."""
    try:
        apt_pkg = importlib.import_module("apt_pkg")  # of Debian, installed with unattended-upgrades
    except ImportError:
        return None
    apt_pkg.init()
    cache = apt_pkg.Cache(None)
    policy = apt_pkg.DepCache(cache)
    found = []
    for package in cache.packages:
        if package.current_ver and policy.is_upgradable(package):
            candidate = policy.get_candidate_ver(package)
            if candidate and any(
                "security" in file.archive or "Security" in file.label for file, _ in candidate.file_list
            ):
                found.append(package.name)
    return sorted(set(found))


def lists_age(now: float) -> float:
    """Return how old the newest of apt's lists is, in seconds."""
    stamps = [Path("/var/lib/apt/periodic/update-success-stamp"), LISTS / "partial", LISTS]
    return now - max((path.stat().st_mtime for path in stamps if path.exists()), default=0.0)
