# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms, as somebody's client makes and enters them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

from .clients import Client

OWNER = "http://jabber.org/protocol/muc#owner"
USER = "{http://jabber.org/protocol/muc#user}"
PRIVATE = {"membersonly": "1", "publicroom": "0", "persistentroom": "1", "whois": "anyone"}
PUBLIC = {"membersonly": "0", "publicroom": "1", "persistentroom": "1", "whois": "moderators"}


async def enter(client: Client, room: str, nick: str, password: str = "") -> ET.Element:
    """Joins (or makes) a room; returns the room's answer: our own presence, or an error."""
    secret = f"<password>{password}</password>" if password else ""
    inside = f"<x xmlns='http://jabber.org/protocol/muc'>{secret}<history maxstanzas='0'/></x>"
    client.send_raw(f"<presence to='{room}/{nick}'>{inside}</presence>")

    def answer(stanza: ET.Element) -> bool:
        own = stanza.find(f"{USER}x/{USER}status[@code='110']") is not None
        return (stanza.get("from") or "").startswith(room) and (own or stanza.get("type") == "error")

    return await client.presences.get(answer)


def refusal(presence: ET.Element) -> str:
    """Why the room did not let somebody in."""
    error = presence.find("{jabber:client}error")
    assert error is not None, ET.tostring(presence)
    return error[0].tag.split("}")[1]


async def configure(client: Client, room: str, **fields: str) -> None:
    """Submits the owner's form; without fields, the room opens with the service's defaults."""
    inside = "".join(
        f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>" for name, value in fields.items()
    )
    kind = "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{kind if fields else ''}{inside}</x>"
    await client.query("set", f"<query xmlns='{OWNER}'>{form}</query>", to=room)


@contextlib.asynccontextmanager
async def made_room(client: Client, **fields: str) -> AsyncIterator[str]:
    """A new room of this client, destroyed afterwards."""
    room = f"room-{secrets.token_hex(6)}@{client.service.name('muc')}"
    presence = await enter(client, room, "owner")
    assert presence.find(f"{USER}x/{USER}status[@code='201']") is not None, ET.tostring(presence)
    try:
        await configure(client, room, **fields)
        yield room
    finally:
        await client.query("set", f"<query xmlns='{OWNER}'><destroy/></query>", to=room)
