# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewalls of this host, read with the programs that made them."""

from __future__ import annotations

import importlib
import json
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.iptables import from_iptables
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.nftables import OURS, Sets, from_nft
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import Chains

NFT = "/usr/sbin/nft"


def output(*command: str) -> str:
    """Return a program's output; an empty string if it is missing or times out."""
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
