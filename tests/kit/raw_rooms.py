# SPDX-License-Identifier: GPL-3.0-or-later
"""Rooms, made and subscribed to on a raw stream."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

from .service import Service
from .sessions import came_through, until
from .stream import CLIENT, Stream

MUC = "http://jabber.org/protocol/muc"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
MUCSUB = "urn:xmpp:mucsub:0"
MUCSUB_MESSAGES = "urn:xmpp:mucsub:nodes:messages"


def made_room(stream: Stream, service: Service, **options: str) -> str:
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    stream.send(f"<presence to='{room}/owner'><x xmlns='{MUC}'/></presence>")
    until(stream, f"{CLIENT}presence")
    fields = "".join(f"<field var='muc#roomconfig_{name}'><value>{it}</value></field>" for name, it in options.items())
    kind = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>" if options else ""
    form = f"<x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x>"
    assert stream.query("set", f"<query xmlns='{MUC_OWNER}'>{form}</query>", room).get("type") == "result"
    return room


def left_room(stream: Stream, service: Service) -> str:
    """A room that stays, with nobody in it."""
    room = made_room(stream, service, persistentroom="1")
    stream.send(f"<presence to='{room}/owner' type='unavailable'/>")
    came_through(stream, room)
    return room


def subscribe(stream: Stream, room: str, jid: str = "") -> ET.Element:
    whom = f" jid='{jid}'" if jid else ""
    nick = secrets.token_hex(4)
    return stream.query(
        "set", f"<subscribe xmlns='{MUCSUB}'{whom} nick='{nick}'><event node='{MUCSUB_MESSAGES}'/></subscribe>", room
    )
