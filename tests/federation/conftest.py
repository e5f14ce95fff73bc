# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of these tests: alpha.test on one host, beta.test and gamma.test on another, and `names`, which is
DNS and certificate authority to both. Run by Molecule's verifier, or by hand against converged hosts (see
service/conftest.py).

A test that breaks something fixes it again, whatever happens in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from testinfra.host import Host

from ..kit.hosts import host_named
from ..kit.order import arrange
from ..kit.service import Account, Service
from .between import STATE, Register, part

SECONDS_PER_TEST = 180
# Where alpha shows its certificate, and by what name.
DOORS = {443: "alpha.test", 5223: "alpha.test", 5270: "alpha.test", 5349: "turn.alpha.test"}
JUDGES_SECONDS = 1500
# testssl.sh takes minutes: it begins first, tests that leave alpha alone run meanwhile, those that do not come after.
AFTER = (
    "test_blocking",
    "test_dynamic_address",
    "test_orders",
    "test_outage",
    "test_push",
    "test_renewal",
    "test_trust",
)
TURNS = {"test_restore": 1, "test_tls": 2} | dict.fromkeys(AFTER, 3) | {"test_audit": 4, "test_retention": 4}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang; a longer limit is the test's own."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST, TURNS)


@pytest.fixture(scope="session")
def root() -> str:
    """The certificate of the authority, the only one that the tests trust."""
    return (STATE / "root.pem").read_text(encoding="ascii")


@pytest.fixture(scope="session")
def alpha(pytestconfig: pytest.Config, root: str) -> Service:
    return Service.of(host_named("alpha", pytestconfig), "alpha.test", root)


@pytest.fixture(scope="session")
def beta(pytestconfig: pytest.Config, root: str) -> Service:
    return Service.of(host_named("beta", pytestconfig), "beta.test", root)


@pytest.fixture(scope="session")
def gamma(pytestconfig: pytest.Config, root: str) -> Service:
    """The second domain on beta's host."""
    return Service.of(host_named("beta", pytestconfig), "gamma.test", root)


@pytest.fixture(scope="session")
def names(pytestconfig: pytest.Config) -> Host:
    """Name server and certificate authority."""
    return host_named("names", pytestconfig)


@pytest.fixture(scope="session", autouse=True)
def judges(request: pytest.FixtureRequest, alpha: Service, names: Host) -> Iterator[dict[int, Future[str]]]:
    """testssl.sh at work, by port: its findings as JSON. It starts with the session, if anybody is going to ask."""
    if not any(item.path.stem == "test_tls" for item in request.session.items):
        yield {}
        return

    def judge(port: int, name: str) -> str:
        command = (
            f"timeout {JUDGES_SECONDS} testssl --quiet --warnings off --nodns none --ip {alpha.address} --overwrite "
        )
        command += "--protocols --std --fs --server-defaults --header --vulnerable --add-ca /etc/pebble/root.pem "
        names.run(f"{command} --jsonfile /tmp/{port}.json {name}:{port}")
        findings: str = names.check_output(f"cat /tmp/{port}.json")
        return findings

    with ThreadPoolExecutor(len(DOORS)) as pool:
        yield {port: pool.submit(judge, port, name) for port, name in DOORS.items()}


@pytest.fixture
def register() -> Iterator[Register]:
    """Gives a fresh account of a service: ``alice = register(alpha)``. Deleted after the test."""
    made: list[tuple[Service, Account]] = []

    def give(service: Service) -> Account:
        (account,) = service.register(1)
        made.append((service, account))
        return account

    yield give
    for service, account in made:
        service.unregister([account])


@pytest.fixture
def apart(alpha: Service, beta: Service) -> Iterator[None]:
    """The two meet anew in this test and after it: who failed to reach a server does not try again for a while."""
    part(alpha, beta)
    yield
    part(alpha, beta)
