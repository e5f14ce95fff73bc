# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about an IP address that need no network traffic."""

from __future__ import annotations

import ipaddress
import socket


def is_public(address: str) -> bool:
    """Tell whether an address is globally reachable."""
    return ipaddress.ip_address(address).is_global


def has_route(address: str) -> bool:
    """Tell whether this machine has a route to an address; connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
    except OSError:
        return False
    return True
