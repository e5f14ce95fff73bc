# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever takes places without using them: each kind of connection that begins, and then does as good as nothing."""

from __future__ import annotations

from typing import Any

from ..kit.handshakes import first_message
from ..kit.service import Service
from .neighbour import Neighbour

# The first bytes of a TLS handshake that announces more than it ever sends.
HALF_TLS = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
# A handshake by port 443 that is handed over and not gone on with (the host of these tests has xmpp_single_port).
APP, CALL = (first_message(*wanted).decode("latin-1") for wanted in (("site.test", "xmpp-client"), ("turn.site.test",)))
STREAM = (
    "<?xml version='1.0'?><stream:stream to='site.test' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
# What dawdles: (port, first, drip).
SLOW = {
    "tls of the web, begun": (443, HALF_TLS, ""),
    "tls of clients by the port of the web": (443, APP, ""),
    "tls of the relay by the port of the web": (443, CALL, ""),
    "header without an end": (80, "GET / HTTP/1.1\r\nHost: site.test\r\nX-Slow: ", "x"),
    "body without an end": (80, "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 60000\r\n\r\n", ""),
    "silence to clients": (5222, "", ""),
    "stream and nothing more": (5222, STREAM, ""),
    "stream, kept alive by spaces": (5222, STREAM, " "),
    "tls within a stream, begun": (5222, STREAM + STARTTLS, ""),
    "tls of clients, begun": (5223, HALF_TLS, ""),
    "silence to servers": (5269, "", ""),
    "tls of servers, begun": (5270, HALF_TLS, ""),
    "silence to the proxy": (7777, "", ""),
    "silence to the relay": (3478, "", ""),
    "tls of the relay, begun": (5349, HALF_TLS, ""),
}
PLACES = 20
SECONDS = 140  # ejabberd gives a stream two minutes to log in: long enough to read a picture


def dawdle(service: Service, neighbour: Neighbour) -> dict[str, dict[str, Any]]:
    """All kinds at once, until all are closed or SECONDS are over; what became of each. By IPv6: of the places that the
    neighbour's IPv4 address has, the tests meanwhile need each."""
    crowds = [{"port": port, "count": PLACES, "first": first, "drip": drip} for port, first, drip in SLOW.values()]
    wanted = {"address": service.address6, "crowds": crowds, "seconds": SECONDS}
    return dict(zip(SLOW, neighbour.run("crowd", wanted, seconds=SECONDS + 30), strict=True))
