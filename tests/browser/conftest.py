# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests in a browser: Debian's Chromium, by Playwright. Run as those of the service are (see
service/conftest.py). Pictures of all pages are in .cache/screenshots afterwards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from ..kit.accounts import service as service
from ..kit.chromium import browsing, installed, trusting
from ..kit.newcomer import reset_limits
from ..kit.order import arrange
from ..kit.service import Account, Service
from .site import SCREENSHOTS, Site, explore

SECONDS_PER_TEST = 240
VISITOR = "visitor"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang. All of a module share an event loop, because they share a browser."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST)


@pytest.fixture
def limits_reset_before(service: Service) -> None:
    """The limits of the test machine's address are unused, as if nobody had registered or mistyped a password there."""
    reset_limits(service)


@pytest.fixture
def pair(service: Service) -> Iterator[list[Account]]:
    """Two accounts that no other test has touched."""
    accounts = service.register(2)
    yield accounts
    service.unregister(accounts)


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """The folder for pictures."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS


@pytest.fixture(scope="module")
def home(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trusting(service.ca, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with installed(VISITOR, tmp_path_factory.mktemp("chromium")) as program:
        yield program


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(service: Service, screenshots: Path, home: Path, chromium: Path) -> AsyncIterator[Browser]:
    async with browsing(chromium, home, {service.domain: service.address}) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(service: Service) -> Site:
    """The web site, found by following its links."""
    reset_limits(service)  # other tests flood the registration, which is part of the site
    return await explore(service)
