# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the tests of a folder run, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest


def arrange(
    items: list[pytest.Item], folder: Path, seconds: int, turns: Mapping[str, int] = MappingProxyType({})
) -> None:
    """No test of a folder may hang: without a limit of its own, it gets this one. Modules come by their *turns*.

    Those without one come first (0); of the same turn, all stay in their order. Tests of other folders stay where
    they are.
    """
    places = [place for place, item in enumerate(items) if folder in item.path.parents]
    own = [items[place] for place in places]
    for item in own:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(seconds))
    for place, item in zip(places, sorted(own, key=lambda item: turns.get(item.path.stem, 0)), strict=True):
        items[place] = item
