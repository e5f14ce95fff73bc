# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in the words of nft --json."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import (
    ACCEPT,
    DROP,
    GOTO,
    JUMP,
    PASSED,
    RETURN,
    Chain,
    Chains,
    Condition,
    Rule,
)

OURS = ("inet", "xmpp")
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
