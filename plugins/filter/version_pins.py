# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``version_pins``: versions that packages stay at, with their fixes (docs/decisions/tested-versions.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch

STAYS = 995
# Of a package from before the tested version: only until apt is offered that one.
BEHIND = 994


def number(version: str) -> tuple[str, ...]:
    """Return the two numbers that fixes leave alone: 26 and 07 of 26.07.1-1~bpo13+1."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return match.groups() if match else ()


def age(version: tuple[str, ...]) -> tuple[int, ...]:
    """Return what is greater of a newer version; no version is the oldest one."""
    return tuple(map(int, version))


def version_pins(
    tested: Mapping[str, str], installed: Mapping[str, str], names: Iterable[str], minimum: Mapping[str, str]
) -> list[dict[str, str | int]]:
    """Return pins for apt: each C(package), C(version) (a regular expression) and C(priority).

    A package stays at the version that was *tested*, or at a newer one that is *installed*. One that is older than the
    tested one stays until that is offered, unless it is below its *minimum*: whatever there is, is better then.
    *names* (shell patterns) are those of *installed* that are meant.
    """
    patterns = list(names)
    here = {name: number(version) for name, version in installed.items() if any(fnmatch(name, one) for one in patterns)}
    pins: list[dict[str, str | int]] = []
    for name in sorted({*tested, *here}):
        own, asked, least = here.get(name, ()), number(tested.get(name, "")), number(minimum.get(name, ""))
        wanted = {max(own, asked, key=age): STAYS}
        if age(own) >= age(least):
            wanted.setdefault(own, BEHIND)
        pins += [
            {"package": name, "version": rf"/^{version[0]}\.{version[1]}[-.]/", "priority": priority}
            for version, priority in wanted.items()
            if version
        ]
    return pins


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filter by name."""
        return {"version_pins": version_pins}
