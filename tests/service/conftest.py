# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the service tests. Run by Molecule's verifier, or by hand against a converged host, with --hosts=ansible://site,
--ansible-inventory=molecule/inventory and --ssh-config=.cache/testbed/ssh_config.

Each test is on its own, with accounts that no other test has touched; those that wait do so with a time limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ..kit.accounts import register as register
from ..kit.erlang import FORGIVE, run_in_erlang
from ..kit.imports import Transfer
from ..kit.newcomer import newcomer, reset_limits
from ..kit.order import arrange
from ..kit.service import Account, Service

SECONDS_PER_TEST = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang; one that takes longer says so itself."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST)


@pytest.fixture(scope="module")
def service(host: Host) -> Service:
    """The service on the host under test."""
    return Service.of(host)


@pytest.fixture(scope="module")
def secrets_dir(host: Host, service: Service) -> Path:
    """Where the secrets that were generated for the operator are."""
    return Path(host.ansible("ansible.builtin.debug", "var=xmpp_secrets_dir")["xmpp_secrets_dir"], service.domain)


@pytest.fixture(scope="module")
def admin(secrets_dir: Path) -> Account:
    """The administrator, with the password that was generated for the operator."""
    return Account("admin", (secrets_dir / "account-admin.txt").read_text(encoding="utf-8").strip())


@pytest.fixture
def limits_reset_after(service: Service) -> Iterator[None]:
    """What a test has used of its address's limits does not count for the next one."""
    yield
    reset_limits(service)


@pytest.fixture
def limits_reset_before(service: Service) -> None:
    """The limits of the test machine's address are unused, as if nobody had registered from it."""
    reset_limits(service)


@pytest.fixture
def guest(service: Service) -> Iterator[Account]:
    """A name and a password; if it becomes an account, that is deleted afterwards."""
    account = newcomer()
    yield account
    service.unregister([account])


@pytest.fixture
def transfer(service: Service, tmp_path: Path) -> Iterator[Transfer]:
    """Imports and exports accounts; those that were imported are deleted afterwards."""
    made = Transfer(service, tmp_path)
    yield made
    service.unregister([Account(name, "", service.domain) for name in made.names])


@pytest.fixture
def forgiven(service: Service) -> Iterator[None]:
    """Guesses of a test do not count for the next one, which logs in from the same address."""
    yield
    run_in_erlang(service, FORGIVE)
