# SPDX-License-Identifier: GPL-3.0-or-later
"""What others reach on this host today and the firewall of the service closes: programs, tunnels, web sites."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import closed_ports, host
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import PASSED, Chains
from ansible_collections.conexizan.xmpp.plugins.module_utils.neighbours import Socket, families_of

# What a DHCP client gets passes: it belongs to what it has sent, or is taken before the firewall.
ANSWERED = {("udp", 68), ("udp", 546)}
MDNS = ("udp", 5353)
KERNEL = "the kernel, as for WireGuard"
Closed = tuple[str, int, str]  # protocol, port, who has it


def opened_ports() -> set[int]:
    """Return the numbers in what is opened by files in the folder of our firewall, the operator's among them."""
    files = [path for path in sorted(Path("/etc/xmpp/firewall.d").glob("*.nft")) if path.is_file()]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    return {int(number) for text in texts for number in re.findall(r"(?<![\d.:])\d{1,5}(?![\d.:])", text)}


def own_ports(path: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> range:
    """Return the ports that the kernel gives to programs that ask for any: nobody is told of these."""
    first, last = path.read_text(encoding="ascii").split()
    return range(int(first), int(last) + 1)


def asked_from_outside(one: Socket, any_port: range) -> bool:
    """Tell whether a socket is there for others: not what a client has opened to get answers."""
    if one.loopback or (one.protocol, one.port) in ANSWERED:
        return False
    # Without a process it is the kernel's, which has no clients.
    return one.protocol == "tcp" or not one.holder_known or one.port not in any_port


def passed_on(chains: Chains, found: list[Socket], addresses: list[str]) -> set[tuple[str, int]]:
    """Return the ports that containers have: their packets are passed on before the firewall of the service."""
    ports = [{"protocol": one.protocol, "first": one.port, "last": one.port} for one in found]
    return {
        (protocol, int(number))
        for one in closed_ports.shut(
            chains, ports, families_of(addresses), host.default_interfaces(), frozenset(addresses)
        )
        if one.verdict == PASSED
        for protocol, number in one.ports
    }


def closing(
    found: list[Socket],
    needed: list[dict[str, Any]],
    opened: set[int],
    further: dict[int, str],
    *,
    passed: Collection[tuple[str, int]] = (),
    any_port: range = range(0),
) -> list[Closed]:
    """Return what others can reach today and our firewall closes.

    *needed* are the ports of the service, *opened* those of ssh and of the operator's, *further* web sites by their
    ports, *passed* what containers have.
    """
    those = {
        (one.protocol, one.port): (one.unit or one.program or "?") if one.holder_known else KERNEL
        for one in found
        if asked_from_outside(one, any_port) and (one.protocol, one.port) not in passed
    }
    those |= {("tcp", port): who for port, who in further.items()}
    return [
        (protocol, number, who)
        for (protocol, number), who in sorted(those.items())
        if number not in opened
        and not any(port["protocol"] == protocol and port["first"] <= number <= port["last"] for port in needed)
    ]


def sentence(closed: list[Closed]) -> str:
    """Return it for the operator, with what opens a port; nothing if nothing is closed."""
    if not closed:
        return ""
    kinds = {
        protocol.upper(): [f"{number} ({who})" for kind, number, who in closed if kind == protocol]
        for protocol in ("tcp", "udp")
    }
    what = " and ".join(f"{kind} {', '.join(ports)}" for kind, ports in kinds.items() if ports)
    return (
        f"The firewall of the service closes {what} to the outside, to containers and to virtual machines. To open a "
        "port, add a line like this to /etc/xmpp/firewall.d/own.nft, and run systemctl reload xmpp-firewall: "
        f"{closed[0][0]} dport {closed[0][1]} accept"
    )
