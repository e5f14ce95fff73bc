# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers may write, but not flood, and nobody gets through who is on a block list that the operator chose.

Stanzas of people elsewhere are made by ejabberd itself (send_stanza), as its neighbours' would come in.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import Client, login
from ..kit.rooms import PUBLIC, USER, enter, made_room
from ..kit.service import PATIENCE, Account, Register, Service
from ..kit.strangers import befriended, come_in, elsewhere

Publish = Callable[..., Awaitable[None]]

NODE = "muc_bans_sha256"
PUBSUB = "http://jabber.org/protocol/pubsub"
PEOPLE = 60  # reached by one stranger at once
PEOPLE_OF_SERVERS = 600  # reached at once by those of servers with the last two parts of their names in common
MESSAGES = 60  # from one stranger to one person at once
MESSAGES_OF_ALL = 200  # from all strangers to one person at once
WAITING = 500  # messages for somebody who is away, before strangers are refused


def heard(client: Client, body: str) -> bool:
    """Did a message with this text come?"""
    return client.messages.all(lambda stanza: stanza.findtext("{jabber:client}body") == body) != []


def from_whom(client: Client, sender: str) -> list[ET.Element]:
    """What came from this address."""
    return client.messages.all(lambda stanza: stanza.get("from") == sender)


def checksum(text: str) -> str:
    """As block lists write addresses and servers."""
    return hashlib.sha256(text.encode()).hexdigest()


async def test_stranger_may_write_and_ask(service: Service, register: Register) -> None:
    (bob,) = register(1)
    stranger = elsewhere()
    async with login(service, bob) as client:
        await client.online()
        come_in(service, stranger, bob.jid, "may I")
        await client.hear("may I")
        stanza = {"from": stranger, "to": bob.jid, "stanza": "<presence type='subscribe'/>"}
        service.api(("send_stanza", stanza))
        await client.presences.get(lambda presence: presence.get("from") == stranger)


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
async def test_stranger_does_not_flood_and_contact_is_not_limited(service: Service, register: Register) -> None:
    (bob,) = register(1)
    stranger, other, friend = elsewhere(), elsewhere(), elsewhere()
    befriended(service, bob, friend)
    flood = [f"message {number}" for number in range(MESSAGES + 5)]
    async with login(service, bob) as client:
        await client.online()
        come_in(service, stranger, bob.jid, *flood)
        come_in(service, friend, bob.jid, *flood)
        come_in(service, other, bob.jid, "another stranger")
        await client.hear("another stranger")
        for sender, most in ((stranger, MESSAGES + 1), (friend, len(flood))):
            assert MESSAGES <= len(from_whom(client, sender)) <= most, sender


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
async def test_stranger_reaches_few_people_at_once(service: Service, register: Register) -> None:
    """Here, too, where anybody can make an account. Who writes is told."""
    mallory, last, *others = register(PEOPLE + 2)
    async with login(service, mallory) as client, login(service, last) as receiver:
        await client.online()
        await receiver.online()
        for other in others:
            client.say(other.jid, "buy")
        client.say(last.jid, "buy")
        error = await client.messages.get(lambda stanza: stanza.get("type") == "error")
        assert error.get("from") == last.jid
        assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}resource-constraint") is not None
        # Those who were reached are still reached.
        client.say(others[0].jid, "again")
        receiver.say(mallory.jid, "hello")
        await client.hear("hello")
        assert client.messages.all(lambda stanza: stanza.get("type") == "error") == []
        assert not heard(receiver, "buy")


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
async def test_stranger_here_does_not_flood_either(service: Service, register: Register) -> None:
    """Whoever is answered is no longer limited."""
    mallory, bob = register(2)
    async with login(service, mallory) as client, login(service, bob) as receiver:
        await client.online()
        await receiver.online()
        for number in range(MESSAGES + 1):
            client.say(bob.jid, f"message {number}")
        await client.messages.get(lambda stanza: stanza.get("type") == "error")
        receiver.say(mallory.jid, "what is it")
        await client.hear("what is it")
        for number in range(MESSAGES):
            client.say(bob.jid, f"answer {number}")
        await receiver.hear(f"answer {MESSAGES - 1}")


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
async def test_strangers_leave_room_for_contacts_of_who_is_away(service: Service, register: Register) -> None:
    (bob,) = register(1)
    friend = elsewhere()
    befriended(service, bob, friend)
    come_in(service, friend, bob.jid, *(f"message {number}" for number in range(WAITING)))
    come_in(service, elsewhere(), bob.jid, "from a stranger")
    come_in(service, friend, bob.jid, "last of a friend")
    async with login(service, bob) as client:
        await client.online()
        await client.hear("last of a friend")
        assert not heard(client, "from a stranger")
        come_in(service, elsewhere(), bob.jid, "from another")
        await client.hear("from another")


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
async def test_all_strangers_together_do_not_flood_one_person(service: Service, register: Register) -> None:
    (bob,) = register(1)
    friend = elsewhere()
    befriended(service, bob, friend)
    async with login(service, bob) as client:
        await client.online()
        for number in range(5):
            come_in(service, elsewhere(), bob.jid, *([f"flood {number}"] * MESSAGES))
        come_in(service, friend, bob.jid, "last")
        await client.hear("last")
        flood = client.messages.all(lambda stanza: stanza.findtext("{jabber:client}body", "").startswith("flood"))
        assert MESSAGES_OF_ALL <= len(flood) <= MESSAGES_OF_ALL + 2


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
@pytest.mark.timeout(600)
async def test_servers_of_one_name_are_limited_together(service: Service, register: Register) -> None:
    """Whoever has a name and a certificate with a star has any number of servers."""
    *others, last = register(5)
    name = f"{secrets.token_hex(4)}.example"
    words = "<message type='chat'><body>buy</body></message>"
    late = [
        ("send_stanza", {"from": f"late@server-{number}.{name}", "to": last.jid, "stanza": words})
        for number in range(20)
    ]
    async with login(service, last) as client:
        await client.online()
        service.api(
            *(
                ("send_stanza", {"from": f"{number}@server-{number % 20}.{name}", "to": other.jid, "stanza": words})
                for other_number, other in enumerate(others)
                for number in range(other_number * 1000, other_number * 1000 + PEOPLE_OF_SERVERS // len(others) + 5)
            ),
            *late,
        )
        come_in(service, elsewhere(), last.jid, "from another name")
        await client.hear("from another name")
        # One more is let through every five seconds.
        bought = client.messages.all(lambda stanza: stanza.findtext("{jabber:client}body") == "buy")
        assert len(bought) < len(late) / 2


@pytest.mark.attack("spam by strangers: here, elsewhere, by any number of servers, by invitations to rooms")
async def test_invitations_to_rooms_count_for_who_invites(service: Service, register: Register) -> None:
    mallory, alice, *others, last = register(PEOPLE + 3)

    def invite(client: Client, room: str, to: Account, text: str) -> None:
        inside = f"<invite to='{to.jid}'><reason>{text}</reason></invite>"
        client.send_raw(f"<message to='{room}'><x xmlns='{USER[1:-1]}'>{inside}</x></message>")

    def invited(text: str) -> Callable[[ET.Element], bool]:
        return lambda stanza: text in stanza.findtext(f"{USER}x/{USER}invite/{USER}reason", "")

    async with (
        login(service, mallory) as client,
        login(service, alice) as friend,
        login(service, last) as receiver,
        made_room(client, **PUBLIC) as room,
        made_room(friend, **PUBLIC) as another,
    ):
        await receiver.online()
        for other in (*others, last):
            invite(client, room, other, "buy")
        # What the room has said to its owner has gone through it after all of them.
        client.say(room, "done", kind="groupchat")
        await client.hear("done")
        invite(friend, another, last, "come in")
        await receiver.messages.get(invited("come in"))
        assert receiver.messages.all(invited("buy")) == []


async def test_room_that_was_not_entered_is_not_heard(service: Service, register: Register) -> None:
    (bob,) = register(1)
    room = f"room-{secrets.token_hex(4)}@muc.server-{secrets.token_hex(4)}.example"
    words = "<message type='groupchat'><body>buy</body></message>"
    async with login(service, bob) as client:
        await client.online()
        service.api(("send_stanza", {"from": f"{room}/mallory", "to": client.boundjid.full, "stanza": words}))
        come_in(service, elsewhere(), bob.jid, "after it")
        await client.hear("after it")
        assert not heard(client, "buy")


async def test_administrator_reaches_everybody(service: Service, register: Register, admin: Account) -> None:
    *others, last = register(PEOPLE + 2)
    text = secrets.token_hex(8)
    async with login(service, admin) as client, login(service, last) as receiver:
        await receiver.online()
        for other in (*others, last):
            client.say(other.jid, text)
        await receiver.hear(text)


@pytest.fixture
async def publish(service: Service, register: Register) -> AsyncIterator[Publish]:
    """Puts texts on the block list, of which this host itself is the provider here (xmpp_block_lists)."""
    (keeper,) = register(1)
    there = service.name("pubsub")
    async with login(service, keeper) as client:

        async def add(*texts: str) -> None:
            for text in texts:
                item = f"<publish node='{NODE}'><item id='{checksum(text)}'><x xmlns='urn:test'/></item></publish>"
                await client.query("set", f"<pubsub xmlns='{PUBSUB}'>{item}</pubsub>", there)
            service.host.check_output("systemctl reload ejabberd")

        form = (
            "<configure><x xmlns='jabber:x:data' type='submit'>"
            f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
            "<field var='pubsub#max_items'><value>100</value></field></x></configure>"
        )
        await client.query("set", f"<pubsub xmlns='{PUBSUB}'><create node='{NODE}'/>{form}</pubsub>", there)
        yield add
        await client.query("set", f"<pubsub xmlns='{PUBSUB}#owner'><delete node='{NODE}'/></pubsub>", there)
        service.host.check_output("systemctl reload ejabberd")


async def block_list_fetched(service: Service, client: Client, listed: str) -> None:
    """Returns when the list has been fetched: the listed one is no longer heard."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        probe, after = secrets.token_hex(8), secrets.token_hex(8)
        come_in(service, listed, client.boundjid.bare, probe)
        come_in(service, elsewhere(), client.boundjid.bare, after)
        await client.hear(after)
        if not heard(client, probe):
            return
    raise AssertionError(f"the block list was not fetched within {PATIENCE} seconds")


async def test_who_is_on_a_block_list_reaches_nobody(service: Service, register: Register, publish: Publish) -> None:
    alice, bob = register(2)
    spammer, of_spammers, neutral = elsewhere(), elsewhere(), elsewhere()
    friend = elsewhere()
    befriended(service, bob, friend)
    inside = "<x xmlns='http://jabber.org/protocol/muc'/>"
    async with login(service, alice) as owner, login(service, bob) as client, made_room(owner, **PUBLIC) as room:
        await client.online()
        assert (await enter(client, room, "bob")).get("type") is None

        def enters(who: str, nick: str) -> tuple[str, dict[str, str]]:
            stanza = f"<presence>{inside}</presence>"
            return "send_stanza", {"from": f"{who}/app", "to": f"{room}/{nick}", "stanza": stanza}

        # Somebody whom no answer comes back for: the room would take that for a goodbye.
        early = f"user-{secrets.token_hex(4)}@{service.name('proxy')}"
        service.api(enters(early, "early"))
        await client.presences.get(lambda stanza: stanza.get("from") == f"{room}/early")
        await publish(spammer, of_spammers.split("@")[1], friend, early)
        await block_list_fetched(service, client, spammer)
        # A whole server; and what a user decided for themselves counts more.
        come_in(service, of_spammers, bob.jid, "from a server of spammers")
        come_in(service, friend, bob.jid, "from a friend")
        await client.hear("from a friend")
        assert not heard(client, "from a server of spammers")
        # Rooms
        service.api(enters(of_spammers, "late"), enters(neutral, "neutral"))
        await client.presences.get(lambda stanza: stanza.get("from") == f"{room}/neutral")
        assert client.presences.all(lambda stanza: stanza.get("from") == f"{room}/late") == []
        words = "<message type='groupchat'><body>buy</body></message>"
        service.api(("send_stanza", {"from": f"{early}/app", "to": room, "stanza": words}))
        gone = await client.presences.get(
            lambda stanza: stanza.get("from") == f"{room}/early" and stanza.get("type") == "unavailable"
        )
        assert gone.find(f"{USER}x/{USER}status[@code='307']") is not None
        assert not heard(client, "buy")
