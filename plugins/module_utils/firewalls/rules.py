# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a firewall, and what becomes of a packet in them, as the kernel judges it."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from dataclasses import dataclass, field

# Whether a rule is about a new connection from anybody: yes, no, or of some people only, as far as can be told.
YES, SOME, NO = 2, 1, 0
# Of connections that are not too many; nobody in particular.
PACES = ("limit", "hashlimit", "connlimit", "ct count", "set", "meter", "quota")
ACCEPT, DROP, RETURN, PASSED, JUMP, GOTO = "accept", "drop", "return", "passed on", "jump", "goto"


@dataclass(frozen=True)
class Packet:
    """The first of a connection, or a datagram, from an address that nobody knows."""

    protocol: str
    port: int
    family: str  # ip or ip6
    interfaces: frozenset[str]  # those of the default routes; empty: any
    own: frozenset[str] = frozenset()  # addresses of this host


@dataclass(frozen=True)
class Condition:
    """What a rule asks: a subject, what may be in it, and whether that is turned round."""

    # protocol, port, interface, state, source, destination, destination-type, family, nobody; others are not known
    subject: str
    values: tuple[str, ...] = ()
    negated: bool = False

    def judge(self, packet: Packet) -> int:
        """Return YES, SOME or NO."""
        found = self.found(packet)
        if found == SOME:
            return SOME
        return (YES if found == NO else NO) if self.negated else found

    def found(self, packet: Packet) -> int:
        """Return it before it is turned round."""
        if self.subject == "source":
            # From anybody else than somebody is from anybody.
            return NO if self.negated else SOME
        if self.subject == "nobody":
            return NO
        if self.subject == "protocol":
            return (
                YES if {packet.protocol, "all", {"tcp": "6", "udp": "17"}[packet.protocol]} & set(self.values) else NO
            )
        if self.subject == "port":
            return YES if any(within(packet.port, value) for value in self.values) else NO
        if self.subject == "interface":
            if not packet.interfaces and self.values != ("lo",):
                return SOME
            return YES if any(fnmatch.fnmatch(one, value) for one in packet.interfaces for value in self.values) else NO
        if self.subject == "state":
            return YES if "new" in [value.lower() for value in self.values] else NO
        if self.subject == "destination-type":
            return YES if "local" in [value.lower() for value in self.values] else NO
        if self.subject == "family":
            return YES if {packet.family, {"ip": "ipv4", "ip6": "ipv6"}[packet.family]} & set(self.values) else NO
        if self.subject == "destination":
            return max((destination(value, packet) for value in self.values), default=NO)
        return SOME


@dataclass(frozen=True)
class Rule:
    """What is asked, and what becomes of a packet that answers it; an empty verdict is none."""

    conditions: tuple[Condition, ...]
    verdict: str
    target: str = ""


@dataclass
class Chain:
    """Rules in their order; one with a hook is where packets come in."""

    family: str
    table: str
    name: str
    hook: str = ""
    policy: str = ACCEPT
    kind: str = "filter"
    tool: str = "nftables"
    rules: list[Rule] = field(default_factory=list)


Chains = dict[tuple[str, str, str, str], Chain]  # tool, family, table, name


def within(port: int, value: str) -> bool:
    """Tell whether a port is the value, or in it if it is a range (a-b or a:b)."""
    match = re.fullmatch(r"(\d+)(?:[-:](\d+))?", value)
    return bool(match) and int(match[1]) <= port <= int(match[2] or match[1]) if match else False


def destination(value: str, packet: Packet) -> int:
    """Judge an address or a network that packets go to."""
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return SOME
    if any(ipaddress.ip_address(own) in network for own in packet.own):
        return YES
    if network.is_multicast or str(network.network_address) == "255.255.255.255":
        return NO
    return SOME


def walk(chains: Chains, chain: Chain, packet: Packet, depth: int = 0) -> tuple[str, bool]:
    """Return what becomes of a packet in a chain, and whether the rule, or a way to it, named its port."""
    for rule in chain.rules:
        judgements = [(one.judge(packet), one.subject) for one in rule.conditions]
        judged = min(judgements, default=(YES, ""))[0]
        if judged == NO or not rule.verdict:
            continue
        named = any(one.subject == "port" and not one.negated for one in rule.conditions)
        verdict = rule.verdict
        if verdict in (JUMP, GOTO):
            target = chains.get((chain.tool, chain.family, chain.table, rule.target))
            # (The kernel lets jumps be nested sixteen times.)
            verdict, further = walk(chains, target, packet, depth + 1) if target and depth < 16 else (RETURN, False)
            named = named or further
            if verdict == RETURN:
                if rule.verdict == GOTO and judged == YES:
                    return RETURN, False
                continue
        if judged == SOME:
            # A port that is opened for some people by its number is as its operator wants it.
            meant = named or all(subject in PACES for judgement, subject in judgements if judgement == SOME)
            if verdict not in (ACCEPT, PASSED) or not meant:
                continue
        return verdict, named
    return RETURN, False


def fate(chains: Chains, base: Chain, packet: Packet) -> str:
    """Return what becomes of a packet at a hook."""
    verdict, _ = walk(chains, base, packet)
    return base.policy if verdict == RETURN else verdict
