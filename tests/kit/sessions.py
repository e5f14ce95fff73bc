# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who is logged in on a raw stream: what they send, and all that comes."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest

from .service import Account, Service
from .stream import BIND2_REQUEST, CLIENT, FAST, SASL2, STREAMS, Stream, connected

SM = "urn:xmpp:sm:3"
TOKEN = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>"
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


@contextlib.contextmanager
def app(
    service: Service, account: Account, software: str = "Chat & talk", device: str = "phone", language: str = ""
) -> Iterator[tuple[Stream, str, str]]:
    """An app that says what it is, with its resource and its token."""
    names = f"<software>{escape(software)}</software><device>{escape(device)}</device>"
    agent = f"<user-agent id='{secrets.token_hex(8)}'>{names}</user-agent>"
    with connected(service, user=account, language=language) as stream:
        stream.starttls()
        success = stream.scram2("SCRAM-SHA-512-PLUS", account, agent + TOKEN + BIND2_REQUEST)
        token = success.find(f"{FAST}token")
        assert token is not None
        resource = success.findtext(f"{SASL2}authorization-identifier", "").partition("/")[2]
        yield stream, resource, token.get("token", "")


def is_ended(stream: Stream) -> str:
    """Told why, then closed; returns the words."""
    while (element := stream.read()).tag != f"{STREAMS}error":
        pass
    assert element[0].tag == "{urn:ietf:params:xml:ns:xmpp-streams}not-authorized"
    with pytest.raises(ConnectionError):
        stream.read()
    return element.findtext("{urn:ietf:params:xml:ns:xmpp-streams}text", "")
