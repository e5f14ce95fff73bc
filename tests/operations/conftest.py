# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of what the operator does with a service that runs. Run as the tests of the service are (see
service/conftest.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..kit.accounts import admin as admin
from ..kit.accounts import guest as guest
from ..kit.accounts import register as register
from ..kit.accounts import secrets_dir as secrets_dir
from ..kit.accounts import service as service
from ..kit.imports import Transfer
from ..kit.order import arrange
from ..kit.service import Account, Service

SECONDS_PER_TEST = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang; one that takes longer says so itself."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST)


@pytest.fixture
def transfer(service: Service, tmp_path: Path) -> Iterator[Transfer]:
    """Imports and exports accounts; those that were imported are deleted afterwards."""
    made = Transfer(service, tmp_path)
    yield made
    service.unregister([Account(name, "", service.domain) for name in made.names])
