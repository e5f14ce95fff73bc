# SPDX-License-Identifier: GPL-3.0-or-later
"""By which address a host speaks to the outside: for modules, and for the programs on the host."""

from __future__ import annotations

import socket

# linux/in6.h (RFC 5014): the lasting address, not the temporary one that goes after a day (RFC 8981).
IPV6_ADDR_PREFERENCES = 72
IPV6_PREFER_SRC_PUBLIC = 2
# Documentation addresses (RFC 5737, RFC 3849): never a real destination.
PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def source_address(family: socket.AddressFamily, probe: str) -> str:
    """Return the address this host speaks from towards the outside, "" if there is none.

    Connecting a UDP socket sends nothing.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, IPV6_PREFER_SRC_PUBLIC)
            sock.connect((probe, 9))
            address = str(sock.getsockname()[0])
    except OSError:  # no route, or a kernel without IPv6
        return ""
    # Of an interface that has a route and no address of its own yet.
    return "" if address == "::1" or address.startswith("fe80:") else address
