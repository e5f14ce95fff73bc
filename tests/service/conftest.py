# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the service tests. Run by Molecule's verifier, or by hand against a converged host, with --hosts=ansible://site,
--ansible-inventory=molecule/inventory and --ssh-config=.cache/testbed/ssh_config.

Each test is on its own, with accounts that no other test has touched; those that wait do so with a time limit.
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
from ..kit.erlang import FORGIVE, run_in_erlang
from ..kit.moderators import team as team
from ..kit.newcomer import reset_limits
from ..kit.order import arrange
from ..kit.service import Service

SECONDS_PER_TEST = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang; one that takes longer says so itself."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST)


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
def forgiven(service: Service) -> Iterator[None]:
    """Guesses of a test do not count for the next one, which logs in from the same address."""
    yield
    run_in_erlang(service, FORGIVE)
