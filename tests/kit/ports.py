# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that the operator is told of: docs/home-server.md is where they are said."""

from __future__ import annotations

import re
import socket

import pytest

from .playbook import CHECKOUT
from .service import Service

SSH = 22
# What every network lets out, and takes all with xmpp_single_port.
ONE_PORT = 443


def documented() -> set[tuple[str, int]]:
    """Protocol and port of each line of the table in docs/home-server.md, and ssh, which it names below."""
    found = {("tcp", SSH)}
    text = (CHECKOUT / "docs" / "home-server.md").read_text(encoding="utf-8")
    line = r"^\| (\d+)(?:-(\d+))? ((?:tcp|udp)(?: and (?:tcp|udp))?) \|"
    for first, last, protocols in re.findall(line, text, re.MULTILINE):
        ports = range(int(first), int(last or first) + 1)
        found |= {(protocol, port) for protocol in protocols.split(" and ") for port in ports}
    return found


DOCUMENTED = documented()
OPEN_TCP = {port for protocol, port in DOCUMENTED if protocol == "tcp"}
RELAY = range(49152, 65536)
OPEN_UDP = {port for protocol, port in DOCUMENTED if protocol == "udp"} - set(RELAY)

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


def address_of(service: Service, family: socket.AddressFamily) -> str:
    address = service.address if family == socket.AF_INET else service.address6
    assert address is not None, "the test host has no IPv6 address"
    return address
