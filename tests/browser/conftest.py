# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests in a browser: Debian's Chromium, by Playwright. Run as those of the service are (see
service/conftest.py). Pictures of all pages are in .cache/screenshots afterwards.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from ..kit import testbed
from ..kit.accounts import service as service
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
    """Home of a user whose browser trusts the service's authority, beside the public ones."""
    home = tmp_path_factory.mktemp("home")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "service", "-t", "C,,"], input=service.ca, text=True, check=True)
    return home


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Chromium in the network of a host of its own. It gives up what it loads (ERR_NETWORK_CHANGED) whenever its
    machine gets an address, as this one does with each host that other tests boot.
    """
    network = f"/proc/{testbed.up(VISITOR)['process']}/ns/net"
    enter = ["nsenter", f"--net={network}", "--"]
    if os.geteuid():
        enter = ["sudo", "--preserve-env=HOME,LANG", "--", *enter]
    program = tmp_path_factory.mktemp("chromium") / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(enter)} /usr/bin/chromium "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    yield program
    testbed.down(VISITOR)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(service: Service, screenshots: Path, home: Path, chromium: Path) -> AsyncIterator[Browser]:
    """Chromium, which finds the service's names and no others."""
    names = f"MAP {service.domain} {service.address}, MAP *.{service.domain} {service.address}, MAP * ~NOTFOUND"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=[f"--host-resolver-rules={names}"],
            env={"HOME": str(home), "LANG": "C.UTF-8"},
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(service: Service) -> Site:
    """The web site, found by following its links."""
    reset_limits(service)  # other tests flood the registration, which is part of the site
    return await explore(service)
