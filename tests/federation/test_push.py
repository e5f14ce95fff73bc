# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones of alpha.test are woken up (XEP-0357) whatever other servers alpha talks to; who does it gets nothing else.

A client at gamma.test, another server, takes the place of an app's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase
from testinfra.host import Host

from ..kit import rooms
from ..kit.clients import Client, Inbox, fresh_text, login
from ..kit.service import Account, Service
from .between import Register, condition, deploy, part, refusal

pytestmark = pytest.mark.timeout(600)

PUBSUB = "http://jabber.org/protocol/pubsub"
NOTIFICATION = f".//{{{PUBSUB}}}publish/{{{PUBSUB}}}item/{{urn:xmpp:push:0}}notification"
MESSAGE = "New message"  # whatever it says
PUSH_SECONDS = 20  # a new connection to another server may be among them


class AppServer:
    """What an app's maker runs: it takes notifications, and does no more than that."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.notified = Inbox()
        path = f"{{jabber:client}}iq/{{{PUBSUB}}}pubsub"
        client.register_handler(Callback("notifications", MatchXPath(path), self._take))

    def _take(self, iq: StanzaBase) -> None:
        self.notified.put(iq)
        self.client.send_raw(f"<iq type='result' id='{iq['id']}' to='{iq['from']}'/>")

    async def wakes(self, node: str, body: str | None = None) -> ET.Element:
        """The next notification for a device, which says that there is something, and nothing else.

        A message has a *body*, always the same one; a call has none, nor has what else wakes up a phone.
        """
        said = ".//{jabber:x:data}field[@var='last-message-body']/{jabber:x:data}value"

        def is_for(stanza: ET.Element) -> bool:
            named = any(one.get("node") == node for one in stanza.iter(f"{{{PUBSUB}}}publish"))
            return named and stanza.findtext(said) == body

        stanza = await self.notified.get(is_for, PUSH_SECONDS)
        assert stanza.find(NOTIFICATION) is not None, ET.tostring(stanza)
        assert stanza.get("from") == "alpha.test"
        return stanza


@pytest.fixture(scope="module")
def opened_after(alpha: Service, beta: Service) -> Iterator[None]:
    """After the last of these tests, alpha talks to everybody again."""
    yield
    deploy(alpha, "--tags=firewall,ejabberd")
    part(alpha, beta)


@pytest.fixture(
    scope="module",
    params=[
        {"xmpp_federation": "off"},
        {"xmpp_federation": "allowlist", "xmpp_federation_allow": ["delta.test"]},
    ],
    ids=["off", "allowlist"],
)
def closed(request: pytest.FixtureRequest, alpha: Service, beta: Service, opened_after: None) -> None:
    """Alpha talks to none of the others, and gamma.test wakes up phones."""
    settings: dict[str, Any] = request.param | {"xmpp_push_servers": ["gamma.test"]}
    deploy(alpha, "--tags=firewall,ejabberd", settings=settings)
    part(alpha, beta)


@contextlib.asynccontextmanager
async def app_server(gamma: Service, register: Register) -> AsyncIterator[AppServer]:
    async with login(gamma, register(gamma)) as client:
        await client.online()
        yield AppServer(client)


@contextlib.asynccontextmanager
async def phone(alpha: Service, account: Account, server: AppServer) -> AsyncIterator[tuple[Client, str]]:
    """A client that is to be woken up, and what its device is called there."""
    node = f"device-{secrets.token_hex(6)}"
    async with login(alpha, account, plugins=("xep_0198",)) as client:
        await client.online()
        jid = server.client.boundjid.full
        await client.query("set", f"<enable xmlns='urn:xmpp:push:0' jid='{jid}' node='{node}'/>")
        yield client, node


def call(to: str) -> str:
    """Says that somebody calls (XEP-0353)."""
    description = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
    propose = f"<propose xmlns='urn:xmpp:jingle-message:0' id='{secrets.token_hex(6)}'>{description}</propose>"
    return f"<message to='{to}' type='chat'>{propose}<store xmlns='urn:xmpp:hints'/></message>"


@pytest.mark.usefixtures("closed")
async def test_sleeping_phone_is_woken_up(alpha: Service, gamma: Service, register: Register) -> None:
    """For a message, a call and what is said in a room; without a session to take up again, for the first two."""
    alice, bob = register(alpha), register(alpha)
    async with app_server(gamma, register) as server, login(alpha, bob) as friend:
        await friend.online()
        async with rooms.made_room(friend, **rooms.PUBLIC) as room:
            async with phone(alpha, alice, server) as (client, node):
                assert (await rooms.enter(client, room, "alice")).get("type") is None
                client.abort()
                friend.say(alice.jid, fresh_text())
                await server.wakes(node, MESSAGE)
                friend.say(room, f"alice: {fresh_text()}", kind="groupchat")
                await server.wakes(node, MESSAGE)
                server.notified = Inbox()  # what has come for presence is not for the call
                friend.send_raw(call(alice.jid))
                await server.wakes(node)
                await client.start()
            # Now it has logged out.
            friend.say(alice.jid, fresh_text())
            assert b"alice" not in ET.tostring(await server.wakes(node, MESSAGE))
            server.notified = Inbox()
            friend.send_raw(call(alice.jid))
            await server.wakes(node)


@pytest.mark.usefixtures("closed")
async def test_phone_is_woken_up_after_a_restart(alpha: Service, gamma: Service, register: Register) -> None:
    """Once at once, so that it can be called in and enters its rooms again; and then for each message."""
    alice, bob = register(alpha), register(alpha)
    async with app_server(gamma, register) as server:
        async with phone(alpha, alice, server) as (client, node):
            client.abort()
            await asyncio.to_thread(alpha.restart)
        await server.wakes(node)
        async with login(alpha, bob) as friend:
            friend.say(alice.jid, fresh_text())
            await server.wakes(node, MESSAGE)
            server.notified = Inbox()
            friend.send_raw(call(alice.jid))
            await server.wakes(node)


@pytest.mark.usefixtures("closed")
async def test_who_wakes_phones_up_gets_nothing_else(
    alpha: Service, beta: Service, gamma: Service, register: Register
) -> None:
    """Neither do others get anything at all; nor does anything come from one of them."""
    alice, carol, bob = register(alpha), register(alpha), register(beta)
    texts = [fresh_text() for _ in range(3)]
    async with (
        app_server(gamma, register) as server,
        phone(alpha, alice, server) as (client, node),
        login(alpha, carol) as friend,
        login(beta, bob) as other,
    ):
        await friend.online()
        await other.online()
        address = server.client.boundjid.bare
        # An app may ask what it is, and make itself known.
        assert "http://jabber.org/protocol/disco#info" in await client.announced("gamma.test")
        command = "<command xmlns='http://jabber.org/protocol/commands' node='register' action='execute'/>"
        with pytest.raises(IqError) as unknown:
            await client.query("set", command, to=server.client.boundjid.full)
        assert unknown.value.condition != "forbidden"
        # That is all.
        assert await refusal(client, address) == "forbidden"
        client.send_presence_subscription(pto=address, ptype="subscribe")
        refused = await client.presences.get(lambda stanza: stanza.get("type") == "error")
        assert condition(refused) == "forbidden"
        for payload in ("<vCard xmlns='vcard-temp'/>", f"<pubsub xmlns='{PUBSUB}'><items node='x'/></pubsub>"):
            with pytest.raises(IqError) as shut:
                await client.query("get", payload, to=address)
            assert shut.value.condition == "forbidden"
        # Others are not even told why; whether their people are is up to their server.
        other.say(alice.jid, texts[1])
        assert await refusal(client, bob.jid) == "forbidden"
        assert await refusal(client, f"somebody@sub.{gamma.domain}") == "forbidden"
        server.client.say(alice.jid, texts[0])
        server.client.send_presence_subscription(pto=alice.jid, ptype="subscribe")
        client.abort()
        friend.say(alice.jid, texts[2])
        await server.wakes(node, MESSAGE)
        # What was sent before on the same way would be there by now.
        assert not [
            one for one in server.client.messages.all(lambda _: True) if one.get("from", "").endswith("alpha.test")
        ]
        assert not server.client.presences.all(lambda one: (one.get("from") or "").startswith(alice.jid))
        await client.start()
        await client.hear(texts[2])
        assert not {texts[0], texts[1]} & set(await client.archive())
        assert not client.presences.all(lambda one: one.get("type") == "subscribe")


@pytest.mark.usefixtures("closed")
async def test_phone_stays_registered_while_there_is_no_name_server(
    alpha: Service, beta: Service, gamma: Service, names: Host, register: Register
) -> None:
    alice, bob = register(alpha), register(alpha)
    async with app_server(gamma, register) as server, login(alpha, bob) as friend:
        async with phone(alpha, alice, server) as (_, node):
            pass
        try:
            names.check_output("systemctl stop knot")
            await asyncio.to_thread(part, alpha, beta)
            friend.say(alice.jid, fresh_text())
            # This waits for the same connection, behind the notification, and comes back when that has.
            with pytest.raises(IqError) as lost:
                await friend.announced("gamma.test")
            assert lost.value.condition == "remote-server-not-found"
        finally:
            names.check_output("systemctl start knot")
        deadline = asyncio.get_running_loop().time() + 3 * PUSH_SECONDS
        while not server.notified.all(lambda stanza: node in ET.tostring(stanza, encoding="unicode")):
            assert asyncio.get_running_loop().time() < deadline, "no notification came once there were names again"
            friend.say(alice.jid, fresh_text())
            await asyncio.sleep(1)
