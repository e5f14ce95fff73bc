# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of a service with xmpp_single_port: a network that lets out nothing but port 443."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..kit.accounts import guest as guest
from ..kit.accounts import register as register
from ..kit.accounts import service as service
from ..kit.order import arrange
from ..kit.ports import ONE_PORT, SSH
from ..kit.service import Service

SECONDS_PER_TEST = 180
TABLE = "conexizan_hotel"
# In front of the service's own table. What the host sends to itself is not on the way from there. (The tests need ssh.)
RULES = f"""
table inet {TABLE} {{
    chain input {{
        type filter hook input priority filter - 10; policy accept;
        iif lo accept
        tcp dport {{ {SSH}, {ONE_PORT} }} accept
        ct state established,related accept
        ip saddr %s drop
        ip6 saddr %s drop
    }}
}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST)


def address_towards(address: str | None) -> str:
    """This machine's address, as the host sees it."""
    assert address is not None, "the test host has no IPv6 address"
    with socket.create_connection((address, ONE_PORT), timeout=10) as link:
        own: str = link.getsockname()[0]
    return own


@pytest.fixture(scope="module")
def own_addresses(service: Service) -> tuple[str, str]:
    return address_towards(service.address), address_towards(service.address6)


@pytest.fixture
def hotel(service: Service, own_addresses: tuple[str, str]) -> Iterator[None]:
    """Between this machine and the host, everything but TCP 443 is dropped."""
    service.host.check_output(f"nft --file - <<'END'\n{RULES % own_addresses}\nEND")
    try:
        with contextlib.suppress(TimeoutError):
            socket.create_connection((service.address, 5222), timeout=1).close()
            raise AssertionError("port 5222 is open: the network lets out more than it should")
        yield
    finally:
        service.host.check_output(f"nft delete table inet {TABLE}")
