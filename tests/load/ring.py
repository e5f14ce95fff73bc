# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between clients in a ring, each to the next, who has written before."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import time
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from tests.load.client import Client, conditions, login_all, logout_all
from tests.load.figures import figures, own_cpu
from tests.load.transport import LoadError, Server

BODY = "Good morning! " * 8
DRAIN_SECONDS = 30
ACKNOWLEDGE = "<r xmlns='urn:xmpp:sm:3'/>"


def written(to: str, identity: str, kind: str = "chat") -> tuple[str, str]:
    """A message, and the question whether it has arrived at the server."""
    body = escape(BODY)
    return f"<message type='{kind}' id='{identity}' to={quoteattr(to)}><body>{body}</body></message>", ACKNOWLEDGE


async def converse(clients: list[Client]) -> None:
    """Let each have written to whom it will hear from: strangers whom nobody answers may not write as much."""
    heard = [asyncio.Event() for _ in clients]
    for client, event in zip(clients, heard, strict=True):
        client.on_message = functools.partial(lambda event, _message: event.set(), event)
    for client, before in zip(clients, clients[-1:] + clients[:-1], strict=True):
        client.send(f"<message type='chat' to={quoteattr(before.jid)}><body>Write to me!</body></message>")
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in heard))


async def messages(server: Server, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    began = time.perf_counter()
    clients = await login_all(server, names, arguments.password)
    result: dict[str, Any] = {"clients": len(clients), "login_seconds": round(time.perf_counter() - began, 2)}
    await converse(clients)
    load = Load(clients)
    if arguments.rate:
        result["offered"] = await load.offered_rate(arguments.rate, arguments.warmup, arguments.window)
    result["closed"] = await load.closed_loop(arguments.in_flight, arguments.warmup, arguments.window)
    await logout_all(clients)
    return result


class Load:
    """The messages, and the clock that watches them."""

    def __init__(self, clients: list[Client]) -> None:
        self._clients = clients
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
        began, cpu = time.perf_counter(), own_cpu()
        await asyncio.sleep(window)
        self._recording = False
        took, cpu = time.perf_counter() - began, own_cpu() - cpu
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
        return {**figures(self._latencies, took, cpu), "lost": lost}

    def _send(self, sender: int, due: float) -> None:
        identity = f"m{next(self._ids)}"
        self._sent[identity] = (sender, due)
        receiver = self._clients[(sender + 1) % len(self._clients)].jid
        self._clients[sender].send(*written(receiver, identity))

    def _arrived(self, message: Element) -> None:
        if message.get("type") == "error":
            self._refusals.append(conditions(message))
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
