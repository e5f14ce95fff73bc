# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of a service with xmpp_single_port: a network that lets out nothing but port 443."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ..kit.accounts import guest as guest
from ..kit.accounts import register as register
from ..kit.accounts import service as service
from ..kit.hotel import one_port_alone
from ..kit.order import arrange
from ..kit.ports import ONE_PORT
from ..kit.service import Service

SECONDS_PER_TEST = 180
# The service's other domain (molecule/inventory/host_vars/outside.yml).
MORE_DOMAIN = "family.test"


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


@pytest.fixture(params=["ipv4", "ipv6 alone"])
def hotel(request: pytest.FixtureRequest, service: Service, own_addresses: tuple[str, str]) -> Iterator[Service]:
    """The service, as it is reached from a network that lets out nothing but TCP 443; one of the two has no IPv4."""
    alone = request.param == "ipv6 alone"
    address = service.address6 if alone else service.address
    assert address is not None
    with one_port_alone(service.host, own_addresses, own_addresses[:1] if alone else ()):
        for closed in [(address, 5222), *([(service.address, ONE_PORT)] if alone else [])]:
            with contextlib.suppress(TimeoutError):
                socket.create_connection(closed, timeout=1).close()
                raise AssertionError(f"{closed} is open: the network lets out more than it should")
        yield replace(service, address=address)
