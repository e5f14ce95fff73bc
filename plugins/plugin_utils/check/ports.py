# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the TCP ports of the service are open."""

from __future__ import annotations

import asyncio

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.addresses import has_route, is_public
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import CONNECT, reason

# The unit on the host that listens on a port.
UNITS = {
    80: "nginx",
    3478: "coturn",
    5349: "coturn",
    5222: "ejabberd",
    5223: "ejabberd",
    5269: "ejabberd",
    5270: "ejabberd",
    7777: "ejabberd",
}


def needed(service: Service) -> list[int]:
    """Return the TCP ports that must be open."""
    ports = [80, service.port, 5222, 5223, 7777]
    ports += [5269, 5270] if service.settings["federation"] else []
    ports += [3478, 5349] if service.settings["turn_domain"] else []
    return sorted(ports)


async def probe(address: str, port: int) -> str:
    """Return what is wrong with a port, nothing if it opens."""
    try:
        async with asyncio.timeout(CONNECT):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as error:  # TimeoutError is one
        return reason(error)
    writer.close()
    return ""


async def knock(service: Service) -> list[Row]:
    """Try all ports of all addresses; return a row for each address that clients use."""
    names = [service.main["host"], *([service.settings["turn_domain"]] if service.settings["turn_domain"] else [])]
    led = list(dict.fromkeys(address for name in names for address in service.addresses(name)))
    every = list(dict.fromkeys([*led, *service.own]))
    ports = needed(service)
    found = await asyncio.gather(*(probe(address, port) for address in every for port in ports))
    results = iter(found)
    service.open = {address: {port: next(results) for port in ports} for address in every}
    if not led:
        return [row("ports", FAIL, "no address to try", "Fix DNS, or make the host reachable over SSH.")]
    return [judge(service, address) for address in led]


def shut_by(service: Service) -> str:
    """Return which other firewall on the host blocks the closed ports, if any; it has a row of its own."""
    closed = {str(port) for ports in service.open.values() for port, trouble in ports.items() if trouble}
    owners = [one["owner"] for one in service.settings["shut"] if one["protocol"] == "tcp" and one["port"] in closed]
    return str(owners[0]) if owners else ""


def judge(service: Service, address: str) -> Row:
    """Judge the ports of an address."""
    known = any(address in addresses for addresses in service.led.values())
    subject = f"ports of {address}"
    words = "" if known else " (the host's own address; DNS has none)"
    closed = {port: trouble for port, trouble in service.open[address].items() if trouble}
    if not closed:
        return row(subject, PASS, f"all {len(service.open[address])} TCP ports are open{words}")
    if not has_route(address):
        kind = "IPv6" if ":" in address else "IPv4"
        return row(subject, WARN, f"skipped: this machine has no {kind}", f"Run this where there is {kind}.")
    listed = ", ".join(str(port) for port in closed)
    if len(closed) == len(service.open[address]):
        inside = known and is_public(address) and service.own and not any(is_public(one) for one in service.own)
        fix = (
            f"Open TCP {listed} in the router (docs/home-server.md). If this machine is behind the same router, "
            "run this elsewhere: many routers have no NAT loopback."
            if inside
            else "If a row above says that this is not the host, fix DNS. See whether the host runs, and whether "
            "another firewall on it (nft list ruleset; ufw status) or its provider's blocks connections."
        )
        return row(subject, FAIL, f"none of {len(closed)} TCP ports is open{words}", fix)
    units = " ".join(sorted({UNITS.get(port, "nginx") for port in closed}))
    fix = (
        f"On the host: systemctl status {units} xmpp-firewall; if these run, another firewall on it blocks the "
        "ports (nft list ruleset; ufw status), or the provider's or the router's."
    )
    return row(subject, FAIL, f"closed: TCP {listed}{words}", fix)
