# SPDX-License-Identifier: GPL-3.0-or-later
"""People who are there, who log in and out, and who come back when the server has been away."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from typing import Any

from tests.load.client import SIMULTANEOUS_LOGINS, Client, login_all, logout_all
from tests.load.figures import figures, own_cpu
from tests.load.transport import LoadError, Server

PAUSE = 1.0  # seconds at most, drawn at random, before each attempt to come back
ATTEMPT_SECONDS = 60
ALL_SECONDS = 300


async def idle(server: Server, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Log everybody in, say so, and stay until standard input ends."""
    clients = await login_all(server, names, arguments.password)
    _say_how_many(clients)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for client in clients:
        client.send("<presence/>")
    await logout_all(clients)
    return {"sessions": len(clients)}


async def logins(server: Server, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Log in and out, a few at a time, each account by itself. The first login of each is not measured.

    What has begun within the window counts, and the time until all of it is done: a window is never without a login.
    """
    clients = await login_all(server, names, arguments.password)
    await logout_all(clients)
    latencies: list[float] = []
    began, cpu = time.perf_counter(), own_cpu()
    until = began + arguments.window

    async def some(mine: list[str]) -> None:
        for name in itertools.cycle(mine):
            client = Client(server, name, arguments.password)
            start = time.perf_counter()
            if start > until:
                return
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await client.login()
            latencies.append(time.perf_counter() - start)
            await client.logout()

    await asyncio.gather(*(some(names[number::SIMULTANEOUS_LOGINS]) for number in range(SIMULTANEOUS_LOGINS)))
    took = time.perf_counter() - began
    return {"mechanism": clients[0].mechanism, **figures(latencies, took, own_cpu() - cpu)}


async def come_back(server: Server, names: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Log everybody in and say so; when the server goes, come back, as often as it takes.

    A failure is an attempt that began when somebody was online again, and did not succeed: the server was there.
    online_at is by the machine's clock that only goes forward, which other programs on it have as well.
    """
    clients = await login_all(server, names, arguments.password)
    _say_how_many(clients)
    ended: list[float] = []
    online: list[float] = []
    failures: list[str] = []

    async def one(client: Client, name: str) -> Client:
        await client.ended()
        ended.append(time.monotonic())
        while True:
            await asyncio.sleep(random.uniform(0, PAUSE))
            client, began = Client(server, name, arguments.password), time.monotonic()
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await client.login()
            except (LoadError, OSError, TimeoutError) as failure:
                if online and began > min(online):
                    failures.append(f"{type(failure).__name__}: {failure}")
            else:
                online.append(time.monotonic())
                return client

    cpu = own_cpu()
    async with asyncio.timeout(ALL_SECONDS):
        back = await asyncio.gather(*(one(*pair) for pair in zip(clients, names, strict=True)))
    last = max(online)
    await logout_all(back)
    return {
        "clients": len(back),
        "failures": len(failures),
        "kinds": sorted(set(failures))[:5],
        "away_seconds": round(min(online) - min(ended), 2),
        "login_seconds": round(last - min(online), 2),
        "online_at": last,
        "generator_cpu_seconds": round(own_cpu() - cpu, 1),
    }


def _say_how_many(clients: list[Client]) -> None:
    print(json.dumps({"sessions": len(clients)}), flush=True)
