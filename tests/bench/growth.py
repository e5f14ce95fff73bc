# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages a second with more and more clients, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import functools
from typing import Any

from .bed import Bed
from .report import Result, Row
from .servers import against, in_turns, medians, servers, window


def growth(bed: Bed, *, sizes: list[int], rounds: int, quick: bool) -> Result:
    """The closed loop of the messages alone, each client with one message under way."""
    rows: list[Row] = []
    raw: dict[str, Any] = {}
    for clients in sizes:
        options = {"accounts": clients, "rate": 0, **window(quick=quick)}
        sides = {one.name: functools.partial(one.measure, "messages", **options) for one in servers(bed, quick=quick)}
        raw[str(clients)] = found = in_turns(sides, rounds, quick=quick)
        rate, slow = medians(found, "closed", "per_second"), medians(found, "closed", "p99_ms")
        texts = {name: f"{rate[name]:.0f} ({slow[name]:.0f} ms)" for name in rate}
        rows += against(f"messages a second, {clients:,} clients (p99)", rate, texts, more=True)
    return Result("growth", "Growth", rows, raw=raw)
