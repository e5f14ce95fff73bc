# SPDX-License-Identifier: GPL-3.0-or-later
"""Run all checks of the service from the controller, in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, WARN, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check import (
    calls,
    certificates,
    ports,
    session,
    ways_in,
    web,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import judged
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.ways_in import Seen

CLIENTS = ("port 5222", "port 5223", "clients on port 443")
SERVERS = ("port 5269", "port 5270", "servers on port 443")


async def examine(service: Service, now: float) -> list[Row]:
    """Return the rows."""
    knocked = await ports.knock(service)
    if not service.open:
        return knocked
    # One cause is told in one row.
    if owner := ports.shut_by(service):
        return [row("service", WARN, f"skipped: {owner} on the host blocks its ports", "Fix that first.")]
    ways: list[Awaitable[Seen]] = []
    for one in service.settings["domains"]:
        ways += [
            ways_in.stream(service, one, 5222, server=False, direct=False),
            ways_in.stream(service, one, 5223, server=False, direct=True),
        ]
        if service.settings["federation"]:
            ways += [
                ways_in.stream(service, one, 5269, server=True, direct=False),
                ways_in.stream(service, one, 5270, server=True, direct=True),
            ]
        if service.single:
            ways.append(ways_in.stream(service, one, service.port, server=False, direct=True, way=CLIENTS[-1]))
            if service.settings["federation"]:
                ways.append(ways_in.stream(service, one, service.port, server=True, direct=True, way=SERVERS[-1]))
        ways += [ways_in.tls(service, name, one["domain"], service.port) for name in (one["host"], one["upload"])]
    if service.settings["turn_domain"]:
        relay, main = service.settings["turn_domain"], service.main["domain"]
        ways += [
            ways_in.tls(service, relay, main, port) for port in (5349, *([service.port] if service.single else []))
        ]
    sites = [
        judged("web site", web.site(service)),
        judged("WebSocket and BOSH", web.links(service)),
        judged("provider file", web.provider(service)),
    ]
    if service.settings["turn_domain"]:
        sites.append(judged("STUN", calls.stun(service)))
    seen, rows, used = await asyncio.gather(asyncio.gather(*ways), asyncio.gather(*sites), session.user(service))
    result = list(knocked)
    for one in service.settings["domains"]:
        domain = one["domain"]
        of = [way for way in seen if way.domain == domain]
        result.append(certificates.judge(service, domain, of, now))
        fix = "On the host: systemctl status ejabberd; then run site.yml --tags ejabberd."
        for subject, names in (("clients", CLIENTS), ("servers", SERVERS)):
            if ways_of := [way for way in of if way.way in names]:
                result.append(ways_in.judge(f"{domain} {subject}", ways_of, fix))
    relay = f"{service.settings['turn_domain']} "
    turns = [way for way in seen if way.way.startswith(relay) and way.trouble]
    result += [row("TURN over TLS", FAIL, way.trouble, "On the host: systemctl status coturn") for way in turns]
    return [*result, *rows, *used]
