# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user publishes: keys for OMEMO, a picture, bookmarks (PEP, XEP-0163)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import befriend, login
from ..kit.profile import items, publish
from ..kit.service import Register, Service

# A red dot
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg=="
)


DEVICE_LISTS = {
    "eu.siacs.conversations.axolotl.devicelist": (
        "<list xmlns='eu.siacs.conversations.axolotl'><device id='4223'/></list>",
        "{eu.siacs.conversations.axolotl}device",
    ),
    "urn:xmpp:omemo:2:devices": (
        "<devices xmlns='urn:xmpp:omemo:2'><device id='4223'/></devices>",
        "{urn:xmpp:omemo:2}device",
    ),
}


@pytest.mark.parametrize("node", DEVICE_LISTS)
async def test_omemo_device_list_is_read_by_a_stranger(service: Service, register: Register, node: str) -> None:
    """As Conversations (siacs) and newer clients (omemo:2) publish it."""
    alice, stranger = register(2)
    content, device = DEVICE_LISTS[node]
    async with login(service, alice) as client, login(service, stranger) as other:
        await client.query("set", publish(node, {"current": content}, access_model="open"))
        found = await items(other, alice.jid, node)
        assert [element.get("id") for element in found["current"].iter(device)] == ["4223"]


async def test_omemo_device_list_without_options_is_open_too(service: Service, register: Register) -> None:
    """Old clients send no publish-options; their contacts could not write to them otherwise."""
    alice, stranger = register(2)
    node = "eu.siacs.conversations.axolotl.devicelist"
    async with login(service, alice) as client, login(service, stranger) as other:
        await client.query("set", publish(node, {"current": DEVICE_LISTS[node][0]}))
        assert list(await items(other, alice.jid, node)) == ["current"]


async def test_omemo_bundles_of_many_devices_are_kept(service: Service, register: Register) -> None:
    """omemo:2 keeps the bundles of all devices as items of one node: more than a small default allows."""
    alice, stranger = register(2)
    node = "urn:xmpp:omemo:2:bundles"
    keys = "".join(f"<pk id='{number}'>{'A' * 44}</pk>" for number in range(100))
    bundle = (
        f"<bundle xmlns='urn:xmpp:omemo:2'><spk id='0'>{'A' * 44}</spk><spks>{'A' * 88}</spks><ik>{'A' * 44}</ik>"
        f"<prekeys>{keys}</prekeys></bundle>"
    )
    async with login(service, alice) as client, login(service, stranger) as other:
        for device in range(110):
            request = publish(node, {str(device): bundle}, access_model="open", max_items="max")
            await client.query("set", request)
        found = await items(other, alice.jid, node)
        assert set(found) == {str(device) for device in range(110)}
        assert all(len(list(item.iter("{urn:xmpp:omemo:2}pk"))) == 100 for item in found.values())


async def test_private_node_is_closed_to_strangers(service: Service, register: Register) -> None:
    alice, stranger = register(2)
    bookmark = "<conference xmlns='urn:xmpp:bookmarks:1' name='secret club' autojoin='true'/>"
    request = publish("urn:xmpp:bookmarks:1", {"club@muc.example.org": bookmark}, access_model="whitelist")
    async with login(service, alice) as client, login(service, stranger) as other:
        await client.query("set", request)
        with pytest.raises(IqError):
            await items(other, alice.jid, "urn:xmpp:bookmarks:1")


async def test_bookmarks_are_kept_and_pushed_to_other_devices(service: Service, register: Register) -> None:
    """XEP-0402, with the options that its clients send; more than a handful of rooms."""
    (alice,) = register(1)
    node = "urn:xmpp:bookmarks:1"
    options = {"persist_items": "true", "max_items": "max", "send_last_published_item": "never"}
    async with login(service, alice) as phone, login(service, alice) as laptop:
        await phone.online()
        await laptop.follow(node)
        await laptop.online()
        for number in range(40):
            content = f"<conference xmlns='{node}' name='Room {number}' autojoin='true'/>"
            name = f"room{number}@muc.example.org"
            await phone.query("set", publish(node, {name: content}, access_model="whitelist", **options))
        assert len(await items(laptop, alice.jid, node)) == 40
        event = "{http://jabber.org/protocol/pubsub#event}"
        await laptop.messages.get(lambda stanza: stanza.find(f"{event}event/{event}items[@node='{node}']") is not None)


async def test_old_and_new_bookmarks_are_the_same(service: Service, register: Register) -> None:
    """A client of 2010 sees the rooms that a client of today bookmarked."""
    (alice,) = register(1)
    node = "urn:xmpp:bookmarks:1"
    content = f"<conference xmlns='{node}' name='Club' autojoin='true'><nick>Alice</nick></conference>"
    async with login(service, alice) as client:
        await client.query("set", publish(node, {"club@muc.example.org": content}, access_model="whitelist"))
        request = "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>"
        answer = await client.query("get", request)
        rooms = [element.get("jid") for element in answer.iter("{storage:bookmarks}conference")]
        assert rooms == ["club@muc.example.org"]


async def test_picture_published_by_pep_is_in_the_vcard(service: Service, register: Register) -> None:
    """XEP-0398: contacts with an old client see the picture of a user with a new one."""
    alice, friend = register(2)
    data = base64.b64encode(PICTURE).decode()
    digest = hashlib.sha1(PICTURE).hexdigest()
    async with login(service, alice) as client, login(service, friend) as other:
        await client.online()
        element = f"<data xmlns='urn:xmpp:avatar:data'>{data}</data>"
        await client.query("set", publish("urn:xmpp:avatar:data", {digest: element}, access_model="open"))
        info = f"<info id='{digest}' bytes='{len(PICTURE)}' type='image/png' width='5' height='5'/>"
        element = f"<metadata xmlns='urn:xmpp:avatar:metadata'>{info}</metadata>"
        await client.query("set", publish("urn:xmpp:avatar:metadata", {digest: element}, access_model="open"))
        vcard = await other.query("get", "<vCard xmlns='vcard-temp'/>", to=alice.jid)
        shown = vcard.findtext(".//{vcard-temp}PHOTO/{vcard-temp}BINVAL", "")
        assert base64.b64decode(shown) == PICTURE


async def test_picture_in_the_vcard_is_published_by_pep(service: Service, register: Register) -> None:
    """XEP-0398, the other way round."""
    alice, friend = register(2)
    data = base64.b64encode(PICTURE).decode()
    digest = hashlib.sha1(PICTURE).hexdigest()
    async with login(service, alice) as client, login(service, friend) as other:
        await client.online()
        await other.online()
        await befriend(client, other)
        photo = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{data}</BINVAL></PHOTO>"
        await client.query("set", f"<vCard xmlns='vcard-temp'>{photo}</vCard>")
        found = await items(other, alice.jid, "urn:xmpp:avatar:data")
        assert list(found) == [digest]
        assert base64.b64decode("".join(found[digest].itertext())) == PICTURE


# By its first bytes.
UNTYPED = {
    "PNG": (PICTURE, "", "image/png"),
    "empty type": (PICTURE, "<TYPE/>", "image/png"),
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "", "image/jpeg"),
    "WebP": (b"RIFF\x1a\x00\x00\x00WEBPVP8L", "", "image/webp"),
    "unknown": (b"something else", "", "application/octet-stream"),
    "typed": (b"something else", "<TYPE>image/x-own</TYPE>", "image/x-own"),
}


@pytest.mark.parametrize("name", UNTYPED)
async def test_picture_without_a_type_gets_its_own(service: Service, register: Register, name: str) -> None:
    """XEP-0054 wants one, and old apps and programs leave it out. In the profile, and in what apps of today read."""
    data, given, expected = UNTYPED[name]
    alice, bob = register(2)
    async with login(service, alice) as client, login(service, bob) as other:
        await client.online()
        photo = f"<PHOTO>{given}<BINVAL>{base64.b64encode(data).decode()}</BINVAL></PHOTO>"
        await client.query("set", f"<vCard xmlns='vcard-temp'><FN>Alice</FN>{photo}</vCard>")
        profile = await other.query("get", "<vCard xmlns='vcard-temp'/>", to=alice.jid)
        assert profile.findtext(".//{vcard-temp}FN") == "Alice"
        assert profile.findtext(".//{vcard-temp}PHOTO/{vcard-temp}TYPE") == expected
        found = await items(client, alice.jid, "urn:xmpp:avatar:metadata")
        (info,) = found[hashlib.sha1(data, usedforsecurity=False).hexdigest()].iter("{urn:xmpp:avatar:metadata}info")
        assert info.get("type") == expected
