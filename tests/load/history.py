# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an archive (XEP-0313) page by page (XEP-0059), as an app does that has been away."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from tests.load.client import Client, conditions, login_all, logout_all
from tests.load.figures import figures, own_cpu
from tests.load.ring import converse, written
from tests.load.transport import LoadError, Server

MAM = "urn:xmpp:mam:2"
RSM = "http://jabber.org/protocol/rsm"
IN_FLIGHT = 50
SECONDS = 60  # for each answer


async def history(server: Server, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Fill the archive up to so many messages, then read them. The figures of latency are those of pages."""
    pair = await login_all(server, names[:2], arguments.password)
    if await _count(pair[0]) == 0:
        await converse(pair)
    began = time.perf_counter()
    await _write(pair, arguments.messages - await _count(pair[0]))
    filled = time.perf_counter() - began
    began, cpu = time.perf_counter(), own_cpu()
    pages = await _read(pair[0], arguments.messages, arguments.page)
    took, cpu = time.perf_counter() - began, own_cpu() - cpu
    await logout_all(pair)
    return {"messages": arguments.messages, "fill_seconds": round(filled, 1), "seconds": took} | figures(
        pages, took, cpu
    )


async def _write(pair: list[Client], number: int) -> None:
    """Messages to and fro, some of them under way at a time, until all have arrived."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    refused: list[str] = []

    def arrived(message: Element) -> None:
        if message.get("type") == "error":
            refused.append(conditions(message))
        gate.release()

    async def wait() -> None:
        async with asyncio.timeout(SECONDS):
            await gate.acquire()
        if refused:
            raise LoadError(f"a message was refused with {refused[0]}")

    for client in pair:
        client.on_message = arrived
    for turn in range(number):
        await wait()
        pair[turn % 2].send(*written(pair[1 - turn % 2].jid, f"h{turn}"))
    for _ in range(IN_FLIGHT):
        await wait()


async def _page(client: Client, size: int, after: str = "") -> tuple[float, Element]:
    behind = f"<after>{escape(after)}</after>" if after else ""
    query = f"<query xmlns='{MAM}'><set xmlns='{RSM}'><max>{size}</max>{behind}</set></query>"
    began = time.perf_counter()
    async with asyncio.timeout(SECONDS):
        end = await client.request("set", query)
    return time.perf_counter() - began, end


async def _count(client: Client) -> int:
    _, end = await _page(client, 0)
    return int(end.findtext(f".//{{{RSM}}}count") or 0)


async def _read(client: Client, number: int, size: int) -> list[float]:
    """From the first message on; how long each page took."""
    found: list[Element] = []
    client.on_message = found.append
    pages, after = [], ""
    while len(found) < number:
        took, end = await _page(client, size, after)
        pages.append(took)
        after = end.findtext(f".//{{{RSM}}}last") or ""
        if end.get("complete") == "true" or not after:
            break
    if len(found) < number:
        raise LoadError(f"{client.jid}: the archive has {len(found)} messages in place of {number}")
    return pages
