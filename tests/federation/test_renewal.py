# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal, as certbot's timer does it some night: everybody shows the new certificate, and nobody is disconnected."""

from __future__ import annotations

import asyncio
import contextlib
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.hotel import EVERYBODY, one_port_alone
from ..kit.service import PATIENCE, Service
from ..kit.turn import credentials_of, relay
from .between import Register, assert_talk, web_name
from .certificates import certificate_at, time_to_renew

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"


def serials(service: Service) -> dict[int, int]:
    """The certificates' numbers, by port."""
    ports = {443: web_name(service), 5223: service.domain, 5270: service.domain, 5349: service.name("turn")}
    return {port: certificate_at(service, name, port).serial_number for port, name in ports.items()}


@pytest.mark.parametrize("domain", ["alpha", "beta"])
async def test_renewal_cuts_nobody_off(
    request: pytest.FixtureRequest, alpha: Service, beta: Service, names: Host, register: Register, domain: str
) -> None:
    """One of the two proves by HTTP that the names are its own; the other by DNS, with nothing but port 443 open."""
    service: Service = request.getfixturevalue(domain)
    alice, bob = register(alpha), register(beta)
    before = serials(service)
    assert len(set(before.values())) == 1
    disconnected: list[object] = []
    async with (
        login(alpha, alice) as one,
        login(beta, bob) as other,
        service.web() as web,
        web.ws_connect(f"wss://{web_name(service)}/ws", protocols=("xmpp",)) as socket,
        relay(service, await credentials_of(one if domain == "alpha" else other), "tls") as call,
    ):
        for client in (one, other):
            client.add_event_handler("disconnected", disconnected.append)
            await client.online()
        by_dns = domain == "beta"
        closed = one_port_alone(service.host, EVERYBODY) if by_dns else contextlib.nullcontext()
        with time_to_renew(service), closed:
            if by_dns:
                knock = names.run(f"timeout 1 bash -c ': </dev/tcp/{service.address}/80'")
                assert knock.rc == 124, "port 80 is not dropped"
            await asyncio.to_thread(service.host.check_output, "systemctl start certbot.service")
        after = serials(service)
        assert len(set(after.values())) == 1
        assert after != before
        await assert_talk(one, other)
        await call.permit("9.9.9.9")
        await socket.send_str(f"<open xmlns='{FRAMING}' to='{service.domain}' version='1.0'/>")
        assert ET.fromstring(await socket.receive_str(timeout=PATIENCE)).tag == f"{{{FRAMING}}}open"
        assert disconnected == []
