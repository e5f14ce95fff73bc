# SPDX-License-Identifier: GPL-3.0-or-later
"""A day of somebody who makes accounts, uses them for all there is, and deletes them: every text they leave, every
name they choose holds the same word, and every connection comes from the same household."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import secrets

import pytest
from testinfra.host import Host

from ..kit.clients import Client, Refused, affiliate, befriend, login
from ..kit.newcomer import ask_for, hand_in_plain, plain_form, read_picture, refusal
from ..kit.profile import publish
from ..kit.rooms import PRIVATE, PUBLIC, configure, enter
from ..kit.service import PATIENCE, Account, Service
from ..kit.stream import SASL2, ask_token, connected, login_by_token
from ..kit.turn import credentials_of, relay, talk
from ..kit.uploads import ask_slot
from .between import web_name


def household(alpha: Service, names: Host) -> Service:
    """alpha as it is reached from a household, whose router is the host `names`."""
    router = Service.of(names, alpha.domain, alpha.ca)
    return dataclasses.replace(alpha, address=router.address, address6=router.address6)


async def register_on_the_web(service: Service, account: Account) -> None:
    challenge = await plain_form(service)
    said = await hand_in_plain(service, account, id=challenge, key=read_picture(service, challenge))
    assert "successfully registered" in said


def register_in_an_app(service: Service, account: Account) -> None:
    """Over IPv6: an address gets one account at a time."""
    assert service.address6 is not None
    with connected(dataclasses.replace(service, address=service.address6)) as stream:
        stream.starttls()
        assert refusal(ask_for(service, stream, account)) == ""


async def fail_to_log_in(service: Service, account: Account, password: str) -> None:
    with pytest.raises(Refused):
        async with login(service, dataclasses.replace(account, password=password)):
            pass


def come_back_by_token(service: Service, account: Account, word: str) -> None:
    """Gets a token and comes back by it (XEP-0484)."""
    token, _ = ask_token(service, account, f"<software>{word}</software><device>{word}</device>")
    with connected(service, user=account) as stream:
        success = login_by_token(stream, account, token)
        assert success.tag == f"{SASL2}success"


async def publish_profile(client: Client, word: str) -> None:
    """A name, a picture, keys, bookmarks, private notes, a node of one's own, whom one does not want to hear of."""
    picture = base64.b64encode(f"picture {word}".encode()).decode()
    digest = hashlib.sha1(base64.b64decode(picture)).hexdigest()
    photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{picture}</BINVAL></PHOTO>"
    await client.query("set", f"<vCard xmlns='vcard-temp'><FN>{word}</FN><NOTE>{word}</NOTE>{photo}</vCard>")
    devices = f"<devices xmlns='urn:xmpp:omemo:2'><device id='1' label='{word}'/></devices>"
    for node, item, content in (
        ("http://jabber.org/protocol/nick", "current", f"<nick xmlns='http://jabber.org/protocol/nick'>{word}</nick>"),
        ("urn:xmpp:avatar:data", digest, f"<data xmlns='urn:xmpp:avatar:data'>{picture}</data>"),
        ("urn:xmpp:omemo:2:devices", "current", devices),
        ("urn:xmpp:bookmarks:1", f"{word}@muc.beta.test", f"<conference xmlns='urn:xmpp:bookmarks:1' name='{word}'/>"),
    ):
        await client.query("set", publish(node, {item: content}))
    await client.query("set", f"<query xmlns='jabber:iq:private'><notes xmlns='test:{word}'>{word}</notes></query>")
    own_node = publish(
        f"node-{word}", {word: f"<entry xmlns='http://www.w3.org/2005/Atom'><title>{word}</title></entry>"}
    )
    await client.query("set", own_node, to=client.service.name("pubsub"))
    await client.query("set", "<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never/></prefs>")
    await client.query("set", f"<enable xmlns='urn:xmpp:push:0' jid='pubsub.beta.test' node='{word}'/>")
    block = f"<block xmlns='urn:xmpp:blocking'><item jid='{word}@beta.test'/></block>"
    await client.query("set", block)


async def talk_to(client: Client, other: Client, word: str) -> None:
    """Becomes a contact, under a name, and writes both ways."""
    await befriend(client, other)
    for one, contact in ((client, other), (other, client)):
        item = f"<item jid='{contact.boundjid.bare}' name='name {word}'><group>group {word}</group></item>"
        await one.query("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")
        text = f"text {word} {secrets.token_hex(4)}"
        one.say(contact.boundjid.bare, text)
        await contact.hear(text)


async def meet_in_rooms(client: Client, friend: Client, word: str) -> None:
    """One's own room, with a friend as a guest, and the friend's, where one is an admin and sets the subject."""
    muc, nick = client.service.name("muc"), f"nick-{word}"
    own, other = f"room-{word}@{muc}", f"friends-{secrets.token_hex(6)}@{muc}"
    about = {"roomname": f"title {word}", "roomdesc": f"about {word}"}
    await enter(client, own, nick)
    await configure(client, own, **PUBLIC, **about)
    await enter(friend, own, "guest")
    await enter(friend, other, "host")
    await configure(friend, other, **PRIVATE)
    await affiliate(friend, other, client.boundjid.bare, "admin", nick, word)
    await enter(client, other, nick)
    # What a room that stays is about is the room's.
    for room, subject in ((own, f"subject {word}"), (other, "holidays")):
        client.send_raw(f"<message to='{room}' type='groupchat'><subject>{subject}</subject></message>")
        for one, hearer in ((client, friend), (friend, client)):
            text = f"text {word} {secrets.token_hex(4)}"
            one.say(room, text, kind="groupchat")
            await hearer.hear(text)
    subscribe = (
        f"<subscribe xmlns='urn:xmpp:mucsub:0' nick='{nick}'><event node='urn:xmpp:mucsub:nodes:messages'/></subscribe>"
    )
    await client.query("set", subscribe, to=other)


async def send_file(client: Client, word: str) -> None:
    service = client.service
    content = f"file {word}".encode()
    slot = await ask_slot(client, f"{word}.txt", len(content))
    assert (await service.fetch("PUT", slot.put, data=content)).status == 201
    assert (await service.fetch("GET", slot.get)).body == content
    assert (await service.fetch("GET", f"https://{web_name(service)}/missing-{word}")).status == 404


async def call(client: Client) -> None:
    """Both ends of it from the household."""
    credentials = await credentials_of(client)
    service = client.service
    async with relay(service, credentials, "udp") as caller, relay(service, credentials, "tls") as called:
        await talk(caller, called)


async def delete_account(client: Client) -> None:
    """Ends with the connection."""
    async with asyncio.timeout(PATIENCE):
        client.send_raw("<iq type='set' id='delete'><query xmlns='jabber:iq:register'><remove/></query></iq>")
        await client.disconnected


def seen_from(alpha: Service) -> dict[str, str]:
    """Account to the address that it is connected from, as alpha sees it."""
    (sessions,) = alpha.api(("connected_users_info", {}))
    return {session["jid"].partition("/")[0]: session["ip"].removeprefix("::ffff:") for session in sessions}
