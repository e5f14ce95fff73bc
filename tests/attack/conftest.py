# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the attacks: a second host to attack from, and users of the service who must not notice. Run as the tests
of the service are (see service/conftest.py).

A test takes back what it did; a module fails if its users were kept waiting meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import testinfra

from ..kit.accounts import register as register
from ..kit.order import arrange
from ..kit.service import Account, Service
from .bystander import Bystander
from .dawdlers import dawdle
from .neighbour import Neighbour

SECONDS_PER_TEST = 300
LAST = "test_dawdlers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang. What became of those who dawdle is asked last."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST, {LAST: 1})


@pytest.fixture(scope="session")
def service(pytestconfig: pytest.Config) -> Service:
    """The service under attack."""
    words = {
        name: pytestconfig.getoption(f"--{name.replace('_', '-')}") for name in ("ssh_config", "ansible_inventory")
    }
    return Service.of(testinfra.get_host(pytestconfig.getoption("--hosts"), **words))


@pytest.fixture(scope="session")
def neighbour() -> Iterator[Neighbour]:
    """Another host in the same network, with addresses of its own; removed afterwards."""
    neighbour = Neighbour.up()
    yield neighbour
    neighbour.down()


@pytest.fixture(scope="session", autouse=True)
def dawdlers(
    request: pytest.FixtureRequest, service: Service, neighbour: Neighbour
) -> Iterator[Future[dict[str, dict[str, Any]]] | None]:
    """They take minutes, so they begin with the session, if anybody is going to ask; the other tests run meanwhile."""
    if not any(item.path.stem == LAST for item in request.session.items):
        yield None
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(dawdle, service, neighbour)


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
