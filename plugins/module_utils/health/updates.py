# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what is not the newest, or not tested: this project, ejabberd, security updates, package lists."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, listed, row

LISTS = Path("/var/lib/apt/lists")
DAY = 86400
INSTALL = "apt-get install unattended-upgrades"


def judge_updates(waiting: list[str] | str | None, age: float) -> Row:
    """Judge the pending security updates (or apt's error), and the age of the package lists in seconds."""
    if waiting is None:
        return row("security updates", WARN, "skipped: python3-apt is missing", INSTALL)
    if isinstance(waiting, str):
        fix = "Correct the file that it names, then: apt-get update. Until then, no update is installed."
        return row("security updates", FAIL, f"apt does not work: {waiting}", fix)
    if waiting:
        fix = "They are installed within a day; now: unattended-upgrade"
        return row("security updates", WARN, f"{len(waiting)} pending: {listed(waiting)}", fix)
    if age > 3 * DAY:
        fix = "See why: apt-get update; systemctl status apt-daily.timer"
        return row("security updates", WARN, f"no update of the package lists for {age / DAY:.0f} days", fix)
    return row("security updates", PASS, "none pending")


def judge_version(deployed: str, version: str) -> Row:
    """Judge the version of this project that deployed the host, from its file, by the one that asks."""
    match = re.search("^conexizan_version: (.+)$", deployed, re.MULTILINE)
    here = match[1] if match else ""
    if here == version:
        return row("Conexizan version", PASS, here)
    found = f"the host was deployed by {here or 'one without a number'}, this is {version}"
    return row("Conexizan version", WARN, found, "Run site.yml to deploy this one; CHANGELOG.md says what is new.")


def judge_ejabberd(here: str, offered: list[str], tested: str) -> Row:
    """Judge the installed version of ejabberd, and those that apt knows, by the one that the tests ran with."""
    update = "Update Conexizan (docs/upgrading.md) and run site.yml: it may have been tested by then."
    newer = [version for version in offered if feature(version) > feature(tested)]
    if not here:
        return row("ejabberd version", WARN, "not installed", "Run site.yml.")
    if feature(here) > feature(tested):
        found = f"{here} is installed, Conexizan was tested with {tested}"
        return row("ejabberd version", WARN, found, f"{update} Until then, see that all rows here are well.")
    if feature(here) < feature(tested):
        return row(
            "ejabberd version", WARN, f"{here} is installed, Conexizan was tested with {tested}", "Run site.yml."
        )
    if newer:
        found = f"{here} stays, with which Conexizan was tested; {newer[-1]} waits"
        fix = (
            f"{update} To take it untested, on the host: apt-get install ejabberd/trixie-backports; then run site.yml "
            "and this."
        )
        return row("ejabberd version", WARN, found, fix)
    return row("ejabberd version", PASS, f"{here}, a tested one")


def feature(version: str) -> tuple[int, ...]:
    """Return the year and month that name a version of ejabberd."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else ()


@functools.cache
def opened() -> tuple[Any, Any] | str | None:
    """Return apt's module and cache, its error, or None without it; once, as that takes a second on a small host."""
    try:
        apt_pkg = importlib.import_module("apt_pkg")  # of Debian, installed with unattended-upgrades
    except ImportError:
        return None
    try:
        apt_pkg.init()
        return apt_pkg, apt_pkg.Cache(None)
    except apt_pkg.Error as error:  # a malformed line of sources.list.d, or a damaged status of dpkg
        return str(error)


def ejabberd_version(tested: str) -> Row:
    """Return the row of ejabberd's version."""
    apt = opened()
    if not apt:
        return row("ejabberd version", WARN, "skipped: python3-apt is missing", INSTALL)
    if isinstance(apt, str):
        return row("ejabberd version", WARN, "skipped: apt does not work", "See the row of security updates.")
    _, cache = apt
    if "ejabberd" not in cache:
        return judge_ejabberd("", [], tested)
    ejabberd = cache["ejabberd"]
    here = ejabberd.current_ver.ver_str if ejabberd.current_ver else ""
    offered = [version.ver_str for version in reversed(ejabberd.version_list)]  # the newest is the last one
    return judge_ejabberd(here, offered, tested)


def security_updates() -> list[str] | str | None:
    """Return the installed packages that would be upgraded from Debian's security archive; or why nobody knows."""
    apt = opened()
    if not apt or isinstance(apt, str):
        return apt
    apt_pkg, cache = apt
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
