# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of one account (XEP-0227): how it is furnished, and how two of them are compared."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from .clients import Client, befriend, login
from .erlang import STATEMENT, run_in_erlang
from .nodes import PUBSUB
from .service import Account, Service, sql, wait_for

PIE = "{urn:xmpp:pie:0}"
ARCHIVE = "{urn:xmpp:pie:0#mam}archive"
RESULT = "{urn:xmpp:mam:2}result"
CONFERENCE = "{urn:xmpp:bookmarks:1}conference"
ROOMS = 60  # more than a page of items
MESSAGES = 60  # more than a page of the archive
OMEMO = "eu.siacs.conversations.axolotl"
DEVICES = f"{OMEMO}.devicelist"
BUNDLES = f"{OMEMO}.bundles"
BLOCKING = "urn:xmpp:blocking"
ROSTER = "jabber:iq:roster"
ASKING = "waits@elsewhere.test"


async def publish(client: Client, node: str, content: str, name: str = "current") -> None:
    item = f"<publish node='{node}'><item id='{name}'>{content}</item></publish>"
    form = "".join(
        f"<field var='{option}'><value>{value}</value></field>"
        for option, value in (("FORM_TYPE", f"{PUBSUB}#publish-options"), ("pubsub#max_items", "max"))
    )
    options = f"<publish-options><x xmlns='jabber:x:data' type='submit'>{form}</x></publish-options>"
    await client.query("set", f"<pubsub xmlns='{PUBSUB}'>{item}{options}</pubsub>")


async def publish_keys(client: Client, *ids: str) -> None:
    """As an app does for each of its devices."""
    for one in ids:
        key = base64.b64encode(b"\x05" + one.encode().rjust(32, b"\0")).decode()
        bundle = f"<bundle xmlns='{OMEMO}'><identityKey>{key}</identityKey></bundle>"
        await publish(client, f"{BUNDLES}:{one}", bundle)
    devices = "".join(f"<device id='{one}'/>" for one in ids)
    await publish(client, DEVICES, f"<list xmlns='{OMEMO}'>{devices}</list>")


def grow_stale(service: Service, member: Account, *ids: str) -> None:
    """These devices have not renewed their keys for more than a year."""
    nodes = ", ".join(f"'{BUNDLES}:{one}'" for one in ids)
    of_member = f"SELECT nodeid FROM pubsub_node WHERE host = '{member.jid}' AND node IN ({nodes})"
    mega, seconds = divmod(int(time.time()) - 400 * 24 * 3600, 1_000_000)
    age = f"UPDATE pubsub_item SET modification = '{mega:06}:{seconds:06}:000000' WHERE nodeid IN ({of_member})"
    run_in_erlang(service, STATEMENT, service.domain, age)


def ask_from_elsewhere(service: Service, member: Account) -> None:
    """Somebody wants to be a contact, and waits for the answer."""
    request = "<presence type='subscribe'><status>It's me &amp; &lt;you&gt;</status></presence>"
    service.api(("send_stanza", {"from": ASKING, "to": member.jid, "stanza": request}))
    stored = f"SELECT ask FROM rosterusers WHERE username = '{member.name}' AND jid = '{ASKING}'"
    wait_for(lambda: sql(service, stored) == [["I"]])


async def furnish(service: Service, member: Account, friend: Account) -> None:
    """All that a file has: a friend, somebody else on the list, one who was asked and one who asks, a profile, blocks,
    settings, keys, bookmarks, messages.
    """
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        phone.say(friend.jid, "to & <fro>")
        for number in range(MESSAGES):
            phone.say(friend.jid, f"message {number}")
        await other.hear("to & <fro>")
        await other.hear(f"message {MESSAGES - 1}")
        item = f"<item jid='{friend.jid}' name='A friend'><group>Friends &amp; Co</group></item>"
        for payload in (
            f"<query xmlns='{ROSTER}'>{item}</query>",
            f"<query xmlns='{ROSTER}'><item jid='somebody@elsewhere.test'/></query>",
            "<vCard xmlns='vcard-temp'><FN>Maria &amp; Co</FN></vCard>",
            f"<block xmlns='{BLOCKING}'><item jid='pest@elsewhere.test'/></block>",
            "<query xmlns='jabber:iq:private'><roster xmlns='roster:delimiter'>::</roster></query>",
        ):
            await phone.query("set", payload)
        phone.send_presence(pto="asked@elsewhere.test", ptype="subscribe")
        await asyncio.to_thread(ask_from_elsewhere, service, member)
        await publish_keys(phone, "1111")
        for room in range(ROOMS):
            bookmark = f"<conference xmlns='urn:xmpp:bookmarks:1' name='Room {room}'/>"
            await publish(phone, "urn:xmpp:bookmarks:1", bookmark, f"room-{room}@muc.{service.domain}")


def asking_in(user: ET.Element) -> list[tuple[str | None, str | None]]:
    """Who waits for an answer, and with what words."""
    of_client = "{jabber:client}"
    return [(one.get("from"), one.findtext(f"{of_client}status")) for one in user.iter(f"{of_client}presence")]


def comparable(element: ET.Element) -> tuple[Any, ...]:
    """The element without the order of what is in it, and without space around it."""
    inside = sorted((comparable(child) for child in element), key=repr)
    return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), inside


def user_in(file: Path) -> ET.Element:
    """The one account in a file."""
    (user,) = ET.parse(file).getroot().iter(f"{PIE}user")
    return user


def archive_of(user: ET.Element) -> list[tuple[str, str]]:
    """Seconds and texts of archived messages."""
    stamps, texts = "{urn:xmpp:delay}delay", ".//{jabber:client}body"
    return sorted(
        (next(result.iter(stamps)).get("stamp", "")[:19], result.findtext(texts, "")) for result in user.iter(RESULT)
    )


def without_archive(user: ET.Element) -> ET.Element:
    """The account with everything else."""
    rest = ET.Element(user.tag, user.attrib)
    rest.extend([part for part in user if part.tag != ARCHIVE])
    return rest


def file_of(path: Path, *accounts: str) -> Path:
    """A file of another service, with what these accounts have."""
    users = "".join(f"<user name='maria'>{inside}</user>" for inside in accounts)
    text = f"<server-data xmlns='urn:xmpp:pie:0'><host jid='far.test'>{users}</host></server-data>"
    path.write_text(text, encoding="utf-8")
    return path
