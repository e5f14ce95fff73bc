# SPDX-License-Identifier: GPL-3.0-or-later
"""Everybody comes back after a restart, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import functools
import json
import time
from typing import Any

from .bed import Bed, say, staying
from .report import Result
from .servers import Server, against, in_turns, medians, servers


def comeback(bed: Bed, *, clients: int, rounds: int, quick: bool) -> Result:
    """From the restart of a server until the last client is online again; all of them from one address."""
    sides = {one.name: functools.partial(restart, one, clients) for one in servers(bed, quick=quick)}
    found = in_turns(sides, rounds, quick=quick)
    took = medians(found, "seconds")
    away = medians(found, "away_seconds")
    texts = {name: f"{took[name]:.1f} s (gone for {away[name]:.1f} s)" for name in took}
    rows = against(f"{clients:,} clients are back after a restart", took, texts, more=False)
    failures = {name: sum(entry["failures"] for entry in entries) for name, entries in found.items()}
    notes = ["Logins that failed after it: " + ", ".join(f"{name} {count}" for name, count in failures.items()) + "."]
    return Result("return", "Return after a restart", rows, notes, raw={"measured": found})


def restart(server: Server, clients: int) -> dict[str, Any]:
    with staying(server.load("return", accounts=clients)) as load:
        began = time.monotonic()
        server.host.shell(f"systemctl restart {server.unit}")
        found: dict[str, Any] = json.loads(load())
    found["seconds"] = found["online_at"] - began
    say(f"return: {server.name}: {found}")
    return found
