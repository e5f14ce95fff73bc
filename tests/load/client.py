# SPDX-License-Identifier: GPL-3.0-or-later
"""A client as the load generators need it: SCRAM, roster, presence, stream management."""

from __future__ import annotations

import argparse
import asyncio
import base64
import functools
import hashlib
import hmac
import itertools
import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any, cast
from xml.etree.ElementTree import Element, XMLPullParser
from xml.sax.saxutils import quoteattr

from tests.load.transport import LoadError, Server, Stream, WebSocket

CLIENT = "{jabber:client}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
SM = "{urn:xmpp:sm:3}"
FRAMING = "{urn:ietf:params:xml:ns:xmpp-framing}"
SCRAM_HASHES = {"SCRAM-SHA-512": "sha512", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
SIMULTANEOUS_LOGINS = 10


class Scram:
    """One SCRAM exchange without channel binding (RFC 5802, RFC 7677)."""

    def __init__(self, mechanism: str, name: str, password: str) -> None:
        self._hash = SCRAM_HASHES[mechanism]
        self._password = password
        self._nonce = base64.b64encode(os.urandom(18)).decode()
        self._first_bare = f"n={name},r={self._nonce}"
        self._server_signature = b""

    def first(self) -> str:
        return f"n,,{self._first_bare}"

    def final(self, challenge: str) -> str:
        values = dict(part.split("=", 1) for part in challenge.split(","))
        if not values["r"].startswith(self._nonce):
            raise LoadError("SCRAM: the server answered with a nonce that is not ours")
        salt, rounds = base64.b64decode(values["s"]), int(values["i"])
        salted = _salted(self._hash, self._password, salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", self._hash)
        without_proof = f"c=biws,r={values['r']}"
        message = f"{self._first_bare},{challenge},{without_proof}".encode()
        signature = hmac.digest(hashlib.new(self._hash, client_key).digest(), message, self._hash)
        self._server_signature = hmac.digest(hmac.digest(salted, b"Server Key", self._hash), message, self._hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return f"{without_proof},p={base64.b64encode(proof).decode()}"

    def verify(self, success: str) -> None:
        if not hmac.compare_digest(success, f"v={base64.b64encode(self._server_signature).decode()}"):
            raise LoadError("SCRAM: the server does not know the password")


@functools.cache
def _salted(name: str, password: str, salt: bytes, rounds: int) -> bytes:
    """Kept, as an app keeps it: only its first login is as slow for a client as guessing is meant to be."""
    return hashlib.pbkdf2_hmac(name, password.encode(), salt, rounds)


class Client:
    """One logged-in account."""

    def __init__(self, server: Server, name: str, password: str) -> None:
        self.jid = f"{name}@{server.domain}"
        self.mechanism = ""
        self.on_message: Callable[[Element], None] = lambda _message: None
        self.on_presence: Callable[[Element], None] = lambda _presence: None
        self._domain = server.domain
        self._stream = WebSocket(server) if server.websocket else Stream(server)
        self._name = name
        self._password = password
        self._stanzas: asyncio.Queue[Element] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[Element]] = {}
        self._ids = itertools.count()
        self._live = False
        self._handled: int | None = None
        self._depth = 0
        self._root: Element | None = None
        self._parser = _parser()

    async def login(self) -> None:
        await self._stream.connect()
        self._reading = asyncio.create_task(self._read())
        # The end of a connection is no news to whoever has given up on it.
        self._reading.add_done_callback(lambda reading: reading.cancelled() or reading.exception())
        try:
            await self._authenticate(await self._open_stream())
            await self._open_stream()
            self._live = True
            await self.request("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
            await self.request("get", "<query xmlns='jabber:iq:roster'/>")
            self.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            enabled = await self._stanza()
            if enabled.tag != f"{SM}enabled":
                raise LoadError(f"{self.jid}: no stream management: {enabled.tag}")
            self._handled = 0
            self.send("<presence/>")
        except BaseException:  # also because it took too long
            self._reading.cancel()
            self._stream.abort()
            raise

    async def logout(self) -> None:
        self._reading.cancel()
        await self._stream.close()

    async def ended(self) -> None:
        """Wait until the server has ended the connection."""
        await asyncio.wait({self._reading})
        self._stream.abort()

    def send(self, *stanzas: str) -> None:
        if self._reading.done():
            self._reading.result()
        self._stream.write(*stanzas)

    async def request(self, kind: str, payload: str, to: str = "") -> Element:
        """Send an IQ and return its answer's payload (the whole answer when it has none)."""
        identity = f"iq{next(self._ids)}"
        self._answers[identity] = asyncio.get_running_loop().create_future()
        addressed = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{identity}'{addressed}>{payload}</iq>")
        answer = await self._before_closing(self._answers[identity])
        if answer.get("type") == "error":
            raise LoadError(f"{self.jid}: {payload} was answered with {conditions(answer)}")
        return next(iter(answer), answer)

    async def _open_stream(self) -> Element:
        self._parser, self._depth = _parser(), 0
        self._parser.feed(self._stream.root)
        self._stream.write(self._stream.start())
        return await self._stanza()

    async def _authenticate(self, features: Element) -> None:
        offered = {mechanism.text for mechanism in features.iter(f"{SASL}mechanism")}
        mechanism = next((name for name in SCRAM_HASHES if name in offered), None)
        if mechanism is None:
            raise LoadError(f"{self._domain} offers no SCRAM mechanism, only {sorted(map(str, offered))}")
        self.mechanism = mechanism
        scram = Scram(mechanism, self._name, self._password)
        namespace = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
        self.send(f"<auth {namespace} mechanism='{mechanism}'>{_encode(scram.first())}</auth>")
        challenge = await self._stanza()
        if challenge.tag != f"{SASL}challenge":
            raise LoadError(f"{self.jid}: {mechanism} was answered with {conditions(challenge)}")
        self.send(f"<response {namespace}>{_encode(scram.final(_decode(challenge)))}</response>")
        success = await self._stanza()
        if success.tag != f"{SASL}success":
            raise LoadError(f"{self.jid}: the login was refused with {conditions(success)}")
        scram.verify(_decode(success))

    async def _stanza(self) -> Element:
        waiting = asyncio.ensure_future(self._stanzas.get())
        return await self._before_closing(waiting)

    async def _before_closing(self, waiting: asyncio.Future[Element]) -> Element:
        """What is awaited, or the reason for which the connection ended."""
        ends: set[asyncio.Future[Any]] = {waiting, self._reading}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            self._reading.result()
        return waiting.result()

    async def _read(self) -> None:
        while data := await self._stream.read():
            self._parser.feed(data)
            self._flush()
            for event, element in cast("Iterator[tuple[str, Element]]", self._parser.read_events()):
                if event == "start":
                    self._depth += 1
                    if self._depth == 1:
                        self._root = element
                else:
                    self._depth -= 1
                    if self._depth == 1 and self._root is not None:
                        self._root.clear()
                        self._dispatch(element)
        raise LoadError(f"{self.jid}: the server closed the connection")

    def _flush(self) -> None:
        """Newer versions of expat hold data back for speed, in which case Python has the call that gets it out."""
        flush = getattr(self._parser, "flush", None)
        if flush is not None:
            flush()

    def _dispatch(self, element: Element) -> None:
        if element.tag == "{http://etherx.jabber.org/streams}error":
            raise LoadError(f"{self.jid}: stream error {conditions(element)}")
        if element.tag == f"{SM}r":
            self.send(f"<a xmlns='urn:xmpp:sm:3' h='{self._handled}'/>")
            return
        if element.tag in {f"{SM}a", f"{FRAMING}open"}:
            return
        if element.tag == f"{FRAMING}close":
            raise LoadError(f"{self.jid}: the server closed the WebSocket")
        if not self._live or not element.tag.startswith(CLIENT):
            self._stanzas.put_nowait(element)
            return
        if self._handled is not None:
            self._handled += 1
        if element.tag == f"{CLIENT}message":
            self.on_message(element)
        elif element.tag == f"{CLIENT}presence":
            self.on_presence(element)
        elif element.tag == f"{CLIENT}iq" and element.get("type") in {"result", "error"}:
            answer = self._answers.pop(element.get("id", ""), None)
            if answer is not None:
                answer.set_result(element)
        elif element.tag == f"{CLIENT}iq":
            self._decline(element)

    def _decline(self, request: Element) -> None:
        """Answer what the server asks (pings, capabilities): an unanswered client would be thrown out."""
        to = f" to={quoteattr(request.get('from', ''))}" if request.get("from") else ""
        self.send(
            f"<iq type='error' id={quoteattr(request.get('id', ''))}{to}><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )


async def login_all(server: Server, names: list[str], password: str) -> list[Client]:
    """Log in a few at a time, as people do: the login is not what is measured."""
    gate = asyncio.Semaphore(SIMULTANEOUS_LOGINS)
    clients = [Client(server, name, password) for name in names]

    async def one(client: Client) -> None:
        async with gate, asyncio.timeout(60):
            await client.login()

    await asyncio.gather(*(one(client) for client in clients))
    return clients


async def logout_all(clients: list[Client]) -> None:
    await asyncio.gather(*(client.logout() for client in clients))


def conditions(element: Element) -> str:
    """The local names and texts inside an error, for a message to a person."""
    inside = [part for part in element.iter() if part is not element]
    return ", ".join(part.tag.rpartition("}")[2] + (f" ({part.text})" if part.text else "") for part in inside)


def _parser() -> XMLPullParser[Element]:
    return XMLPullParser(["start", "end"])


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decode(element: Element) -> str:
    return base64.b64decode(element.text or "").decode()


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """What each of the load generators needs to know to log in."""
    parser.add_argument("--address", required=True, help="IP address of the server's container")
    parser.add_argument("--port", type=int, default=5223, help="port with TLS (default: %(default)s)")
    parser.add_argument("--websocket", default="", help="path of a WebSocket on that port, in place of XML over TLS")
    parser.add_argument("--domain", required=True, help="XMPP domain")
    parser.add_argument("--ca", required=True, help="PEM file that the server's certificate is verified with")
    parser.add_argument("--password", required=True, help="password of every load account")


def server_of(arguments: argparse.Namespace) -> Server:
    context = ssl.create_default_context(cafile=arguments.ca)
    return Server(arguments.address, arguments.port, arguments.domain, context, arguments.websocket)
