# SPDX-License-Identifier: GPL-3.0-or-later
"""The service under test and accounts there: fixtures of every folder that imports them into its conftest. One that has
several services has a fixture ``service`` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from .newcomer import newcomer
from .service import Account, Service

ACCOUNTS_AT_ONCE = 12


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
def guest(service: Service) -> Iterator[Account]:
    """A name and a password; if it becomes an account, that is deleted afterwards."""
    account = newcomer()
    yield account
    service.unregister([account])


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
