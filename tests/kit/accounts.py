# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts for tests: a fixture of every folder that imports it into its conftest and has a fixture ``service``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .service import Account, Service

ACCOUNTS_AT_ONCE = 12


@pytest.fixture(scope="module")
def register(service: Service) -> Iterator[Callable[[int], list[Account]]]:
    """Gives fresh accounts that no other test has touched: ``alice, bob = register(2)``. Deleted after the module.

    They are made some in advance, because each visit to the host takes as long as a login.
    """
    made: list[Account] = []
    spare: list[Account] = []

    def give(count: int) -> list[Account]:
        if len(spare) < count:
            fresh = service.register(max(count, ACCOUNTS_AT_ONCE))
            made.extend(fresh)
            spare.extend(fresh)
        return [spare.pop(0) for _ in range(count)]

    yield give
    service.unregister(made)
