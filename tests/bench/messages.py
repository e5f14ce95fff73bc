# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clients that write to each other, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import functools

from .bed import Bed
from .report import Result
from .servers import against, in_turns, medians, servers, window


def messages(bed: Bed, *, clients: int, rounds: int, quick: bool) -> Result:
    """The same load on the service and on what Debian offers."""
    options = {"accounts": clients, **window(quick=quick)}
    sides = {one.name: functools.partial(one.measure, "messages", **options) for one in servers(bed, quick=quick)}
    found = in_turns(sides, rounds, quick=quick)
    rate = medians(found, "closed", "per_second")
    texts = {name: f"{value:.0f}" for name, value in rate.items()}
    rows = against(f"messages a second, {clients} clients, closed loop", rate, texts, more=True)
    for loop, words in (("closed", "closed loop"), ("offered", "100 messages a second")):
        half, slow = medians(found, loop, "p50_ms"), medians(found, loop, "p99_ms")
        texts = {name: f"{slow[name]:.1f} ms ({half[name]:.1f})" for name in slow}
        rows += against(f"p99 delivery latency, {words} (p50)", slow, texts, more=False)
    lost = {
        name: sum(entry[loop]["lost"] for entry in entries for loop in ("closed", "offered"))
        for name, entries in found.items()
    }
    notes = ["Messages lost: " + ", ".join(f"{name} {count}" for name, count in lost.items()) + "."]
    return Result("messages", "Messages", rows, notes, raw={"measured": found})
