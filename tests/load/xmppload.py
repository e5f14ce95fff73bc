# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a bounded, ordinary load on an XMPP server and say how quickly its messages arrive.

Run by script/bench, only ever against the bench's own containers. Every client is an asyncio connection with direct
TLS, SCRAM, roster, presence and stream management, and asks for an acknowledgement of each message, as a phone's client
does. Sender and receiver live in one process, so one clock gives the latency. The answer is one JSON document on
standard output. More than 300 lines: as one file, it runs by its path on any machine with Python.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import hashlib
import hmac
import itertools
import json
import os
import resource
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast
from xml.etree.ElementTree import Element, XMLPullParser
from xml.sax.saxutils import escape, quoteattr

CLIENT = "{jabber:client}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
SM = "{urn:xmpp:sm:3}"
SCRAM_HASHES = {"SCRAM-SHA-512": "sha512", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
SIMULTANEOUS_LOGINS = 10
DRAIN_SECONDS = 3


class LoadError(Exception):
    """The server said something that makes the measurement meaningless."""


@dataclass(frozen=True)
class Server:
    """Where the load goes, and what it trusts."""

    address: str
    port: int
    domain: str
    tls: ssl.SSLContext


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
        salted = hashlib.pbkdf2_hmac(self._hash, self._password.encode(), salt, rounds)
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


class Client:
    """One logged-in account."""

    def __init__(self, server: Server, name: str, password: str) -> None:
        self.jid = f"{name}@{server.domain}"
        self.on_message: Callable[[Element], None] = lambda _message: None
        self._server = server
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
        self._reader, self._writer = await asyncio.open_connection(
            self._server.address, self._server.port, ssl=self._server.tls, server_hostname=self._server.domain
        )
        self._reading = asyncio.create_task(self._read())
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

    async def logout(self) -> None:
        self._reading.cancel()
        self._writer.write(b"</stream:stream>")
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def send(self, stanza: str) -> None:
        if self._reading.done():
            self._reading.result()
        self._writer.write(stanza.encode())

    async def request(self, kind: str, payload: str, to: str = "") -> Element:
        """Send an IQ and return its answer's payload (the whole answer when it has none)."""
        identity = f"iq{next(self._ids)}"
        self._answers[identity] = asyncio.get_running_loop().create_future()
        addressed = f" to={quoteattr(to)}" if to else ""
        self.send(f"<iq type='{kind}' id='{identity}'{addressed}>{payload}</iq>")
        answer = await self._before_closing(self._answers[identity])
        if answer.get("type") == "error":
            raise LoadError(f"{self.jid}: {payload} was answered with {_conditions(answer)}")
        return next(iter(answer), answer)

    async def _open_stream(self) -> Element:
        self._parser, self._depth = _parser(), 0
        self._writer.write(
            f"<?xml version='1.0'?><stream:stream to={quoteattr(self._server.domain)} version='1.0' xml:lang='en'"
            " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>".encode()
        )
        return await self._stanza()

    async def _authenticate(self, features: Element) -> None:
        offered = {mechanism.text for mechanism in features.iter(f"{SASL}mechanism")}
        mechanism = next((name for name in SCRAM_HASHES if name in offered), None)
        if mechanism is None:
            raise LoadError(f"{self._server.domain} offers no SCRAM mechanism, only {sorted(map(str, offered))}")
        scram = Scram(mechanism, self._name, self._password)
        namespace = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
        self.send(f"<auth {namespace} mechanism='{mechanism}'>{_encode(scram.first())}</auth>")
        challenge = await self._stanza()
        if challenge.tag != f"{SASL}challenge":
            raise LoadError(f"{self.jid}: {mechanism} was answered with {_conditions(challenge)}")
        self.send(f"<response {namespace}>{_encode(scram.final(_decode(challenge)))}</response>")
        success = await self._stanza()
        if success.tag != f"{SASL}success":
            raise LoadError(f"{self.jid}: the login was refused with {_conditions(success)}")
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
        while data := await self._reader.read(65536):
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
            raise LoadError(f"{self.jid}: stream error {_conditions(element)}")
        if element.tag == f"{SM}r":
            self.send(f"<a xmlns='urn:xmpp:sm:3' h='{self._handled}'/>")
            return
        if element.tag == f"{SM}a":
            return
        if not self._live or not element.tag.startswith(CLIENT):
            self._stanzas.put_nowait(element)
            return
        if self._handled is not None:
            self._handled += 1
        if element.tag == f"{CLIENT}message":
            self.on_message(element)
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


class Load:
    """Messages between clients in a ring, each to the next, and the clock that watches them."""

    def __init__(self, clients: list[Client], body: str) -> None:
        self._clients = clients
        self._body = escape(body)
        self._ids = itertools.count()
        self._sent: dict[str, tuple[int, float]] = {}
        self._latencies: list[float] = []
        self._refusals: list[str] = []
        self._recording = False
        self._refill = False
        self._drained = asyncio.Event()
        for client in clients:
            client.on_message = self._arrived

    async def closed_loop(self, in_flight: int, warmup: float, window: float) -> dict[str, Any]:
        """Each client sends its next message when one of its own has arrived."""
        self._refill = True
        for _ in range(in_flight):
            for sender in range(len(self._clients)):
                self._send(sender, time.perf_counter())
        return await self._measure(warmup, window)

    async def offered_rate(self, rate: float, warmup: float, window: float) -> dict[str, Any]:
        """A fixed number of messages a second, whatever arrives: latency counts from the moment a message was due."""
        self._refill = False
        offering = asyncio.create_task(self._offer(rate))
        result = await self._measure(warmup, window, offering)
        return {"offered_per_second": rate, **result}

    async def _offer(self, rate: float) -> None:
        start = time.perf_counter()
        for number in itertools.count():
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._send(number % len(self._clients), due)

    async def _measure(
        self, warmup: float, window: float, offering: asyncio.Task[None] | None = None
    ) -> dict[str, Any]:
        await asyncio.sleep(warmup)
        self._latencies, self._recording = [], True
        began, cpu = time.perf_counter(), _own_cpu()
        await asyncio.sleep(window)
        self._recording = False
        took, cpu = time.perf_counter() - began, _own_cpu() - cpu
        self._refill = False
        if offering is not None:
            if offering.done():
                offering.result()
            offering.cancel()
        if self._sent:
            self._drained.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), DRAIN_SECONDS)
        lost, self._sent = len(self._sent), {}
        if self._refusals:
            raise LoadError(f"{len(self._refusals)} messages were refused, the first with {self._refusals[0]}")
        return {
            "messages": len(self._latencies),
            "per_second": round(len(self._latencies) / took, 1),
            "p50_ms": round(percentile(self._latencies, 0.50) * 1000, 2),
            "p99_ms": round(percentile(self._latencies, 0.99) * 1000, 2),
            "lost": lost,
            "generator_cpu": round(cpu / took, 2),
        }

    def _send(self, sender: int, due: float) -> None:
        identity = f"m{next(self._ids)}"
        self._sent[identity] = (sender, due)
        receiver = self._clients[(sender + 1) % len(self._clients)].jid
        self._clients[sender].send(
            f"<message type='chat' id='{identity}' to={quoteattr(receiver)}><body>{self._body}</body></message>"
            f"<r xmlns='{SM[1:-1]}'/>"
        )

    def _arrived(self, message: Element) -> None:
        if message.get("type") == "error":
            self._refusals.append(_conditions(message))
            return
        entry = self._sent.pop(message.get("id", ""), None)
        if entry is None:
            return
        sender, due = entry
        now = time.perf_counter()
        if self._recording:
            self._latencies.append(now - due)
        if self._refill:
            self._send(sender, now)
        elif not self._sent:
            self._drained.set()


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank); no values: endless."""
    if not values:
        return float("inf")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def login_all(server: Server, names: list[str], password: str) -> list[Client]:
    """Log in a few at a time, as people do: the login is not what is measured."""
    gate = asyncio.Semaphore(SIMULTANEOUS_LOGINS)
    clients = [Client(server, name, password) for name in names]

    async def one(client: Client) -> None:
        async with gate, asyncio.timeout(60):
            await client.login()

    await asyncio.gather(*(one(client) for client in clients))
    return clients


async def converse(clients: list[Client]) -> None:
    """Let each have written to whom it will hear from: strangers whom nobody answers may not write as much."""
    heard = [asyncio.Event() for _ in clients]
    for client, event in zip(clients, heard, strict=True):
        client.on_message = functools.partial(lambda event, _message: event.set(), event)
    for client, before in zip(clients, clients[-1:] + clients[:-1], strict=True):
        client.send(f"<message type='chat' to={quoteattr(before.jid)}><body>Write to me!</body></message>")
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in heard))


async def messages(server: Server, names: list[str], arguments: argparse.Namespace) -> None:
    began = time.perf_counter()
    clients = await login_all(server, names, arguments.password)
    result: dict[str, Any] = {"clients": len(clients), "login_seconds": round(time.perf_counter() - began, 2)}
    await converse(clients)
    load = Load(clients, "Good morning! " * 8)
    result["offered"] = await load.offered_rate(arguments.rate, arguments.warmup, arguments.window)
    result["closed"] = await load.closed_loop(arguments.in_flight, arguments.warmup, arguments.window)
    await asyncio.gather(*(client.logout() for client in clients))
    print(json.dumps(result))


async def idle(server: Server, names: list[str], arguments: argparse.Namespace) -> None:
    """Log everybody in, say so, and stay until standard input ends."""
    clients = await login_all(server, names, arguments.password)
    print(json.dumps({"sessions": len(clients)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for client in clients:
        client.send("<presence/>")
    await asyncio.gather(*(client.logout() for client in clients))


def _parser() -> XMLPullParser[Element]:
    return XMLPullParser(["start", "end"])


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decode(element: Element) -> str:
    return base64.b64decode(element.text or "").decode()


def _conditions(element: Element) -> str:
    """The local names and texts inside an error, for a message to a person."""
    inside = [part for part in element.iter() if part is not element]
    return ", ".join(part.tag.rpartition("}")[2] + (f" ({part.text})" if part.text else "") for part in inside)


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """What each of the load generators needs to know to log in."""
    parser.add_argument("--address", required=True, help="IP address of the server's container")
    parser.add_argument("--port", type=int, default=5223, help="direct TLS port (default: %(default)s)")
    parser.add_argument("--domain", required=True, help="XMPP domain")
    parser.add_argument("--ca", required=True, help="PEM file that the server's certificate is verified with")
    parser.add_argument("--password", required=True, help="password of every load account")


def server_of(arguments: argparse.Namespace) -> Server:
    context = ssl.create_default_context(cafile=arguments.ca)
    return Server(arguments.address, arguments.port, arguments.domain, context)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["messages", "idle"])
    add_server_arguments(parser)
    parser.add_argument("--accounts", type=int, default=100, help="how many of load0, load1 … (default: %(default)s)")
    parser.add_argument("--in-flight", type=int, default=1, help="messages each client keeps under way, closed loop")
    parser.add_argument("--rate", type=float, default=100, help="messages a second, open loop (default: %(default)s)")
    parser.add_argument("--warmup", type=float, default=2, help="seconds before a window (default: %(default)s)")
    parser.add_argument("--window", type=float, default=7, help="seconds measured (default: %(default)s)")
    arguments = parser.parse_args()
    names = [f"load{number}" for number in range(arguments.accounts)]
    run = messages if arguments.what == "messages" else idle
    try:
        asyncio.run(run(server_of(arguments), names, arguments))
    except (LoadError, OSError, TimeoutError) as failure:
        print(f"xmppload: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
