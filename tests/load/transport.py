# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries a client's stanzas: XML over TLS, or WebSocket over TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import ssl
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
# What has its namespace from the root element, where there is one.
STANZA = re.compile(r"^<(message|presence|iq)\b")


class LoadError(Exception):
    """The server said something that makes the measurement meaningless."""


@dataclass(frozen=True)
class Server:
    """Where the load goes, what it trusts, and by which path there is a WebSocket, if that is what is measured."""

    address: str
    port: int
    domain: str
    tls: ssl.SSLContext
    websocket: str = ""


class Stream:
    """XML over direct TLS (RFC 6120, XEP-0368)."""

    # What a parser is to read before anything that the server sends: stanzas stand in the server's own root element.
    root = b""
    end = "</stream:stream>"

    def __init__(self, server: Server) -> None:
        self._server = server

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            self._server.address, self._server.port, ssl=self._server.tls, server_hostname=self._server.domain
        )

    def start(self) -> str:
        return (
            f"<?xml version='1.0'?><stream:stream to={quoteattr(self._server.domain)} version='1.0' xml:lang='en'"
            " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )

    def write(self, *stanzas: str) -> None:
        self._writer.write("".join(stanzas).encode())

    async def read(self) -> bytes:
        """Some of what the server sends; nothing at the end."""
        return await self._reader.read(65536)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self.write(self.end)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class WebSocket(Stream):
    """XMPP over WebSocket (RFC 7395): each stanza is a message of its own."""

    root = b"<stanzas>"
    end = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"

    async def connect(self) -> None:
        await super().connect()
        key = base64.b64encode(os.urandom(16)).decode()
        request = [
            f"GET {self._server.websocket} HTTP/1.1",
            f"Host: {self._server.domain}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: xmpp",
        ]
        self._writer.write("\r\n".join([*request, "", ""]).encode())
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise LoadError(f"no WebSocket: {answer.splitlines()[0].decode()}")

    def start(self) -> str:
        to = quoteattr(self._server.domain)
        return f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to={to} version='1.0' xml:lang='en'/>"

    def write(self, *stanzas: str) -> None:
        named = (STANZA.sub(r"<\1 xmlns='jabber:client'", stanza) for stanza in stanzas)
        self._writer.write(b"".join(_frame(TEXT, stanza.encode()) for stanza in named))

    async def read(self) -> bytes:
        try:
            while True:
                first, length = await self._reader.readexactly(2)
                if length > 125:
                    length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8), "big")
                payload = await self._reader.readexactly(length)
                kind = first & 15
                if kind == CLOSE:
                    return b""
                if kind == PING:
                    self._writer.write(_frame(PONG, payload))
                elif payload and kind != PONG:
                    return payload
        except asyncio.IncompleteReadError:
            return b""


def _frame(kind: int, payload: bytes) -> bytes:
    """A message in one piece, masked as a client must."""
    size = len(payload)
    if size < 126:
        length = bytes([128 | size])
    elif size < 1 << 16:
        length = bytes([128 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([128 | 127]) + size.to_bytes(8, "big")
    key = os.urandom(4)
    mask = (key * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    return bytes([128 | kind]) + length + key + masked
