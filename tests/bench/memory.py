# SPDX-License-Identifier: GPL-3.0-or-later
"""What the idle service occupies, and each session; on a small host, against Debian's own servers."""

from __future__ import annotations

import json
import time

from .bed import Bed, Host, register_on_site, say, staying
from .report import Result, Row
from .servers import servers

SMALL = 60  # MiB that ejabberd may occupy on a small host
UNITS = {"ejabberd": ["ejabberd", "epmd"], "nginx": ["nginx"], "coturn": ["coturn"]}
# PSS of each control group: every process belongs to a unit, and shared pages are counted once in all.
PSS = r"""python3 - <<'END'
import json, pathlib, re
found = {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        groups = (process / "cgroup").read_text()
        memory = re.search(r"^Pss: +(\d+)", (process / "smaps_rollup").read_text(), re.M)
    except (FileNotFoundError, ProcessLookupError):
        continue  # it has ended meanwhile, or is one of the kernel's
    unit = re.search(r"([\w@.-]+)\.(?:service|socket|scope)\b[^/]*$", groups, re.M)
    if memory:
        name = unit.group(1) if unit else "other"
        found[name] = found.get(name, 0) + int(memory.group(1))
print(json.dumps(found))
END"""


def memory(bed: Bed, *, sessions: int, settle: int, quick: bool) -> Result:
    """The idle service after a fresh start, then with people logged in; *settle* seconds are waited each time."""
    ours, *others = servers(bed, quick=quick)
    register_on_site(ours.host, sessions)
    units = {one.host: one.unit for one in others} | {ours.host: "ejabberd nginx coturn"}
    idle, *theirs = restarted(units, [ours.host, *(one.host for one in others)], settle)
    with staying(ours.load("idle", accounts=sessions)) as let_go:
        time.sleep(settle)  # as in restarted()
        busy = occupied(ours.host)
        let_go()
    parts = {**UNITS, "these three": [unit for units in UNITS.values() for unit in units], "the whole host": list(idle)}
    online = f"with {sessions:,} sessions"
    rows = [
        Row(name, f"{megabytes(idle, units):.1f} MiB", f"{megabytes(busy, units):.1f} MiB {online}", "", "")
        for name, units in parts.items()
    ]
    # What is measured is ejabberd's: the rest of the profile is left out where time is short.
    bed.site(small=True, tags="ejabberd" if quick else "all")
    (small,) = restarted(units, [ours.host], settle)
    own = megabytes(small, UNITS["ejabberd"])
    for one, found in zip(others, theirs, strict=True):
        reference = megabytes(found, UNITS.get(one.unit, [one.unit]))
        text, ratio = f"{reference:.1f} MiB {one.name}", f"**{own / reference:.2f}x**"
        rows.append(
            Row("ejabberd, small host", f"{own:.1f} MiB", text, ratio, f"at most {SMALL} MiB", met=own <= SMALL)
        )
    each = (megabytes(busy, UNITS["ejabberd"]) - megabytes(idle, UNITS["ejabberd"])) * 1024 / sessions
    notes = [f"One idle session takes {each:.0f} KiB of ejabberd."]
    raw = {"idle_kib": idle, "busy_kib": busy, "small_kib": small, "others_kib": theirs}
    return Result("memory", "Memory (PSS)", rows, notes, raw=raw)


def restarted(units: dict[Host, str], hosts: list[Host], settle: int) -> list[dict[str, int]]:
    """What units of each host occupy, idle after a fresh start."""
    for host in hosts:
        host.shell(f"systemctl restart {units[host]}")
    say(f"memory: {settle} s to settle")
    time.sleep(settle)  # idleness is what is measured: nothing tells when garbage collection is through
    return [occupied(host) for host in hosts]


def occupied(host: Host) -> dict[str, int]:
    """KiB, by unit."""
    found: dict[str, int] = json.loads(host.shell(PSS))
    return found


def megabytes(found: dict[str, int], units: list[str]) -> float:
    return sum(found.get(unit, 0) for unit in units) / 1024
