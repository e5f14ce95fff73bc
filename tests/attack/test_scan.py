# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan from another host finds the ports that docs/home-server.md lists, and ssh; nothing else is even let in."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator

import pytest

from ..kit.ports import DOCUMENTED, FAMILIES, RELAY, address_of
from ..kit.service import Service
from .neighbour import Neighbour

# Behind the service's own table: what gets here was let in.
TABLE = "conexizan_watch"
WATCH = """
table inet {table} {{
    set seen {{ type inet_proto . inet_service; size 131072; flags dynamic; }}
    chain input {{
        type filter hook input priority filter + 10; policy accept;
        {family} saddr {address} meta l4proto {{ tcp, udp }} ct state new add @seen {{ meta l4proto . th dport }}
    }}
}}
"""


@contextlib.contextmanager
def watching(service: Service, address: str) -> Iterator[set[tuple[str, int]]]:
    """Protocol and port of all that is let in from an address; the set is filled when the block ends."""
    seen: set[tuple[str, int]] = set()
    rules = WATCH.format(table=TABLE, family="ip6" if ":" in address else "ip", address=address)
    service.host.check_output(f"nft --file - <<'END'\n{rules}\nEND")
    try:
        yield seen
        listed = json.loads(service.host.check_output(f"nft --json list set inet {TABLE} seen"))
        for item in listed["nftables"][-1]["set"].get("elem", []):
            protocol, port = item["concat"]
            seen.add((str(protocol), int(port)))
    finally:
        service.host.check_output(f"nft delete table inet {TABLE}")


@pytest.mark.attack("a scan, by TCP and UDP, IPv4 and IPv6")
@FAMILIES
def test_scan_finds_what_is_documented(service: Service, neighbour: Neighbour, family: socket.AddressFamily) -> None:
    """All 65535 ports, by TCP and UDP: neither more nor less."""
    target = {"address": address_of(service, family)}
    with watching(service, neighbour.address if family == socket.AF_INET else neighbour.address6) as seen:
        found = neighbour.run("scan", target)
        neighbour.run("datagrams", target)
    tcp, udp = ({port for protocol, port in DOCUMENTED if protocol == kind} for kind in ("tcp", "udp"))
    assert set(found) == tcp
    assert {port for protocol, port in seen if protocol == "tcp"} == tcp
    let_in = {port for protocol, port in seen if protocol == "udp"}
    assert let_in <= udp
    # Of so many datagrams, some may be lost on the way.
    assert let_in - set(RELAY) == udp - set(RELAY)
    assert len(let_in) > 0.9 * len(udp)
