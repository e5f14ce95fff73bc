# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports other firewalls of the host block."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import closed_ports, iptables

from .firewall_rules import ACCEPT, DROP, IIFNAME, OWN, REJECT, SADDR, STATE, UFW, match, nft, port, shut


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
