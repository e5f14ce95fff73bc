# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of which there can be hundreds: a stream over direct TLS, without threads. It does nothing by itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from xml.etree import ElementTree as ET

from .scram import Scram
from .service import PATIENCE, Account, Service
from .stream import CLIENT, SASL, Parser

BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"


class Guest:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = Parser()
        self.address = ""

    @classmethod
    async def log_in(cls, service: Service, account: Account, *, limit: int = 65536) -> Guest:
        """Up to the point where a session is bound or taken up again; *limit*: bytes that are read in advance."""
        reader, writer = await asyncio.open_connection(
            service.address, 5223, ssl=service.tls("xmpp-client"), server_hostname=service.domain, limit=limit
        )
        guest = cls(reader, writer)
        await guest._open(service)
        scram = Scram("SCRAM-SHA-512", account, None)
        first = base64.b64encode(scram.first()).decode()
        guest.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='SCRAM-SHA-512'>{first}</auth>")
        challenge = await guest.read()
        assert challenge.tag == f"{SASL}challenge", ET.tostring(challenge)
        final = base64.b64encode(scram.final(base64.b64decode(challenge.text or ""))).decode()
        guest.send(f"<response xmlns='{SASL[1:-1]}'>{final}</response>")
        success = await guest.read()
        assert success.tag == f"{SASL}success", ET.tostring(success)
        await guest._open(service)
        return guest

    async def _open(self, service: Service) -> None:
        self._parser = Parser()
        self.send(
            f"<?xml version='1.0'?><stream:stream to='{service.domain}' version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        await self.read()

    async def bind(self) -> str:
        """Makes a session; returns its full address."""
        answer = await self.query("set", f"<bind xmlns='{BIND[1:-1]}'/>")
        self.address = answer.findtext(f"{BIND}bind/{BIND}jid", "")
        return self.address

    def send(self, xml: str) -> None:
        self._writer.write(xml.encode())

    async def read(self) -> ET.Element:
        """The next element."""
        async with asyncio.timeout(PATIENCE):
            while (element := self._parser.element()) is None:
                data = await self._reader.read(65536)
                if not data:
                    raise ConnectionError("the server closed the connection")
                self._parser.feed(data)
        return element

    async def until(self, match: Callable[[ET.Element], bool]) -> ET.Element:
        """The first element that matches; those before it are dropped."""
        while not match(element := await self.read()):
            pass
        return element

    async def query(self, kind: str, payload: str, to: str = "") -> ET.Element:
        """The answer to an IQ."""
        identity = secrets.token_hex(4)
        address = f" to='{to}'" if to else ""
        self.send(f"<iq id='{identity}' type='{kind}'{address}>{payload}</iq>")
        return await self.until(lambda element: element.tag == f"{CLIENT}iq" and element.get("id") == identity)

    def cut(self) -> None:
        """The line is gone, and nobody says goodbye."""
        self._writer.transport.abort()

    async def leave(self) -> None:
        """Says goodbye."""
        with contextlib.suppress(ConnectionError):
            self.send("</stream:stream>")
            self._writer.close()


@contextlib.asynccontextmanager
async def guests(service: Service, accounts: list[Account], each: int = 1) -> AsyncIterator[list[Guest]]:
    """Sessions of these accounts, *each* so many, all logged in at the same moment."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(Guest.log_in(service, account)) for account in accounts for _ in range(each)]
    there = [task.result() for task in tasks]
    try:
        await asyncio.gather(*(guest.bind() for guest in there))
        yield there
    finally:
        await asyncio.gather(*(guest.leave() for guest in there))
