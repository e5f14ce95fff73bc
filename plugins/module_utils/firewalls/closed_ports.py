# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that a firewall keeps shut or passes on: whose it is, and how its operator opens them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import (
    DROP,
    PASSED,
    Chain,
    Chains,
    Packet,
    fate,
)

HOOKS = ("input", "prerouting", "ingress")


@dataclass(frozen=True)
class Shut:
    """A firewall, and the ports that it keeps shut or passes on."""

    owner: str
    where: str
    verdict: str
    ports: tuple[tuple[str, str], ...]  # protocol, and a port or a range of them


def owner(chain: Chain, names: Iterable[str]) -> str:
    """Return whose firewall a chain is."""
    if chain.table == "firewalld":
        return "firewalld"
    if chain.tool != "nftables" and any(re.match("ufw6?-", name) for name in names):
        return "ufw"
    return "Docker" if any(name.startswith("DOCKER") for name in names) and chain.kind == "nat" else chain.tool


def shut(
    chains: Chains, ports: list[dict[str, Any]], families: list[str], interfaces: frozenset[str], own: frozenset[str]
) -> list[Shut]:
    """Return who keeps which of the ports shut for people, or passes them on to somebody else."""
    whole: dict[tuple[str, str], Shut] = {}
    for base in chains.values():
        if base.hook not in HOOKS:
            continue
        names = [key[3] for key in chains if key[:3] == (base.tool, base.family, base.table)]
        wanted = PASSED if base.kind == "nat" else DROP
        found = tuple(
            (
                port["protocol"],
                str(port["first"]) if port["first"] == port["last"] else f"{port['first']}-{port['last']}",
            )
            for port in ports
            if wanted
            in [
                fate(chains, base, Packet(port["protocol"], number, family, interfaces, own))
                for number in {port["first"], port["last"]}
                for family in families
                if base.family in (family, "inet", "netdev")
            ]
        )
        if found:
            # Of IPv4 and IPv6, and of all their chains, one firewall is one fault.
            who = owner(base, names)
            where = f"table {base.family} {base.table}, chain {base.name}"
            one = whole.get((who, wanted), Shut(who, where, wanted, ()))
            whole[who, wanted] = Shut(who, one.where, wanted, tuple(dict.fromkeys((*one.ports, *found))))
    return list(whole.values())


def listed(ports: Iterable[tuple[str, str]]) -> str:
    """Return ports for people to read."""
    pairs = list(ports)
    of = {protocol: [port for kind, port in pairs if kind == protocol] for protocol in ("tcp", "udp")}
    return " and ".join(f"{protocol.upper()} {', '.join(numbers)}" for protocol, numbers in of.items() if numbers)


def opening(one: Shut) -> str:
    """Return how its operator opens the ports in a firewall."""
    of = {protocol: [port for kind, port in one.ports if kind == protocol] for protocol in ("tcp", "udp")}
    of = {protocol: numbers for protocol, numbers in of.items() if numbers}
    if one.owner == "ufw":
        return " && ".join(
            f"ufw allow {','.join(numbers).replace('-', ':')}/{protocol}" for protocol, numbers in of.items()
        )
    if one.owner == "firewalld":
        options = " ".join(f"--add-port={port}/{protocol}" for protocol, numbers in of.items() for port in numbers)
        return f"firewall-cmd --permanent {options} && firewall-cmd --reload"
    if one.owner == "nftables":
        rules = "; ".join(f"{protocol} dport {{ {', '.join(numbers)} }} accept" for protocol, numbers in of.items())
        return f"in that chain, before what drops (mostly in /etc/nftables.conf): {rules}"
    return " && ".join(
        f"{program} -I INPUT -p {protocol} -m multiport --dports {','.join(numbers).replace('-', ':')} -j ACCEPT"
        for program in ("iptables", "ip6tables")
        for protocol, numbers in of.items()
    )


def instead(one: Shut) -> str:
    """Return how the firewall is switched off, so that the service's own takes its place; empty if nobody knows."""
    return {
        "ufw": "ufw disable",
        "firewalld": "systemctl disable --now firewalld",
        # (Which takes all rules away, ours as well.)
        "nftables": "systemctl disable --now nftables; then run site.yml"
        if Path("/etc/nftables.conf").exists()
        else "",
    }.get(one.owner, "")
