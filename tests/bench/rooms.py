# SPDX-License-Identifier: GPL-3.0-or-later
"""A room in which many are, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import functools

from .bed import Bed
from .report import Result
from .servers import against, busy, in_turns, medians, servers, window


def rooms(bed: Bed, *, occupants: int, rounds: int, quick: bool) -> Result:
    """The occupants speak in turn, and everybody hears everything."""
    options = {"accounts": occupants, "in_flight": 4, **window(quick=quick)}
    sides = {one.name: functools.partial(one.measure, "rooms", **options) for one in servers(bed, quick=quick)}
    found = in_turns(sides, rounds, quick=quick)
    rate, half, slow = (medians(found, figure) for figure in ("per_second", "p50_ms", "p99_ms"))
    texts = {name: f"{value:.0f}" for name, value in rate.items()}
    rows = against(f"deliveries a second, room with {occupants} occupants", rate, texts, more=True)
    texts = {name: f"{slow[name]:.1f} ms ({half[name]:.1f})" for name in slow}
    rows += against("p99 of a delivery in it (p50)", slow, texts, more=False)
    return Result("rooms", "Rooms", rows, [busy(found)], raw={"measured": found})
