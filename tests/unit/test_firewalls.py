# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewalls of others let in is read as the kernel reads it, for somebody whom nobody knows."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import closed_ports, host, iptables, nftables

# What ufw makes of: allow 22,80/tcp, allow from 10.0.0.5, limit 5222/tcp, deny 5269/tcp, allow 49152:65535/udp.
UFW = """
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-after-input - [0:0]
:ufw-before-input - [0:0]
:ufw-logging-deny - [0:0]
:ufw-not-local - [0:0]
:ufw-skip-to-policy-input - [0:0]
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A ufw-after-input -p tcp -m tcp --dport 445 -j ufw-skip-to-policy-input
-A ufw-after-input -m addrtype --dst-type BROADCAST -j ufw-skip-to-policy-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-skip-to-policy-input -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-user-input -p tcp -m tcp --dport 80 -m comment --comment "the web - http" -j ACCEPT
-A ufw-user-input -s 10.0.0.5/32 -j ACCEPT
-A ufw-user-input -p tcp -m tcp --dport 5222 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --rsource
-A ufw-user-input -p tcp -m tcp --dport 5222 -m recent --update --seconds 30 -j ufw-user-limit
-A ufw-user-input -p tcp -m tcp --dport 5222 -j ufw-user-limit-accept
-A ufw-user-input -p udp -m multiport --dports 1000,49152:65535 -j ACCEPT
-A ufw-user-input -p tcp -m tcp --dport 5269 -j DROP
-A ufw-user-limit -j REJECT --reject-with icmp-port-unreachable
-A ufw-user-limit-accept -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 172.17.0.2:443
COMMIT
"""


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    """Return a match in nft's words."""
    return {"match": {"op": op, "left": left, "right": right}}


def port(protocol: str = "tcp") -> dict[str, Any]:
    """Return the port a packet goes to in nft's words."""
    return {"payload": {"protocol": protocol, "field": "dport"}}


ACCEPT, DROP, REJECT = {"accept": None}, {"drop": None}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
STATE, IIFNAME, L4 = {"ct": {"key": "state"}}, {"meta": {"key": "iifname"}}, {"meta": {"key": "l4proto"}}
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
# /etc/nftables.conf of somebody, as nft --json lists it.
OWN: list[list[dict[str, Any]]] = [
    [{"vmap": {"key": STATE, "data": {"set": [["invalid", DROP], ["established", ACCEPT], ["related", ACCEPT]]}}}],
    [match({"meta": {"key": "iif"}}, "lo"), ACCEPT],
    [match(IIFNAME, {"set": ["lo", "wg0"]}), ACCEPT],
    [match(L4, {"set": ["icmp", "ipv6-icmp"]}), ACCEPT],
    [match(port(), "@open"), {"counter": {"packets": 0, "bytes": 0}}, ACCEPT],
    [match(port(), {"set": [22, {"range": [5222, 5223]}]}), ACCEPT],
    [match(SADDR, "@lan"), match(port(), 5269), ACCEPT],
    [match(SADDR, {"prefix": {"addr": "10.0.0.0", "len": 8}}), ACCEPT],
    [match(L4, {"set": ["tcp", "udp"]}), match(port("th"), 3478), ACCEPT],
    [{"vmap": {"key": port(), "data": {"set": [[5270, ACCEPT], [7777, {"jump": {"target": "more"}}]]}}}],
    [match(STATE, "new", "in"), {"limit": {"rate": 10, "per": "second", "inv": True}}, DROP],
    [match({"fib": {"result": "type", "flags": ["daddr"]}}, "broadcast"), DROP],
    [match(port("udp"), {"range": [49152, 65535]}), match({"meta": {"key": "pkttype"}}, "host"), ACCEPT],
    [match(port(), 8080), match(SADDR, "192.0.2.1", "!="), ACCEPT],
    [match({"payload": {"protocol": "ip6", "field": "daddr"}}, {"prefix": {"addr": "fe80::", "len": 64}}), ACCEPT],
    [REJECT],
]


def nft(rules: list[list[dict[str, Any]]], policy: str = "drop", name: str = "filter", hook: str = "input") -> Any:
    """Return chains of nftables: one with these rules at a hook, and one that lets new connections in."""
    base = {"family": "inet", "table": name}
    listing = [
        {"metainfo": {"version": "1.1.3"}},
        {"chain": {**base, "name": "input", "type": "filter", "hook": hook, "prio": 0, "policy": policy}},
        {"chain": {**base, "name": "more"}},
        *({"rule": {**base, "chain": "input", "expr": rule}} for rule in rules),
        {"rule": {**base, "chain": "more", "expr": [match(STATE, "new", "in"), ACCEPT]}},
    ]
    return nftables.from_nft({"nftables": listing}, {("inet", "filter", "open"): ["80", "443"]})


def shut(chains: Any, *ports: str, families: tuple[str, ...] = ("ip", "ip6")) -> list[Any]:
    """Return who keeps which of the ports (tcp/80, udp/1-9) shut."""
    wanted = []
    for one in ports:
        protocol, _, numbers = one.partition("/")
        first, _, last = numbers.partition("-")
        wanted.append({"protocol": protocol, "first": int(first), "last": int(last or first)})
    return list(closed_ports.shut(chains, wanted, list(families), frozenset({"eth0"}), frozenset({"192.0.2.9"})))


@pytest.mark.parametrize("tool", ["iptables", "iptables-legacy"])
def test_ufw_is_read_and_named(tool: str) -> None:
    chains = iptables.from_iptables(UFW, "ip", tool)
    ports = ("tcp/22", "tcp/80", "tcp/443", "tcp/5222", "tcp/5269", "udp/3478", "udp/49152-65535", "udp/445")
    found = {(one.owner, one.verdict): one for one in shut(chains, *ports)}
    closed = found["ufw", "drop"]
    assert closed.ports == (("tcp", "443"), ("tcp", "5269"), ("udp", "3478"), ("udp", "445"))
    assert closed.where == "table ip filter, chain INPUT"
    assert closed_ports.opening(closed) == "ufw allow 443,5269/tcp && ufw allow 3478,445/udp"
    assert closed_ports.instead(closed) == "ufw disable"
    assert found["Docker", "passed on"].ports == (("tcp", "443"),)


def test_ufw_says_nothing_of_the_other_kind_of_addresses() -> None:
    assert shut(iptables.from_iptables(UFW, "ip6", "iptables"), "tcp/5269", families=("ip",)) == []


@pytest.mark.parametrize(
    ("one", "closed"),
    [
        ("tcp/22", False),
        ("tcp/80", False),  # in a named set
        ("tcp/5223", False),
        ("tcp/5269", False),  # for some people, by its number
        ("tcp/5270", False),  # by a map of verdicts
        ("tcp/7777", False),  # by a jump out of one
        ("tcp/8080", False),  # for all but one
        ("tcp/3478", False),
        ("udp/3478", False),
        ("udp/49152-65535", False),
        ("udp/49000-65535", True),  # only a part of it
        ("tcp/5349", True),
        ("udp/80", True),
    ],
)
@pytest.mark.parametrize("policy", ["drop", "accept"])
def test_rules_of_nftables_are_read(one: str, closed: bool, policy: str) -> None:
    found = shut(nft(OWN, policy), one, families=("ip",))
    assert bool(found) is closed
    if found:
        assert (found[0].owner, found[0].where) == ("nftables", "table inet filter, chain input")


def test_what_is_open_by_ipv4_alone_is_shut() -> None:
    assert shut(nft(OWN), "tcp/5269", families=("ip6",))
    assert not shut(nft(OWN), "tcp/5270", families=("ip6",))


@pytest.mark.parametrize("hook", ["input", "prerouting", "ingress"])
def test_every_place_where_packets_come_in_is_looked_at(hook: str) -> None:
    assert shut(nft([[match(port(), 80), ACCEPT]], hook=hook), "tcp/443")
    assert not shut(nft([[match(port(), 80), ACCEPT]], hook=hook), "tcp/80")


@pytest.mark.parametrize("hook", ["forward", "output", "postrouting"])
def test_what_does_not_come_in_is_not_looked_at(hook: str) -> None:
    """Docker sets the policy of what is passed on to drop."""
    assert not shut(nft([], hook=hook), "tcp/443")


def test_firewalld_is_read_and_named() -> None:
    rules = [
        [match(STATE, {"set": ["established", "related"]}, "in"), ACCEPT],
        [match({"ct": {"key": "status"}}, "dnat", "in"), ACCEPT],
        [match(port(), 22), ACCEPT],
        [REJECT],
    ]
    (found,) = shut(nft(rules, policy="accept", name="firewalld"), "tcp/22", "tcp/5222", "udp/49152-65535")
    assert closed_ports.opening(found) == (
        "firewall-cmd --permanent --add-port=5222/tcp --add-port=49152-65535/udp && firewall-cmd --reload"
    )
    assert closed_ports.instead(found) == "systemctl disable --now firewalld"


@pytest.mark.parametrize(
    "rule",
    [
        [match(STATE, "new", "in"), {"limit": {"rate": 10, "per": "second"}}, ACCEPT],
        [match(SADDR, "@blocked", "!="), ACCEPT],
        [match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), ACCEPT],
        [match(IIFNAME, "eth*"), ACCEPT],
        [match({"payload": {"protocol": "ip", "field": "daddr"}}, "192.0.2.9"), ACCEPT],
        [match({"meta": {"key": "nfproto"}}, "ipv4"), ACCEPT],
    ],
)
def test_rule_that_lets_anybody_in_opens_every_port(rule: list[dict[str, Any]]) -> None:
    assert not shut(nft([rule]), "tcp/443", families=("ip",))


@pytest.mark.parametrize(
    "rule",
    [
        [match(SADDR, "@blocked"), DROP],
        [match(port(), 443), {"set": {"op": "add", "elem": SADDR, "set": "@per_source"}}, DROP],
        [match(IIFNAME, "wg0"), DROP],
        [match(IIFNAME, "eth0", "!="), DROP],
        [match(port(), 443, "!="), DROP],
    ],
)
def test_rule_against_some_people_shuts_no_port(rule: list[dict[str, Any]]) -> None:
    """fail2ban and the like."""
    assert not shut(nft([rule], policy="accept"), "tcp/443", families=("ip",))


def test_our_own_table_is_no_neighbour() -> None:
    chains = {"family": "inet", "table": "xmpp", "name": "input", "hook": "input", "policy": "drop", "type": "filter"}
    assert nftables.from_nft({"nftables": [{"chain": chains}]}) == {}


TOGETHER = {"concat": [L4, port("th")]}
RELAY = {"concat": ["udp", {"range": [49152, 65535]}]}
NAMED: dict[tuple[str, str, str], list[Any]] = {
    ("inet", "f", "ports"): [[443, ACCEPT], [{"elem": {"val": {"range": [5222, 5223]}, "comment": "chat"}}, ACCEPT]],
    ("inet", "f", "both"): [{"concat": ["tcp", 443]}, {"elem": {"val": RELAY, "comment": "calls"}}],
    ("inet", "f", "away"): [[8080, "10.0.0.2"]],
}


def ruleset(rule: list[dict[str, Any]], kind: str = "filter", policy: str = "drop") -> Any:
    """Return chains of one rule, in a table with named sets and maps."""
    base = {"family": "inet", "table": "f"}
    hook = {"hook": "input" if kind == "filter" else "prerouting", "policy": policy, "type": kind}
    rules = [{"chain": {**base, "name": "c", **hook}}, {"rule": {**base, "chain": "c", "expr": rule}}]
    return nftables.from_nft({"nftables": rules}, NAMED)


@pytest.mark.parametrize(
    ("rule", "opened"),
    [
        ([{"vmap": {"key": port(), "data": "@ports"}}], ["tcp/443", "tcp/5223"]),
        ([match(TOGETHER, "@both"), ACCEPT], ["tcp/443", "udp/49152-65535"]),
        ([match(TOGETHER, {"set": [{"concat": ["tcp", 443]}, RELAY]}), ACCEPT], ["tcp/443", "udp/49152-65535"]),
        ([match({"concat": [IIFNAME, port()]}, {"concat": ["eth0", 443]}), ACCEPT], ["tcp/443"]),
        ([{"vmap": {"key": TOGETHER, "data": {"set": [[RELAY, ACCEPT]]}}}], ["udp/49152-65535"]),
        ([match({"concat": [IIFNAME, port()]}, {"concat": ["wg0", 443]}), ACCEPT], []),
        ([{"vmap": {"key": port(), "data": "@unknown"}}], []),
    ],
)
def test_ports_that_are_opened_by_maps_or_together_with_something_are_open(
    rule: list[dict[str, Any]], opened: list[str]
) -> None:
    ports = ("tcp/443", "tcp/5223", "tcp/80", "udp/443", "udp/49152-65535")
    assert [one for one in ports if not shut(ruleset(rule), one)] == opened


@pytest.mark.parametrize("data", ["@away", {"set": [[8080, "10.0.0.2"]]}, {"set": [[8080, {"concat": ["::1", 80]}]]}])
def test_only_what_is_in_the_map_is_passed_on(data: Any) -> None:
    rule = [{"dnat": {"family": "ip", "addr": {"map": {"key": port(), "data": data}}}}]
    chains = ruleset(rule, "nat", "accept")
    assert [one.verdict for one in shut(chains, "tcp/8080")] == ["passed on"]
    assert not shut(chains, "tcp/443", "udp/8080")
    assert [one.verdict for one in shut(ruleset([{"redirect": None}], "nat", "accept"), "tcp/443")] == ["passed on"]


def test_firewall_is_read_where_nft_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's firewalld needs the library alone."""
    base = {"family": "inet", "table": "firewalld", "name": "filter_INPUT"}
    hook = {"hook": "input", "policy": "drop", "type": "filter"}
    asked = []

    class Nftables:
        """The library."""

        def set_json_output(self, wanted: bool) -> None:
            assert wanted

        def set_terse_output(self, wanted: bool) -> None:
            assert wanted

        def cmd(self, command: str) -> tuple[int, str, str]:
            asked.append(command)
            return 0, json.dumps({"nftables": [{"chain": base | hook}]}), ""

    monkeypatch.setattr(host, "NFT", str(tmp_path / "nft"))
    monkeypatch.setattr(host, "output", lambda *_: "")
    monkeypatch.setitem(sys.modules, "nftables", types.SimpleNamespace(Nftables=Nftables))
    (found,) = shut(host.read(), "tcp/5222")
    assert (found.owner, asked) == ("firewalld", ["list ruleset"])
    monkeypatch.setitem(sys.modules, "nftables", None)
    assert host.read() == {}
