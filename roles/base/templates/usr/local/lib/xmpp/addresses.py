# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses this host has now, and by which one the outside sees it: what the programs beside this file ask."""

from __future__ import annotations

import ipaddress
import json
import secrets
import socket
import struct
import subprocess
import time

# linux/in6.h (RFC 5014): the lasting address, not the temporary one that goes after a day (RFC 8981).
IPV6_ADDR_PREFERENCES = 72
IPV6_PREFER_SRC_PUBLIC = 2
# Documentation addresses (RFC 5737, RFC 3849): never a real destination.
PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))

STUN_PORT = 3478
STUN_COOKIE = 0x2112A442
STUN_WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds, after each request (RFC 8489 6.2.1)
BINDING_REQUEST, BINDING_SUCCESS, XOR_MAPPED_ADDRESS, IPV4 = 0x0001, 0x0101, 0x0020, 1


def source(family: socket.AddressFamily, probe: str) -> str:
    """Return the address this host speaks from towards the outside, "" if there is none. Sends nothing."""
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


def own() -> list[str]:
    """Return the addresses of this host, IPv4 before IPv6; one of each at most."""
    return [address for address in (source(family, probe) for family, probe in PROBES) if address]


def is_public(address: str) -> bool:
    """Tell whether everybody can reach an address, as far as the address itself says."""
    found = ipaddress.ip_address(address)
    return found.is_global and not found.is_multicast


def neighbours() -> list[str]:
    """Return the public networks this host is on, each as its first and last address: at home, IPv6 ones."""
    ranges = set()
    for family in ("-4", "-6"):
        done = subprocess.run(["ip", "-json", family, "route", "show"], capture_output=True, text=True, check=True)
        for route in json.loads(done.stdout or "[]"):
            elsewhere = route.keys() & {"gateway", "via", "nexthops"} or route.get("dev") == "lo"
            if route["dst"] != "default" and not elsewhere:
                network = ipaddress.ip_network(route["dst"])
                if network.is_global:
                    ranges.add(f"{network[0]}-{network[-1]}")
    return sorted(ranges)


def ask_stun(server: str) -> str:
    """Return the IPv4 address that a STUN server, name or name:port, sees this host by (RFC 8489).

    Raises OSError if it has no name, cannot be reached, or does not answer within 8 seconds.
    """
    host, _, port = server.partition(":")
    transaction = secrets.token_bytes(12)
    request = struct.pack("!HHI12s", BINDING_REQUEST, 0, STUN_COOKIE, transaction)
    peer = socket.getaddrinfo(host, int(port or STUN_PORT), socket.AF_INET, socket.SOCK_DGRAM)[0][4]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(peer)
        for wait in STUN_WAITS:
            sock.send(request)
            until = time.monotonic() + wait
            while (left := until - time.monotonic()) > 0:
                sock.settimeout(left)
                try:
                    address = mapped_address(sock.recv(2048), transaction)
                except TimeoutError:
                    break
                if address:
                    return address
    raise TimeoutError("no answer")


def mapped_address(answer: bytes, transaction: bytes) -> str:
    """Return the IPv4 address in the answer to a binding request, "" if it is none to this one."""
    if answer[:2] + answer[4:20] != struct.pack("!HI12s", BINDING_SUCCESS, STUN_COOKIE, transaction):
        return ""
    rest = answer[20:]
    while len(rest) >= 4:
        kind, length = struct.unpack("!HH", rest[:4])
        value = rest[4 : 4 + length]
        if kind == XOR_MAPPED_ADDRESS and length == len(value) == 8 and value[1] == IPV4:
            return str(ipaddress.IPv4Address(int.from_bytes(value[4:]) ^ STUN_COOKIE))
        rest = rest[4 + (length + 3) // 4 * 4 :]
    return ""


def public(own_addresses: list[str], given: list[str], stun_server: str) -> list[str]:
    """Return the addresses the outside reaches this host by: *given* ones, else its own, else what a STUN server sees.

    A family that nothing is known of is left out. Raises OSError if the STUN server is needed and does not answer.
    """
    found = list(given)
    for family in (4, 6):
        if any(ipaddress.ip_address(address).version == family for address in given):
            continue
        mine = [address for address in own_addresses if ipaddress.ip_address(address).version == family]
        if any(is_public(address) for address in mine):
            found += mine
        elif mine and family == 4 and stun_server:
            seen = ask_stun(stun_server)
            if not is_public(seen):  # the relay would be open to it
                raise OSError(f"it answered {seen}, which is not public")
            found.append(seen)
    return found
