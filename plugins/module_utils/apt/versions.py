# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions that will do, and what of the operator's own keeps them away: pins, a default release, a hold."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import PackagesError, run

APT = Path("/etc/apt")
OUR_PINS = APT / "preferences.d/xmpp"


class HeldError(PackagesError):
    """What the operator has told apt keeps a version away; no archive is to blame."""


def at_least(version: str, minimum: str) -> bool:
    """Tell whether a version will do."""
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", minimum], check=False).returncode == 0


def pins(name: str) -> list[str]:
    """Return the operator's pins that concern a package, each with its file (apt_preferences(5))."""
    found = []
    for path in [APT / "preferences", *sorted((APT / "preferences.d").glob("*"))]:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() and path != OUR_PINS else ""
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): " ".join(value.split())
                for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
            }
            patterns = [one.removeprefix("src:") for one in fields.get("package", "").split()]
            if any(
                re.search(one[1:-1], name) if one.startswith("/") else fnmatch.fnmatch(name, one) for one in patterns
            ):
                words = (f"Package: {fields['package']}", f"Pin: {fields.get('pin', '')}")
                found.append(f"{path} ({', '.join(words)}, Pin-Priority: {fields.get('pin-priority', '')})")
    return found


def held_back(name: str, minimum: str, policy: str) -> str:
    """Return why apt does not take a version that it knows and that would do, from apt-cache policy; else nothing."""
    table = re.findall(r"^ (?:\*\*\*|   ) (\S+) (-?\d+)$", policy, re.MULTILINE)
    good = [(version, priority) for version, priority in table if at_least(version, minimum)]
    if not good:
        return ""
    known = f"apt knows {good[0][0]} (priority {good[0][1]})"
    other = next(
        (
            f" and prefers {version} (priority {priority})"
            for version, priority in table
            if (version, priority) not in good
        ),
        "",
    )
    reasons = pins(name)
    release = re.search(
        r'^APT::Default-Release "(.+)";$', run("apt-config", "dump", "APT::Default-Release"), re.MULTILINE
    )
    if release:
        reasons.append(f'APT::Default-Release "{release[1]}" in /etc/apt/apt.conf or apt.conf.d')
    what = f"Remove what holds it back: {'; '.join(reasons)}" if reasons else "See why: apt-cache policy " + name
    return f"{name} must be at least {minimum}. {known}{other}. {what}"


def refuse_old(wanted: dict[str, str]) -> None:
    """Raise PackagesError if apt offers less than the version that is needed."""
    for name, minimum in wanted.items():
        if not minimum:
            continue
        policy = run("apt-cache", "policy", name)
        match = re.search(r"Candidate: (\S+)", policy)
        candidate = match[1] if match else "(none)"
        if candidate != "(none)" and at_least(candidate, minimum):
            continue
        if reason := held_back(name, minimum, policy):
            raise HeldError(reason)
        raise PackagesError(f"{name} must be at least {minimum}, the newest that apt offers is {candidate}")


def refuse_holds(wanted: dict[str, str]) -> None:
    """Raise HeldError if the operator has put a package on hold that is too old."""
    for name, version in re.findall(
        r"^Package: (\S+)\nStatus: hold ok installed$(?:\n(?!Version).+)*\nVersion: (\S+)$",
        dpkg.STATUS.read_text(encoding="utf-8"),
        re.MULTILINE,
    ):
        if wanted.get(name) and not at_least(version, wanted[name]):
            raise HeldError(
                f"{name} must be at least {wanted[name]}, {version} is installed and on hold. "
                f"Release it: apt-mark unhold {name}"
            )
