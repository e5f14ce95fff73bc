# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages by WebSocket through nginx, against direct TLS to the same server."""

from __future__ import annotations

import functools

from .bed import Bed
from .report import Result, Row
from .servers import in_turns, medians, servers, window

DIRECT, WEBSOCKET = "direct TLS", "WebSocket"


def websocket(bed: Bed, *, clients: int, rounds: int, quick: bool) -> Result:
    """Ours alone: the others have none as packaged."""
    ours, *_ = servers(bed, quick=quick)
    options = {"accounts": clients, **window(quick=quick)}
    by_websocket = {**options, "port": 443, "websocket": "/ws"}
    sides = {
        WEBSOCKET: functools.partial(ours.measure, "messages", **by_websocket),
        DIRECT: functools.partial(ours.measure, "messages", **options),
    }
    # Never together, since the accounts are the same.
    found = in_turns(sides, 1 if quick else rounds, quick=False)
    rows = []
    for what, loop, figure, unit in (
        (f"messages a second, {clients} clients by WebSocket, closed loop", "closed", "per_second", ""),
        ("p99 delivery latency by WebSocket, 100 messages a second", "offered", "p99_ms", " ms"),
    ):
        value = medians(found, loop, figure)
        texts = {name: f"{value[name]:.0f}" if not unit else f"{value[name]:.1f}{unit}" for name in value}
        ratio = f"**{value[WEBSOCKET] / value[DIRECT]:.2f}x**"
        rows.append(Row(what, texts[WEBSOCKET], f"{texts[DIRECT]} {DIRECT}", ratio, "no target"))
    return Result("websocket", "WebSocket", rows, raw={"measured": found})
