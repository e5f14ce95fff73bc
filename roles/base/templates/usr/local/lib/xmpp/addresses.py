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

from ansible_collections.conexizan.xmpp.plugins.module_utils.addresses import PROBES, source_address
from ansible_collections.conexizan.xmpp.plugins.module_utils.stun import (
    BINDING,
    BINDING_SUCCESS,
    COOKIE,
    MAPPED,
    stun_attributes,
    stun_message,
    xor_address,
)

STUN_PORT = 3478
STUN_WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds, after each request (RFC 8489 6.2.1)
IPV4 = 1  # the family of an address


def own() -> list[str]:
    """Return the addresses of this host, IPv4 before IPv6; one of each at most."""
    return [address for address in (source_address(*probe) for probe in PROBES) if address]


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
    request = stun_message(BINDING, transaction, [])
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
    if answer[:2] + answer[4:20] != struct.pack("!HI12s", BINDING_SUCCESS, COOKIE, transaction):
        return ""
    value = stun_attributes(answer).get(MAPPED, b"")
    return xor_address(value, transaction) if len(value) == 8 and value[1] == IPV4 else ""


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
