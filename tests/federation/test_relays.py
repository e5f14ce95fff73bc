# SPDX-License-Identifier: GPL-3.0-or-later
"""Relays of others (xmpp_relays): apps of alpha.test are told of those that answer, and may use them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Iterator
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, login
from ..kit.erlang import run_in_erlang
from ..kit.service import Service
from ..kit.turn import EXTDISCO, Credentials, credentials_of, external_services, relay, talk
from .between import STATE, Register

OTHER, WEB = "turn.beta.test", "chat.beta.test"
PORTS = {("stun", "udp", "3478"), ("stun", "tcp", "3478"), ("turn", "udp", "3478"), ("turn", "tcp", "3478")} | {
    (kind, "tcp", "5349") for kind in ("stuns", "turns")
}
SECONDS = 20  # three tries of a second each, and what a busy machine takes
EACH = 30  # seconds between two looks
HOURS = 12 * 3600
# It looks now, instead of within half a minute.
_LOOK = "run([Host]) -> gen_server:cast(gen_mod:get_module_proc(list_to_binary(Host), mod_xmpp_relays), look)."


@pytest.fixture(scope="module")
def lent(beta: Service) -> Iterator[str]:
    """beta's relay takes the key that alpha has from it, as well as its own."""
    key = (STATE / "relay").read_text(encoding="ascii").strip()
    line = f"static-auth-secret={key}"
    beta.host.run_expect([0], f"sed -i '$a {line}' /etc/coturn/xmpp.conf && systemctl restart coturn")
    try:
        yield key
    finally:
        beta.host.run_expect([0], f"sed -i '/^{line}$/d' /etc/coturn/xmpp.conf && systemctl restart coturn")


async def offers(client: Client, host: str) -> list[ET.Element]:
    return [entry for entry in await external_services(client) if entry.get("host") == host]


async def become(
    client: Client, host: str, ports: set[tuple[str, str, str]], *, unasked: bool = False
) -> list[ET.Element]:
    """What is offered of a relay, as soon as it is these ports."""
    if not unasked:
        await asyncio.to_thread(run_in_erlang, client.service, _LOOK, client.service.domain)
    async with asyncio.timeout(EACH + SECONDS if unasked else SECONDS):
        while True:
            found = await offers(client, host)
            seen = {(entry.get("type", ""), entry.get("transport", ""), entry.get("port", "")) for entry in found}
            if seen == ports:
                return found
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def app(service: Service, register: Register) -> AsyncIterator[Client]:
    async with login(service, register(service)) as client:
        yield client


def named(key: str, text: str) -> str:
    """What credentials have instead of an account."""
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), text.encode(), "sha256")).decode()[:16]


def credentials(entry: ET.Element) -> Credentials:
    return Credentials(entry.get("username", ""), entry.get("password", ""))


async def test_call_goes_by_the_relay_of_another(alpha: Service, beta: Service, register: Register, lent: str) -> None:
    """By one of them on each side; who runs the other learns no name by which the own one knows the app."""
    async with app(alpha, register) as client:
        found = await become(client, OTHER, PORTS)
        there = next(credentials(entry) for entry in found if entry.get("type") == "turn")
        here = await credentials_of(client)
        order = [entry.get("host") for entry in await external_services(client)]
    assert order[0] == "turn.alpha.test"
    assert here.username.split(":")[1] != there.username.split(":")[1]
    assert there.password != here.password
    # The name is made of the key, the account and the day, so it is another one on the next.
    until, _, name = there.username.partition(":")
    assert HOURS - 60 < int(until) - time.time() <= HOURS
    days = (str(int(time.time()) // 86400 - ago) for ago in (0, 1))  # midnight may have passed meanwhile
    assert name in {named(lent, client.boundjid.bare + day) for day in days}
    async with relay(beta, there) as caller, relay(alpha, here) as called:
        await talk(caller, called)


@pytest.mark.usefixtures("lent")
async def test_relay_that_does_not_answer_is_not_announced(alpha: Service, beta: Service, register: Register) -> None:
    async with app(alpha, register) as client:
        await become(client, OTHER, PORTS)
        beta.host.run_expect([0], "systemctl stop coturn")
        try:
            await become(client, OTHER, set())
            assert await offers(client, "turn.alpha.test")
        finally:
            beta.host.run_expect([0], "systemctl start coturn")
        await become(client, OTHER, PORTS, unasked=True)


async def test_port_that_does_not_answer_is_not_announced(alpha: Service, register: Register) -> None:
    """What has a fixed user name is told to everybody, without a time."""
    ports = {(kind, "tcp", port) for kind, port in (("stun", "80"), ("turn", "80"), ("stuns", "443"), ("turns", "443"))}
    async with app(alpha, register) as client:
        found = await become(client, WEB, ports)
    assert {credentials(entry) for entry in found if entry.get("type") in ("turn", "turns")} == {
        Credentials("friends", "known to all")
    }
    assert {entry.get("expires") for entry in found} == {None}


async def test_one_relay_can_be_asked_for(alpha: Service, register: Register) -> None:
    """XEP-0215, 3.3 and 3.4."""
    async with app(alpha, register) as client:
        asked = f"<credentials xmlns='{EXTDISCO}'><service host='{{}}' type='turn'/></credentials>"
        answer = await client.query("get", asked.format("turn.alpha.test"), to="alpha.test")
        found = list(answer.iter(f"{{{EXTDISCO}}}service"))
        assert {entry.get("host") for entry in found} == {"turn.alpha.test"}
        assert all(entry.get("password") for entry in found)
        of_type = await client.query("get", f"<services xmlns='{EXTDISCO}' type='turns'/>", to="alpha.test")
        assert {entry.get("type") for entry in of_type.iter(f"{{{EXTDISCO}}}service")} == {"turns"}


async def test_strangers_get_no_credentials(alpha: Service, beta: Service, register: Register) -> None:
    async with app(beta, register) as stranger:
        with pytest.raises(IqError) as refused:
            await stranger.query("get", f"<services xmlns='{EXTDISCO}'/>", to="alpha.test")
    assert refused.value.condition == "forbidden"
