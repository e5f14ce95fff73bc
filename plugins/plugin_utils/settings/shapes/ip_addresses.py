# SPDX-License-Identifier: GPL-3.0-or-later
"""IP addresses: of the host, and of name servers."""

from __future__ import annotations

import ipaddress
import re

METRICS_PORT = 9100
# Networks whose addresses only their own members reach (RFC 1918, RFC 6598, RFC 4193).
PRIVATE_NETWORKS = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)


def name_server(value: str) -> str | None:
    """The address of a server; its name could not be looked up where it is the server that knows it."""
    if value.startswith("["):
        return "has brackets around the address: remove them"
    return None if is_address(value) else "is not an IP address"


def split_address(value: str, port: int) -> tuple[str, int]:
    """Return address and port of ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, which the value may not be."""
    found = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):(\d{1,5})", value, re.ASCII)
    return (found[1] or found[2], int(found[3])) if found else (value, port)


def metrics_address(value: str) -> str | None:
    """An address of the host, with a port or without; an IPv6 address with a port is in brackets."""
    address, port = split_address(value, METRICS_PORT)
    if address.startswith("[") or not is_address(address):
        return "is not an IP address with or without a port"
    if not 1024 <= port <= 49151:
        return "has a port that is not from 1024 to 49151"
    if ipaddress.ip_address(address).is_unspecified:
        return "means all addresses of the host: anybody could read the metrics, so name one address"
    if not ipaddress.ip_address(address).is_loopback and not is_private(address):
        return "is a public address: anybody could read the metrics, so use a loopback or a VPN address"
    return None


def component_host(value: str) -> str | None:
    """The address of a host in a network of the operator's, whose connection is not encrypted."""
    if value.startswith("[") or "%" in value or not is_address(value):
        return "is not an IP address"
    if ipaddress.ip_address(value).is_loopback:
        return "is this host itself: remove it, since a component without hosts is on this host"
    if not is_private(value):
        return "is a public address: the secret and messages would cross the Internet unencrypted, so use a VPN address"
    return None


def public_address(value: str) -> str | None:
    """An address that others can reach; private ones may be right in a test network."""
    if "%" in value:
        return "contains an interface name: remove the % and what follows"
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return "is not an IP address" + (", but a network: remove the / and what follows" * ("/" in value))
    if getattr(address, "ipv4_mapped", None):
        return "is an IPv4-mapped IPv6 address: write the IPv4 address"
    for kind, found in (
        ("the loopback address: only the host itself reaches it", address.is_loopback),
        ("the unspecified address", address.is_unspecified),
        ("a multicast address", address.is_multicast),
        ("a link-local address: only the local network reaches it", address.is_link_local),
        ("a reserved address", address.is_reserved),
    ):
        if found:
            return f"is {kind}"
    return None


def is_address(value: str) -> bool:
    """Whether the value is an IP address, also in the brackets of an URL."""
    try:
        ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        return False
    return True


def is_private(value: str) -> bool:
    """Whether only members of its own network reach an IP address, as far as the address itself says."""
    address = ipaddress.ip_address(value)
    return any(address in network for network in PRIVATE_NETWORKS if network.version == address.version)
