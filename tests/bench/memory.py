# SPDX-License-Identifier: GPL-3.0-or-later
"""What the idle service occupies, and each session."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from .bed import DOMAIN, PASSWORD, Bed, BenchError, register_on_site, say
from .report import Result, Row

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


def memory(bed: Bed, *, sessions: int, settle: int) -> Result:
    """The idle service after a fresh start, then with people logged in; *settle* seconds are waited each time."""
    host = bed.site()
    register_on_site(host, sessions)
    certificate = host.fetch("/etc/xmpp/certificates/ca.crt")
    host.shell("systemctl restart ejabberd nginx coturn")
    say(f"memory: {settle} s to settle")
    time.sleep(settle)  # idleness is what is measured: nothing tells when garbage collection is through
    idle: dict[str, int] = json.loads(host.shell(PSS))
    arguments = ["idle", "--address", host.address, "--domain", DOMAIN, "--ca", str(certificate)]
    arguments += ["--password", PASSWORD, "--accounts", str(sessions)]
    command = [sys.executable, "-m", "tests.load.xmppload", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as people:
        if not (people.stdout and people.stdout.readline()):
            raise BenchError(f"{sessions:,} sessions did not come about; the reason stands above.")
        time.sleep(settle)  # as above
        busy: dict[str, int] = json.loads(host.shell(PSS))
        people.communicate()
    if people.returncode:
        raise BenchError(f"{sessions:,} sessions did not last; the reason stands above.")

    def megabytes(found: dict[str, int], units: list[str]) -> float:
        return sum(found.get(unit, 0) for unit in units) / 1024

    parts = {**UNITS, "these three": [unit for units in UNITS.values() for unit in units], "the whole host": list(idle)}
    online = f"with {sessions:,} sessions"
    rows = [
        Row(name, f"{megabytes(idle, units):.1f} MiB", f"{megabytes(busy, units):.1f} MiB {online}", "", "")
        for name, units in parts.items()
    ]
    each = (megabytes(busy, UNITS["ejabberd"]) - megabytes(idle, UNITS["ejabberd"])) * 1024 / sessions
    notes = [f"One idle session takes {each:.0f} KiB of ejabberd."]
    return Result("memory", "Memory (PSS)", rows, notes, raw={"idle_kib": idle, "busy_kib": busy})
