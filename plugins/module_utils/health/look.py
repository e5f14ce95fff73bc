# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a host that runs the service: all rows about it, in the order of the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.counters import counters
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.machine import (
    disks,
    judge_clock,
    judge_memory,
    judge_retention,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.programs import output
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.server import contacts_row, own_parts
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.units import (
    judge_services,
    judge_timers,
    looping,
    units,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.updates import (
    ejabberd_version,
    judge_updates,
    judge_version,
    lists_age,
    security_updates,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, WARN, Row, row

DEPLOYED = Path("/etc/xmpp/version")
SEEN = Path("/var/lib/xmpp/clock.json")


def look(
    services: list[str],
    others: list[str],
    *,
    now: float,
    firewall: bool = False,
    metrics: str = "",
    contacts: Sequence[str] = (),
    tested: Mapping[str, str] | None = None,
    version: str = "",
    pending: Callable[[], list[str] | str | None] = security_updates,
    versions: Callable[[Mapping[str, str]], Row] = ejabberd_version,
) -> list[Row]:
    """Return the rows; those of versions if it is given which of packages were *tested*, and this project's *version*.

    *pending* reads which security updates are, which takes most of the time and memory of this; *versions* judges those
    of ejabberd and its libraries. Both answers change only with the installed packages and apt's lists.
    """
    here = time.time()
    # ejabberd's answer and apt's lists take a second each on a small host, so they run in parallel.
    asked = ThreadPoolExecutor(1).submit(own_parts)
    ours = sorted(path.name for path in Path("/etc/systemd/system").glob("xmpp-*.timer"))
    timers = units([*ours, *others], "ActiveState", "Unit")
    started = [state["Unit"] for state in timers.values() if state.get("Unit")]
    results = units(started, "Result", "ActiveState", "InactiveExitTimestampMonotonic")
    listing = output("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")
    # Services that a timer starts are named in the row of timers.
    failed = [line.split()[0] for line in listing.splitlines() if line.strip() and line.split()[0] not in results]
    uptime = time.clock_gettime(time.CLOCK_MONOTONIC)
    # The pattern matches loaded units in any state.
    states = units(["*.service", *services], "ActiveState", "SubState", "NRestarts", "ActiveEnterTimestampMonotonic")
    deployed = DEPLOYED.read_text(encoding="utf-8") if DEPLOYED.exists() else ""
    rows = [
        *([judge_version(deployed, version)] if version else []),
        judge_services(services, states, failed, looping(states, uptime)),
        *judge_timers(timers, results, uptime),
        *disks(),
        judge_memory(Path("/proc/meminfo").read_text(encoding="ascii")),
        judge_clock(
            here - now,
            synchronized=output("timedatectl", "show", "--property=NTPSynchronized", "--value").strip() == "yes",
            contained=bool(output("systemd-detect-virt", "--container").strip() not in ("", "none")),
        ),
        judge_retention(SEEN.read_text(encoding="utf-8") if SEEN.exists() else ""),
        judge_updates(pending(), lists_age(here)),
        *([versions(tested)] if tested else []),
        *asked.result(),
    ]
    if metrics:
        rows.append(counters(metrics))
    rows += contacts_row(list(contacts))
    if Path("/run/reboot-required").exists():
        rows.append(row("restart", WARN, "needed to complete an update", "systemctl reboot, at a quiet hour"))
    if any(Path("/var/log/journal").glob("*/*.journal")):
        fix = "Run site.yml --tags log_minimization, which keeps the journal in memory."
        rows.append(row("journal", WARN, "is written to disk", fix))
    if firewall and "table inet xmpp\n" not in output("nft", "list", "tables"):
        rows.append(row("firewall", FAIL, "has no rules", "systemctl restart xmpp-firewall"))
    return rows
