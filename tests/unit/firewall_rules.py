# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of firewalls in the formats of their programs, for the tests of what they block."""

from __future__ import annotations

from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import closed_ports, nftables

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
