# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on the neighbour. Opens many connections, says on each what it was told, and then as good as nothing.

Argument: {"address", "seconds", "crowds": [{"port", "count", "first": text sent at once (latin-1), "drip": text sent
each second}]}. Waits until the server has closed them all, but no longer than so many seconds; or, if none are given,
says how many are connected and waits until its input ends. Prints what became of each crowd, in their order:
[{"connected", "closed", "seconds": to the last}].
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from typing import Any

AT_ONCE = 200
SECONDS = 60


class Crowd:
    """The connections."""

    def __init__(self, address: str, wanted: dict[str, Any]) -> None:
        self.address = address
        self.wanted = wanted
        self.open: set[asyncio.StreamWriter] = set()
        self.connected, self.closed = 0, 0
        self.began = self.last = time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def join(self) -> None:
        """One connection more, unless it is refused."""
        async with self._gate:
            try:
                async with asyncio.timeout(SECONDS):
                    reader, writer = await asyncio.open_connection(self.address, self.wanted["port"])
            except OSError:
                return
        self.connected += 1
        self.open.add(writer)
        writer.write(self.wanted.get("first", "").encode("latin-1"))
        self._tasks.add(asyncio.create_task(self._stay(reader, writer)))

    async def _stay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the server has enough; what it says is read and dropped."""
        try:
            while await reader.read(65536):
                pass
        except OSError:
            pass
        self.closed += 1
        self.last = time.monotonic()
        self.open.discard(writer)
        writer.close()

    def drip(self) -> None:
        """A little more, on each that is still open."""
        for writer in list(self.open):
            writer.write(self.wanted.get("drip", "").encode())

    def result(self) -> dict[str, float]:
        """What became of it."""
        return {"connected": self.connected, "closed": self.closed, "seconds": round(self.last - self.began, 1)}


async def main() -> None:
    """Connect, hold, count."""
    wanted = json.loads(sys.argv[1])
    crowds = [Crowd(wanted["address"], crowd) for crowd in wanted["crowds"]]
    began = time.monotonic()
    await asyncio.gather(*(crowd.join() for crowd in crowds for _ in range(crowd.wanted["count"])))
    if "seconds" not in wanted:
        print(sum(crowd.connected for crowd in crowds), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    while any(crowd.open for crowd in crowds) and time.monotonic() < began + wanted.get("seconds", 0):
        await asyncio.sleep(1)
        for crowd in crowds:
            crowd.drip()
    print(json.dumps([crowd.result() for crowd in crowds]), flush=True)


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asyncio.run(main())
