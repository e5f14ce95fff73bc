# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports other firewalls of the host block: rules with sets and maps, and a host without nft."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import host, nftables

from .firewall_rules import ACCEPT, IIFNAME, L4, match, port, shut


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
