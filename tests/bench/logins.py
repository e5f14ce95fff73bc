# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins a second, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import functools

from .bed import Bed
from .report import Result
from .servers import against, busy, in_turns, medians, servers, window


def logins(bed: Bed, *, accounts: int, rounds: int, quick: bool) -> Result:
    """Each by the strongest SCRAM mechanism that the server offers."""
    options = {"accounts": accounts, "window": window(quick=quick)["window"]}
    sides = {one.name: functools.partial(one.measure, "logins", **options) for one in servers(bed, quick=quick)}
    found = in_turns(sides, rounds, quick=quick)
    rate, half, slow = (medians(found, figure) for figure in ("per_second", "p50_ms", "p99_ms"))
    texts = {name: f"{value:.0f} ({found[name][0]['mechanism']})" for name, value in rate.items()}
    rows = against("logins a second, ten at a time", rate, texts, more=True)
    texts = {name: f"{slow[name]:.1f} ms ({half[name]:.1f})" for name in slow}
    rows += against("p99 of a login (p50)", slow, texts, more=False)
    return Result("logins", "Logins", rows, [busy(found)], raw={"measured": found})
