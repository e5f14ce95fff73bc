# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive that is read page by page, against Debian's own ejabberd and Debian's Prosody."""

from __future__ import annotations

import functools

from .bed import Bed
from .report import Result
from .servers import against, in_turns, medians, people, servers

PAGE = 50


def history(bed: Bed, *, messages: int, rounds: int, quick: bool) -> Result:
    """The archive is filled in the first turn."""
    options = {"first": people(quick=quick) - 2, "accounts": 2, "messages": messages, "page": PAGE}
    sides = {one.name: functools.partial(one.measure, "history", **options) for one in servers(bed, quick=quick)}
    found = in_turns(sides, rounds, quick=quick)
    took, slow = medians(found, "seconds"), medians(found, "p99_ms")
    texts = {name: f"{value:.2f} s" for name, value in took.items()}
    rows = against(f"{messages:,} messages of an archive, by pages of {PAGE}", took, texts, more=False)
    texts = {name: f"{value:.1f} ms" for name, value in slow.items()}
    rows += against("p99 of a page", slow, texts, more=False)
    return Result("history", "Archive", rows, raw={"measured": found})
