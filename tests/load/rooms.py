# SPDX-License-Identifier: GPL-3.0-or-later
"""A room (XEP-0045) in which people speak in turn, and everybody hears everything."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import secrets
import time
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from tests.load.client import Client, conditions, login_all, logout_all
from tests.load.figures import figures, own_cpu
from tests.load.ring import written
from tests.load.transport import LoadError, Server

MUC = "http://jabber.org/protocol/muc"
SIMULTANEOUS_ENTRIES = 10
ENTER_SECONDS = 300
# Of one occupant: fewer than one person may say at once.
MESSAGES_EACH = 50


async def rooms(server: Server, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    clients = await login_all(server, names, arguments.password)
    room = Room(clients, f"bench{secrets.token_hex(4)}@{arguments.rooms}")
    began = time.perf_counter()
    async with asyncio.timeout(ENTER_SECONDS):
        await room.enter()
    entered = time.perf_counter() - began
    result = await room.speak(arguments.in_flight, arguments.warmup, arguments.window)
    await logout_all(clients)
    return {"occupants": len(clients), "enter_seconds": round(entered, 2), **result}


class Room:
    """Occupants, what they say, and the clock that watches it."""

    def __init__(self, occupants: list[Client], address: str) -> None:
        self._occupants = occupants
        self._address = address
        self._seen: list[set[str]] = [set() for _ in occupants]
        self._inside = [asyncio.Event() for _ in occupants]
        self._complete = [asyncio.Event() for _ in occupants]
        self._ids = itertools.count()
        # When each message was sent, and how many have not heard it yet.
        self._sent: dict[str, tuple[float, int]] = {}
        self._latencies: list[float] = []
        self._refused: LoadError | None = None
        self._speaking = self._recording = False
        self._silent = asyncio.Event()
        for number, occupant in enumerate(occupants):
            occupant.on_presence = functools.partial(self._see, number)
            occupant.on_message = self._hear

    async def enter(self) -> None:
        """The first one makes the room. Everybody is in it when everybody has seen everybody."""
        gate = asyncio.Semaphore(SIMULTANEOUS_ENTRIES)

        async def one(number: int) -> None:
            async with gate:
                to = quoteattr(f"{self._address}/{number}")
                self._occupants[number].send(f"<presence to={to}><x xmlns='{MUC}'/></presence>")
                await self._unless_refused(self._inside[number])

        await one(0)
        form = "<x xmlns='jabber:x:data' type='submit'/>"
        await self._occupants[0].request("set", f"<query xmlns='{MUC}#owner'>{form}</query>", self._address)
        await asyncio.gather(*(one(number) for number in range(1, len(self._occupants))))
        await asyncio.gather(*(self._unless_refused(complete) for complete in self._complete))

    async def speak(self, in_flight: int, warmup: float, window: float) -> dict[str, Any]:
        """The next one speaks when everybody has heard a message; so many are under way at once."""
        self._speaking = True
        for _ in range(in_flight):
            self._say()
        await asyncio.sleep(warmup)
        self._latencies, self._recording = [], True
        began, cpu = time.perf_counter(), own_cpu()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(window):
                await self._unless_refused(self._silent)
        self._recording = self._speaking = False
        took, cpu = time.perf_counter() - began, own_cpu() - cpu
        return figures(self._latencies, took, cpu)

    def _say(self) -> None:
        number = next(self._ids)
        if not self._speaking or number >= MESSAGES_EACH * len(self._occupants):
            self._silent.set()
            return
        identity = f"room{number}"
        self._sent[identity] = (time.perf_counter(), len(self._occupants))
        self._occupants[number % len(self._occupants)].send(*written(self._address, identity, "groupchat"))

    def _hear(self, message: Element) -> None:
        if message.get("type") == "error":
            self._refuse(f"a message to the room was refused with {conditions(message)}")
        identity = message.get("id", "")
        if identity not in self._sent:
            return
        sent, left = self._sent.pop(identity)
        if self._recording:
            self._latencies.append(time.perf_counter() - sent)
        if left > 1:
            self._sent[identity] = (sent, left - 1)
        else:
            self._say()

    def _see(self, number: int, presence: Element) -> None:
        room, _, nick = presence.get("from", "").partition("/")
        if room != self._address:
            return
        if presence.get("type") == "error":
            self._refuse(f"entering the room was refused with {conditions(presence)}")
        elif presence.get("type") is None:
            self._seen[number].add(nick)
            if nick == str(number):
                self._inside[number].set()
            if len(self._seen[number]) == len(self._occupants):
                self._complete[number].set()

    def _refuse(self, reason: str) -> None:
        self._refused = LoadError(reason)
        for event in [self._silent, *self._inside, *self._complete]:
            event.set()

    async def _unless_refused(self, event: asyncio.Event) -> None:
        await event.wait()
        if self._refused is not None:
            raise self._refused
