# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who is logged in on a raw stream: what they send, and all that comes."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

from .service import Account, Service
from .stream import CLIENT, Stream, connected

SM = "urn:xmpp:sm:3"
INFO = "http://jabber.org/protocol/disco#info"
CONSTRAINT = ".//{urn:ietf:params:xml:ns:xmpp-stanzas}resource-constraint"


def until(stream: Stream, tag: str) -> dict[str, str]:
    """The attributes of the next element of this name."""
    while (element := stream.read()).tag != tag:
        pass
    return element.attrib


@contextlib.contextmanager
def logged_in(service: Service, account: Account) -> Iterator[Stream]:
    with connected(service) as stream:
        stream.starttls()
        stream.scram("SCRAM-SHA-512-PLUS", account)
        yield stream


def online(stream: Stream) -> str:
    """Binds and becomes available; returns the address."""
    address = stream.bind()
    stream.send("<presence/>")
    until(stream, f"{CLIENT}presence")
    return address


def came(stream: Stream, address: str) -> list[ET.Element]:
    """All that has come until a message of one's own."""
    mark = secrets.token_hex(8)
    stream.send(f"<message to='{address}' type='chat'><body>{mark}</body></message>")
    return came_until(stream, lambda element: element.findtext(f"{CLIENT}body") == mark)


def came_through(stream: Stream, room: str) -> list[ET.Element]:
    """All that has come until the room has answered, which has dealt with whatever was said before."""
    mark = secrets.token_hex(8)
    stream.send(f"<iq to='{room}' id='{mark}' type='get'><query xmlns='{INFO}'/></iq>")
    return came_until(stream, lambda element: element.get("id") == mark)


def came_until(stream: Stream, match: Callable[[ET.Element], bool]) -> list[ET.Element]:
    elements = []
    while not match(element := stream.read()):
        elements.append(element)
    return elements


def back_online(stream: Stream) -> list[ET.Element]:
    """Binds, becomes available, and returns what has waited."""
    address = stream.bind()
    stream.send("<presence/>")
    return came(stream, address)
