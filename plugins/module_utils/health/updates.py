# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what is not the newest, or not tested: this project, ejabberd, security updates, package lists."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.programs import output
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, listed, row

LISTS = Path("/var/lib/apt/lists")
DAY = 86400
INSTALL = "apt-get install unattended-upgrades"
# The libraries as well, which would stay otherwise: ejabberd's package asks for a minimum version only.
LIBRARIES = '?installed?name("^erlang-(p1-|jose|idna|erlydtl)")?archive(backports)/trixie-backports'
TAKE = f"apt-get install ejabberd/trixie-backports '{LIBRARIES}'"


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


def feature(version: str) -> tuple[int, ...]:
    """Return the two numbers of a version that its fixes leave alone: the year and month of ejabberd's."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else ()


@dataclass(frozen=True)
class Offer:
    """What apt knows of a package: the installed version, the one that it would take, all newer ones, newest first."""

    here: str
    candidate: str
    newer: list[str]


def offers(policy: str) -> dict[str, Offer]:
    """Return what apt-cache policy says, by package."""
    found = {}
    for name, rest in re.findall(r"^(\S+):\n((?: .*\n?)+)", policy, re.MULTILINE):
        fields = dict(re.findall(r"^  (Installed|Candidate): (\S+)$", rest, re.MULTILINE))
        here = fields["Installed"] if fields["Installed"] != "(none)" else ""
        versions = re.findall(r"^ (?:\*\*\*|   ) (\S+) -?\d+$", rest, re.MULTILINE)  # newest first
        newer = versions[: versions.index(here)] if here in versions else []
        found[name] = Offer(here, fields["Candidate"], newer)
    return found


def waiting(known: dict[str, Offer], kept: set[str]) -> list[str]:
    """Return what will not install itself: newer versions of ejabberd and its libraries, fixes of installed ones too.

    Of packages that are *kept*, apt would take a version, but lacks what it needs.
    """
    found = []
    for name, offer in known.items():
        fixes = [version for version in offer.newer if feature(version) == feature(offer.here)]
        newest = [*offer.newer[:1], *fixes[:1]]
        found += [
            f"{name} {version}"
            for version in dict.fromkeys(newest if offer.here else [])
            if version != offer.candidate or name in kept
        ]
    return found


def judge_ejabberd(known: dict[str, Offer], kept: set[str], tested: str) -> Row:
    """Judge the versions of ejabberd and its libraries by the ejabberd that the tests ran with."""
    update = "Update Conexizan (docs/upgrading.md) and run site.yml: it may have been tested by then."
    if "ejabberd" not in known:
        return row("ejabberd version", WARN, "unknown to apt", "See why: apt-cache policy ejabberd")
    here = known["ejabberd"].here
    waits = waiting(known, kept)
    if not here:
        return row("ejabberd version", WARN, "not installed", "Run site.yml.")
    if feature(here) < feature(tested):
        return row(
            "ejabberd version", WARN, f"{here} is installed, Conexizan was tested with {tested}", "Run site.yml."
        )
    untested = feature(here) > feature(tested)
    if not waits and not untested:
        return row("ejabberd version", PASS, f"{here}, a tested one")
    what = "is installed, Conexizan was tested with " + tested if untested else "stays, with which Conexizan was tested"
    found = f"{here} {what}" + (f"; waiting: {listed(waits)}" if waits else "")
    take = f" To take it untested, on the host: {TAKE}; then run site.yml and this." if waits else ""
    well = " Until then, see that all rows here are well." if untested else ""
    return row("ejabberd version", WARN, found, update + well + take)


def ejabberd_version(tested: Mapping[str, str], say: Callable[..., str] = output) -> Row:
    """Return the row of ejabberd and its libraries, by the versions that the tests ran with (of all of them)."""
    known = offers(say("apt-cache", "policy", *tested))
    coming = {name for name, offer in known.items() if offer.candidate in offer.newer}
    # apt keeps back what needs another version of a package than the pins let in.
    plan = say("apt-get", "--simulate", "--with-new-pkgs", "upgrade") if coming else ""
    kept = coming - set(re.findall(r"^Inst (\S+) ", plan, re.MULTILINE))
    return judge_ejabberd(known, kept, tested["ejabberd"])


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
