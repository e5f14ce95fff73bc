# SPDX-License-Identifier: GPL-3.0-or-later
"""Slow connections: they harm nobody while all other attacks go on, and each is closed after a while."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from .dawdlers import PLACES, SLOW


@pytest.mark.attack("requests, handshakes and streams that never end")
def test_slow_connections_are_closed(dawdlers: Future[dict[str, dict[str, Any]]]) -> None:
    """The server has closed each connection."""
    results = dawdlers.result()
    assert {kind: result["closed"] for kind, result in results.items()} == dict.fromkeys(SLOW, PLACES), results
