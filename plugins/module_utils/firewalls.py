# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports the firewalls of others on this host keep shut for people, as nft and iptables-save list them."""

from __future__ import annotations

import fnmatch
import importlib
import ipaddress
import itertools
import json
import re
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = ("inet", "xmpp")
NFT = "/usr/sbin/nft"
BUILT_IN = {"INPUT": "input", "PREROUTING": "prerouting"}
HOOKS = ("input", "prerouting", "ingress")
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


@dataclass(frozen=True)
class Shut:
    """A firewall, and the ports that it keeps shut or passes on."""

    owner: str
    where: str
    verdict: str
    ports: tuple[tuple[str, str], ...]  # protocol, and a port or a range of them


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


# ---------------------------------------------------------------------- iptables-save
TARGETS = {"ACCEPT": ACCEPT, "DROP": DROP, "REJECT": DROP, "RETURN": RETURN, "DNAT": PASSED, "REDIRECT": PASSED}
# Targets that are no verdict, and no chains either, are those that are in capitals and unknown to the table.
OPTIONS = {
    "-p": "protocol",
    "-i": "interface",
    "-s": "source",
    "-d": "destination",
    "--dport": "port",
    "--dports": "port",
    "--ports": "port",
    "--ctstate": "state",
    "--state": "state",
    "--dst-type": "destination-type",
}
# Matches that say nothing by themselves: what they ask is in their options.
SILENT = ("tcp", "udp", "multiport", "conntrack", "state", "comment", "addrtype")


def from_iptables(text: str, family: str, tool: str) -> Chains:
    """Return the chains in the words of iptables-save."""
    chains: Chains = {}
    table = ""
    names: set[str] = set()
    for line in text.splitlines():
        if line.startswith("*"):
            table, names = line[1:].strip(), set()
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            hook = BUILT_IN.get(name, "")
            names.add(name)
            chains[tool, family, table, name] = Chain(
                family, table, name, hook, TARGETS.get(policy, ACCEPT), "nat" if table == "nat" else "filter", tool
            )
        elif line.startswith("-A "):
            words = shlex.split(line)
            chains[tool, family, table, words[1]].rules.append(iptables_rule(words[2:], names))
    return chains


def iptables_rule(words: list[str], names: set[str]) -> Rule:
    """Return a rule of iptables."""
    conditions = []
    verdict = target = ""
    negated = False
    at = 0
    while at < len(words):
        word, value = words[at], words[at + 1] if at + 1 < len(words) else ""
        if word == "!":
            negated = True
            at += 1
            continue
        if word in ("-j", "-g"):
            if value in TARGETS:
                verdict = TARGETS[value]
            elif value in names:
                verdict, target = (JUMP if word == "-j" else GOTO), value
            break  # what follows are the options of the target
        if word in OPTIONS:
            values = tuple(re.sub(r"\+$", "*", one) for one in value.split(","))
            conditions.append(Condition(OPTIONS[word], values, negated))
        elif word == "--comment":
            pass
        elif word == "-m":
            if value not in SILENT:
                conditions.append(Condition(value))
        elif word in ("--tcp-flags", "--syn"):
            conditions.append(Condition("flags"))
        elif word.startswith("--s"):  # --sport, --src-type …
            conditions.append(Condition("source", (value,), negated))
        negated = False
        at += 1
        while at < len(words) and not words[at].startswith("-") and words[at] != "!":
            at += 1
    return Rule(tuple(conditions), verdict, target)


# ---------------------------------------------------------------------- nft --json
Sets = dict[tuple[str, str, str], list[Any]]  # what is in named sets and maps, by family, table, name


def from_nft(listing: dict[str, Any], sets: Sets | None = None) -> Chains:
    """Return the chains in the words of nft --json list ruleset; *sets* are those with ports."""
    chains: Chains = {}
    entries = [next(iter(entry.items())) for entry in listing.get("nftables", [])]
    for kind, entry in entries:
        if kind == "chain" and (entry["family"], entry["table"]) != OURS:
            chains["nftables", entry["family"], entry["table"], entry["name"]] = Chain(
                entry["family"],
                entry["table"],
                entry["name"],
                entry.get("hook", ""),
                entry.get("policy", ACCEPT),
                entry.get("type", "filter"),
            )
    for kind, entry in entries:
        key = ("nftables", entry.get("family", ""), entry.get("table", ""), entry.get("chain", ""))
        if kind == "rule" and key in chains:
            chains[key].rules += nft_rules(entry["expr"], key[1:3], sets or {})
    return chains


def nft_rules(expressions: list[dict[str, Any]], table: tuple[str, str], sets: Sets) -> list[Rule]:
    """Return a rule of nft as rules of one verdict each."""
    ways: list[tuple[Condition, ...]] = [()]
    rules = []
    for expression in expressions:
        kind, content = next(iter(expression.items()))
        if kind == "match":
            negated = content["op"] == "!="
            ways = both(ways, nft_ways(content["left"], content["right"], table, sets, negated=negated))
        elif kind in (ACCEPT, DROP, RETURN):
            rules += [Rule(way, kind) for way in ways]
        elif kind == "reject":
            rules += [Rule(way, DROP) for way in ways]
        elif kind in ("dnat", "redirect"):
            # Where to is asked of a map: what is not in it stays here.
            maps = [part["map"] for part in (content or {}).values() if isinstance(part, dict) and "map" in part]
            passed = ways
            for one in maps:
                keys = [key for key, _ in members(one["data"], table, sets)]
                passed = both(passed, nft_ways(one["key"], {"set": keys}, table, sets, negated=False))
            rules += [Rule(way, PASSED) for way in passed]
        elif kind == "queue":
            rules += [Rule(way, ACCEPT) for way in ways]
        elif kind in (JUMP, GOTO):
            rules += [Rule(way, kind, content["target"]) for way in ways]
        elif kind == "vmap":
            for value, verdict in members(content["data"], table, sets):
                asked = both(ways, nft_ways(content["key"], value, table, sets, negated=False))
                rules += [
                    Rule((*way, *rule.conditions), rule.verdict, rule.target)
                    for way in asked
                    for rule in nft_rules([verdict], table, sets)
                ]
        elif kind in ("limit", "xt", "ct count", "set", "meter", "quota", "connlimit") and (
            kind != "xt" or content.get("type") == "match"
        ):
            ways = both(ways, [(Condition(kind),)])
    return rules


def both(
    ways: Iterable[tuple[Condition, ...]], further: Iterable[tuple[Condition, ...]]
) -> list[tuple[Condition, ...]]:
    """Return what passes one of *ways* and then one of *further*."""
    return [(*one, *other) for one, other in itertools.product(ways, further)]


def members(data: Any, table: tuple[str, str], sets: Sets) -> list[Any]:
    """Return what is in a set or a map, named or not; nothing if nobody has read it."""
    if isinstance(data, str):
        return sets.get((*table, data.removeprefix("@")), [])
    return list(data["set"]) if "set" in data else [data]


def nft_ways(
    left: Any, right: Any, table: tuple[str, str], sets: Sets, *, negated: bool
) -> list[tuple[Condition, ...]]:
    """Return the ways to pass a match of nft: several where parts are asked for together (tcp . 80, udp . 3478)."""
    parts = left.get("concat") if isinstance(left, dict) else None
    if not parts:
        return [tuple(nft_conditions(left, right, table, sets, negated=negated))]
    known = [one["elem"]["val"] if "elem" in one else one for one in members(right, table, sets)]
    if negated or not known:
        return [(Condition("named set"),)]
    return [
        tuple(
            condition
            for part, value in zip(parts, one["concat"], strict=True)
            for condition in nft_conditions(part, value, table, sets, negated=False)
        )
        for one in known
    ]


def nft_conditions(
    left: Any,
    right: Any,
    table: tuple[str, str],
    sets: Sets,
    *,
    negated: bool,
) -> list[Condition]:
    """Return what a match of nft asks."""
    values = nft_values(right, table, sets)
    kind, content = next(iter(left.items())) if isinstance(left, dict) else ("?", {})
    if kind == "payload" and isinstance(content, dict) and "protocol" in content:
        layer, part = content["protocol"], content["field"]
        if part == "dport":
            # Of one protocol, or (th) of whatever the packet's is.
            own = [Condition("protocol", (layer,))] if layer != "th" else []
            return [*own, Condition("port", values, negated) if values else Condition("named set")]
        if part in ("protocol", "nexthdr"):
            return [Condition("protocol", values, negated)]
        if part == "saddr":
            return [Condition("family", (layer,)), Condition("source", values, negated)]
        if part == "daddr":
            return [Condition("family", (layer,)), Condition("destination", values, negated)]
        return [Condition("protocol", (layer,))] * (layer in ("tcp", "udp", "icmp", "icmpv6")) + [Condition("payload")]
    subject = {
        ("meta", "l4proto"): "protocol",
        ("meta", "nfproto"): "family",
        ("meta", "protocol"): "family",
        ("meta", "iif"): "interface",
        ("meta", "iifname"): "interface",
        ("ct", "state"): "state",
    }.get((kind, content.get("key", "") if isinstance(content, dict) else ""), "")
    if kind == "fib" and "type" in str(content.get("result")):
        subject = "destination-type" if "daddr" in content.get("flags", []) else "source"
    if kind == "ct" and content.get("key") == "status":
        return [Condition("nobody")]  # of connections that are there already, or passed on by somebody
    if isinstance(right, str) and right.startswith("@") and subject != "source":
        return [Condition("named set")]
    return [Condition(subject or kind, values, negated)]


def nft_values(right: Any, table: tuple[str, str], sets: Sets) -> tuple[str, ...]:
    """Return a value of nft, or what is in a set, as words."""
    if isinstance(right, dict):
        if "set" in right:
            return tuple(value for one in right["set"] for value in nft_values(one, table, sets))
        if "range" in right:
            return ("-".join(str(one) for one in right["range"]),)
        if "prefix" in right:
            return (f"{right['prefix']['addr']}/{right['prefix']['len']}",)
        if "elem" in right:
            return nft_values(right["elem"]["val"], table, sets)
        return ()
    if isinstance(right, list):
        return tuple(value for one in right for value in nft_values(one, table, sets))
    if isinstance(right, str) and right.startswith("@"):
        return tuple(value for one in members(right, table, sets) for value in nft_values(one, table, sets))
    return (str(right),)


# ---------------------------------------------------------------------- the host
def output(*command: str) -> str:
    """Return what a program prints; nothing if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def nft(command: str, *, terse: bool = False) -> str:
    """Return what nft lists, in JSON; by its library where the program is missing: firewalld brings that alone."""
    if Path(NFT).exists():
        return output(NFT, *["--terse"] * terse, "--json", *command.split())
    try:
        library = importlib.import_module("nftables").Nftables()
    except (ImportError, OSError):
        return ""
    library.set_json_output(True)
    library.set_terse_output(terse)
    return str(library.cmd(command)[1])


def read() -> Chains:
    """Return the chains of this host, by whatever made them."""
    chains: Chains = {}
    for family, program in (("ip", "iptables"), ("ip6", "ip6tables")):
        chains |= from_iptables(output(f"/usr/sbin/{program}-nft-save"), family, "iptables")
        names = Path(f"/proc/net/{family}_tables_names")
        if names.exists() and names.read_text(encoding="ascii").strip():
            chains |= from_iptables(output(f"/usr/sbin/{program}-legacy-save"), family, "iptables-legacy")
    try:
        # Terse: of a block list with a million addresses nothing is wanted.
        listing = json.loads(nft("list ruleset", terse=True) or "{}")
    except ValueError:
        listing = {}
    known = {(family, table) for tool, family, table, _ in chains if tool == "iptables"}
    listing["nftables"] = [
        entry
        for entry in listing.get("nftables", [])
        if (one := next(iter(entry.values()))) and (one.get("family"), one.get("table")) not in known
    ]
    return chains | from_nft(listing, port_sets(listing))


def port_sets(listing: dict[str, Any]) -> Sets:
    """Return what is in named sets and maps that are asked for ports."""
    found: Sets = {}
    for entry in listing.get("nftables", []):
        kind, one = next(iter(entry.items()))
        asked = one["type"] if isinstance(one.get("type"), list) else [one.get("type")]
        # With addresses in it, it is of somebody, and can be large.
        if kind not in ("set", "map") or "inet_service" not in asked or {"ipv4_addr", "ipv6_addr"} & set(asked):
            continue
        key = (one["family"], one["table"], one["name"])
        if key[:2] != OURS:
            whole = json.loads(nft(f"list {kind} {' '.join(key)}") or "{}").get("nftables", [])
            found[key] = [value for item in whole for value in item.get(kind, {}).get("elem", [])]
    return found


def default_interfaces() -> frozenset[str]:
    """Return the interfaces of the default routes."""
    found = set()
    for path, column, zero in (("/proc/net/route", 1, "00000000"), ("/proc/net/ipv6_route", 0, "0" * 32)):
        lines = Path(path).read_text(encoding="ascii").splitlines() if Path(path).exists() else []
        for words in (line.split() for line in lines):
            prefix = words[7] if column else words[1]
            if words[column] == zero and prefix in ("00000000", "00"):
                found.add(words[0] if column else words[-1])
    return frozenset(found - {"lo"})


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
