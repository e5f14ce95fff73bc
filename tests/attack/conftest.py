# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the attacks: a second host to attack from, and users of the service who must not notice. Run as the tests
of the service are (see service/conftest.py).

A test takes back what it did; a module fails if its users were kept waiting meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..service.conftest import register as register  # the same accounts …
from ..service.conftest import service as service  # … and service, by the same names
from ..service.service import Account, Service
from .bystander import Bystander
from .neighbour import Neighbour

SECONDS_PER_TEST = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(SECONDS_PER_TEST))


@pytest.fixture(scope="session")
def neighbour() -> Iterator[Neighbour]:
    """Another host in the same network, with addresses of its own; removed afterwards."""
    neighbour = Neighbour.up()
    yield neighbour
    neighbour.down()


def running(service: Service) -> str:
    """The processes of the service; another number means that one died and was started again."""
    units = ("ejabberd", "nginx", "coturn")
    ask = "systemctl show --property=MainPID,NRestarts,ActiveState"
    return str(service.host.check_output(f"{ask} {' '.join(f'{unit}.service' for unit in units)}"))


@pytest.fixture(scope="module", autouse=True)
def bystander(service: Service, register: Callable[[int], list[Account]]) -> Iterator[Bystander]:
    """While the tests of a module attack, two users write to each other, a third logs in, one reads the web site."""
    before = running(service)
    bystander = Bystander(service, register(3))
    bystander.start()
    yield bystander
    bystander.finish()
    assert running(service) == before, "a part of the service died"
