# SPDX-License-Identifier: GPL-3.0-or-later
"""Security updates that wait, and whether they are looked for."""

from __future__ import annotations

import importlib
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import PASS, WARN, Row, listed, row

LISTS = Path("/var/lib/apt/lists")
DAY = 86400


def judge_updates(waiting: list[str] | None, age: float) -> Row:
    """Judge security updates that are known and not installed, and how old (seconds) the knowledge is."""
    if waiting is None:
        return row(
            "security updates", WARN, "not checked: python3-apt is missing", "apt-get install unattended-upgrades"
        )
    if waiting:
        fix = "They come by themselves within a day; now: unattended-upgrade"
        return row("security updates", WARN, f"{len(waiting)} wait: {listed(waiting)}", fix)
    if age > 3 * DAY:
        fix = "See why: apt-get update; systemctl status apt-daily.timer"
        return row("security updates", WARN, f"not looked for in {age / DAY:.0f} days", fix)
    return row("security updates", PASS, "none waits")


def security_updates() -> list[str] | None:
    """Return the installed packages of which Debian's security archive has newer versions that would be installed."""
    try:
        apt_pkg = importlib.import_module("apt_pkg")  # Debian's, there with unattended-upgrades
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
