# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms: made by users, private or public, and the operator's official ones."""

from __future__ import annotations

import secrets

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, affiliate, fresh_text, login
from ..kit.rooms import OWNER, PRIVATE, PUBLIC, USER, configure, enter, made_room, refusal
from ..kit.service import Register, Service, sql, wait_for


async def test_talk_in_a_room_is_heard_and_archived(service: Service, register: Register) -> None:
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice) as owner, login(service, bob) as guest, made_room(owner, **PUBLIC) as room:
        assert (await enter(guest, room, "guest")).get("type") is None
        owner.say(room, text, kind="groupchat")
        heard = await guest.hear(text)
        assert heard.get("from") == f"{room}/owner"
        assert text in await guest.archive(room)


async def test_new_room_is_archived_without_asking(service: Service, register: Register) -> None:
    """Whoever comes back after a night reads what was said; no owner needs to find the switch."""
    (alice,) = register(1)
    text = fresh_text()
    async with login(service, alice) as owner, made_room(owner) as room:
        assert "urn:xmpp:mam:2" in await owner.announced(room)
        owner.say(room, text, kind="groupchat")
        await owner.hear(text)
        assert text in await owner.archive(room)


async def test_private_room_is_only_for_members(service: Service, register: Register) -> None:
    """As clients make a private group: who is not invited neither enters, nor reads, nor learns that it exists."""
    alice, bob, mallory = register(3)
    text = fresh_text()
    async with (
        login(service, alice) as owner,
        login(service, bob) as member,
        login(service, mallory) as stranger,
        made_room(owner, **PRIVATE) as room,
    ):
        await affiliate(owner, room, bob.jid, "member")
        assert (await enter(member, room, "member")).get("type") is None
        owner.say(room, text, kind="groupchat")
        await member.hear(text)
        assert text in await member.archive(room)
        assert refusal(await enter(stranger, room, "stranger")) == "registration-required"
        with pytest.raises(IqError):
            await stranger.archive(room)
        assert room not in await listed(stranger)


async def test_private_room_suits_omemo(service: Service, register: Register) -> None:
    """Encryption in rooms needs members' real addresses: members only, and visible to each other."""
    (alice,) = register(1)
    async with login(service, alice) as owner, made_room(owner, **PRIVATE) as room:
        features = await owner.announced(room)
        assert {"muc_membersonly", "muc_nonanonymous", "muc_hidden", "muc_persistent"} <= features
        assert "urn:xmpp:occupant-id:0" in features


async def test_public_room_hides_addresses(service: Service, register: Register) -> None:
    alice, bob, carol = register(3)
    async with (
        login(service, alice) as owner,
        login(service, bob) as guest,
        login(service, carol) as other,
        made_room(owner, **PUBLIC) as room,
    ):
        assert {"muc_open", "muc_semianonymous", "muc_public", "muc_persistent"} <= await guest.announced(room)
        await enter(guest, room, "guest")
        await enter(other, room, "other")
        seen = await other.presences.get(lambda stanza: stanza.get("from") == f"{room}/guest")
        assert [item.get("jid") for item in seen.iter(f"{USER}item")] == [None]
        assert room in await listed(guest)


async def test_new_room_without_choices_is_not_in_the_open(service: Service, register: Register) -> None:
    """Nobody's group appears in a public list because they did not find the switch."""
    alice, stranger = register(2)
    async with login(service, alice) as owner, login(service, stranger) as other, made_room(owner) as room:
        assert room not in await listed(other)


async def test_stranger_cannot_take_over_a_room(service: Service, register: Register) -> None:
    alice, mallory = register(2)
    async with login(service, alice) as owner, login(service, mallory) as stranger, made_room(owner, **PUBLIC) as room:
        await enter(stranger, room, "stranger")
        for request in ("<destroy/>", "<x xmlns='jabber:x:data' type='submit'/>"):
            with pytest.raises(IqError):
                await stranger.query("set", f"<query xmlns='{OWNER}'>{request}</query>", to=room)


async def test_room_survives_when_everybody_leaves(service: Service, register: Register) -> None:
    (alice,) = register(1)
    text = fresh_text()
    async with login(service, alice) as owner, made_room(owner, **PRIVATE) as room:
        owner.say(room, text, kind="groupchat")
        await owner.hear(text)
        owner.send_presence(pto=f"{room}/owner", ptype="unavailable")
        await owner.presences.get(lambda stanza: stanza.get("type") == "unavailable")
        assert text in await owner.archive(room)


async def test_room_that_ended_with_the_server_leaves_nothing_to_the_next(service: Service, register: Register) -> None:
    """A room that does not stay ends with ejabberd, which deletes what is left of it as it starts."""
    alice, bob = register(2)
    text, room = fresh_text(), f"room-{secrets.token_hex(6)}@{service.name('muc')}"
    async with login(service, alice) as owner:
        await enter(owner, room, "owner")
        await configure(owner, room)
        owner.say(room, text, kind="groupchat")
        await owner.hear(text)
        assert text in await owner.archive(room)
        service.host.check_output("systemctl kill --signal=KILL ejabberd.service")
        service.restart()

    rows = f"SELECT count(*) FROM archive WHERE username = '{room}'"
    wait_for(lambda: sql(service, rows) == [[0]])
    service.checkpoint()
    assert not service.stored(text)
    async with login(service, bob) as other:
        assert (await enter(other, room, "other")).get("type") is None
        await configure(other, room)
        assert text not in await other.archive(room)


async def test_moderator_takes_a_message_back(service: Service, register: Register) -> None:
    """XEP-0425: spam disappears from the room's archive."""
    alice, spammer = register(2)
    text = fresh_text()
    async with login(service, alice) as owner, login(service, spammer) as guest, made_room(owner, **PUBLIC) as room:
        await enter(guest, room, "guest")
        guest.say(room, text, kind="groupchat")
        heard = await owner.hear(text)
        identity = heard.find(f"{{urn:xmpp:sid:0}}stanza-id[@by='{room}']")
        assert identity is not None
        await owner.query(
            "set",
            f"<moderate xmlns='urn:xmpp:message-moderate:1' id='{identity.get('id')}'>"
            "<retract xmlns='urn:xmpp:message-retract:1'/><reason>spam</reason></moderate>",
            to=room,
        )
        assert text not in await owner.archive(room)


async def test_room_has_a_picture(service: Service, register: Register) -> None:
    """An owner sets the room's avatar (vCard); members see it."""
    (alice,) = register(1)
    photo = "<PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0KGgo=</BINVAL></PHOTO>"
    async with login(service, alice) as owner, made_room(owner) as room:
        await owner.query("set", f"<vCard xmlns='vcard-temp'>{photo}</vCard>", to=room)
        answer = await owner.query("get", "<vCard xmlns='vcard-temp'/>", to=room)
        assert answer.findtext(".//{vcard-temp}BINVAL") == "iVBORw0KGgo="


async def listed(client: Client) -> set[str | None]:
    """The rooms that the service shows to anybody."""
    items = "http://jabber.org/protocol/disco#items"
    answer = await client.query("get", f"<query xmlns='{items}'/>", to=client.service.name("muc"))
    return {item.get("jid") for item in answer.iter(f"{{{items}}}item")}


@pytest.mark.parametrize("name", ["support", "news"])
async def test_official_room_is_there_for_everybody(service: Service, register: Register, name: str) -> None:
    (alice,) = register(1)
    room = f"{name}@{service.name('muc')}"
    async with login(service, alice) as client:
        assert room in await listed(client)
        features = await client.announced(room)
        assert {"muc_public", "muc_open", "muc_persistent", "muc_semianonymous", "muc_unsecured"} <= features
        assert "urn:xmpp:mam:2" in features
        presence = await enter(client, room, "guest")
        assert presence.get("type") is None
        assert presence.find(f"{USER}x/{USER}item[@affiliation='none']") is not None


async def test_official_room_support_lets_everybody_speak(service: Service, register: Register) -> None:
    alice, bob = register(2)
    room = f"support@{service.name('muc')}"
    text = fresh_text()
    async with login(service, alice) as asking, login(service, bob) as answering:
        assert "muc_unmoderated" in await asking.announced(room)
        await enter(asking, room, f"asking-{alice.name}")
        await enter(answering, room, f"answering-{bob.name}")
        asking.say(room, text, kind="groupchat")
        await answering.hear(text)


async def test_official_room_news_is_for_listening(service: Service, register: Register) -> None:
    """In a moderated room a newcomer reads; what he writes is refused and reaches nobody."""
    (alice,) = register(1)
    room = f"news@{service.name('muc')}"
    text = fresh_text()
    async with login(service, alice) as client:
        assert "muc_moderated" in await client.announced(room)
        presence = await enter(client, room, f"listening-{alice.name}")
        assert presence.find(f"{USER}x/{USER}item[@role='visitor']") is not None
        client.say(room, text, kind="groupchat")
        answer = await client.messages.get(lambda stanza: stanza.get("type") == "error")
        assert answer.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}forbidden") is not None
        assert text not in await client.archive(room)
