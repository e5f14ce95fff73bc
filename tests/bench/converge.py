# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare host by site.yml, against apt alone installing the same packages."""

from __future__ import annotations

import shlex
import statistics

from .bed import SITE, Bed, BenchError, say, seconds
from .report import Result, Row, at_most, spread

APT = "bench-apt"
INSTALLED = r"dpkg-query -W -f '${db:Status-Abbrev}${Package}:${Architecture}=${Version}\n' | sed -n 's/^ii //p' | sort"


def converge(bed: Bed, *, quick: bool) -> Result:
    """A bare host by site.yml, against one shell line with apt."""
    # One pass that is measured only where time is short: it fills the test bed's store of .deb files, and tells which
    # packages these are.
    host = bed.fresh(SITE)
    bare = set(host.shell(INSTALLED).split())
    first = seconds(bed.converge)
    wanted = set(host.shell(INSTALLED).split())
    packages = sorted(wanted - bare)
    if gone := {entry.partition("=")[0] for entry in bare} - {entry.partition("=")[0] for entry in wanted}:
        raise BenchError(f"site.yml has removed packages, which apt alone would have to do as well: {sorted(gone)}")
    sources = host.shell("grep -l -r -- -backports /etc/apt/sources.list.d").strip()
    line = (
        f"printf %s {shlex.quote(host.shell(f'cat {sources}'))} >/etc/apt/sources.list.d/backports.sources"
        " && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "
        + " ".join(packages)
    )

    times: dict[str, list[float]] = {"site": [first] if quick else [], "apt": []}

    def by_site() -> None:
        bed.fresh(SITE)
        times["site"].append(seconds(bed.converge))

    def by_apt() -> None:
        plain = bed.fresh(APT)
        times["apt"].append(seconds(lambda: plain.ssh(line)))
        if difference := set(plain.shell(INSTALLED).split()) ^ wanted:
            raise BenchError(f"apt alone has installed something else: {sorted(difference)}")

    for side in [by_apt] if quick else [by_site, by_apt, by_apt, by_site]:
        side()
    say(f"converge: {times}")
    bed.remove(APT)

    ratio = statistics.median(times["site"]) / statistics.median(times["apt"])
    row = Row(
        f"fresh converge of a bare host ({len(packages)} packages)",
        spread(times["site"]),
        f"{spread(times['apt'])} apt alone",
        **at_most(ratio, 1.35, "at most 1.35x"),
    )
    return Result("converge", "Fresh converge", [row], raw={"seconds": times, "packages": packages})
