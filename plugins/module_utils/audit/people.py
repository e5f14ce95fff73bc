# SPDX-License-Identifier: GPL-3.0-or-later
"""The names and addresses that are searched, and the addresses that belong to no person."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.finders import (
    Finder,
    address_finder,
    name_finder,
    needle_finder,
    network_finder,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.forms import is_address
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import WARN, Row, row

START = "Start it (systemctl start ejabberd), and run this again."


def people() -> tuple[dict[str, list[str]], list[str]]:
    """Return domain to accounts, and the addresses of connected clients; raises ApiError."""
    ejabberd = Api(SOCKET)
    accounts = {host: ejabberd.call("registered_users", host=host) for host in ejabberd.call("registered_vhosts")}
    addresses = {session["ip"] for session in ejabberd.call("connected_users_info")}
    plain = {address.removeprefix("::ffff:") if "." in address else address for address in addresses}
    return accounts, sorted(address for address in plain if is_address(address))


def own_addresses() -> set[str]:
    """Return this host's addresses with those of its networks that are nobody's, its routers and its name servers."""
    links = json.loads(subprocess.run(["ip", "-json", "address"], capture_output=True, check=True).stdout)
    found: set[str] = set()
    for one in (one for link in links for one in link.get("addr_info", []) if one):
        interface = ipaddress.ip_interface(f"{one['local']}/{one['prefixlen']}")
        found |= {str(interface.ip), str(interface.network.network_address), str(interface.network.broadcast_address)}
    for family in ("-4", "-6"):
        routes = subprocess.run(["ip", "-json", family, "route"], capture_output=True, check=True).stdout
        found |= {route["gateway"] for route in json.loads(routes or "[]") if "gateway" in route}
    resolvers = Path("/etc/resolv.conf")
    if resolvers.exists():
        found |= set(re.findall(r"^nameserver\s+(\S+)", resolvers.read_text(encoding="utf-8"), re.MULTILINE))
    return {address for address in found if is_address(address)}


def finders_of(
    domains: Iterable[str], known_addresses: Iterable[str], notes: list[Row]
) -> tuple[list[Finder], list[Finder]]:
    """Return what finds people anywhere, and what else where services write; notes what ejabberd cannot be asked."""
    accounts: dict[str, list[str]] = {}
    clients: list[str] = []
    try:
        accounts, clients = people()
    except ApiError as error:
        notes.append(
            row(
                "accounts",
                WARN,
                f"ejabberd's accounts and connected clients cannot be read ({error}).",
                f"Names are found with their domain only. {START}",
            )
        )
    finders = [name_finder([*domains, *accounts], accounts)]
    nobodys = {*own_addresses(), *known_addresses}
    # Who comes by way of the router, from the same house, has its address.
    clients = [address for address in clients if address not in nobodys]
    if exact := [address for address in clients if ":" not in address]:
        finders.append(needle_finder(exact, "client"))
    # Of an IPv6 address ejabberd is told the /64 only.
    if lines := [f"{address}/64" for address in clients if ":" in address]:
        finders.append(network_finder(lines, nobodys))
    return finders, [address_finder(nobodys)]
