# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on the neighbour. Opens many connections, says on each what it was told, and then as good as nothing.

Argument: {"address", "port", "count", "first": text sent at once (latin-1), "drip": text sent each second, "seconds"}.
Waits until the server has closed them all, but no longer than so many seconds; or, if none are given, says how many are
connected and waits until its input ends. Prints what became of them: {"connected", "closed", "seconds": to the last}.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time

AT_ONCE = 200
SECONDS = 20


class Crowd:
    """The connections."""

    def __init__(self, wanted: dict[str, str]) -> None:
        self.wanted = wanted
        self.open: set[asyncio.StreamWriter] = set()
        self.connected, self.closed, self.last = 0, 0, time.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def join(self) -> None:
        """One connection more, unless it is refused."""
        async with self._gate:
            try:
                async with asyncio.timeout(SECONDS):
                    reader, writer = await asyncio.open_connection(self.wanted["address"], self.wanted["port"])
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


async def main() -> None:
    """Connect, hold, count."""
    wanted = json.loads(sys.argv[1])
    crowd = Crowd(wanted)
    began = time.monotonic()
    await asyncio.gather(*(crowd.join() for _ in range(wanted["count"])))
    if "seconds" not in wanted:
        print(crowd.connected, flush=True)
        await asyncio.to_thread(sys.stdin.read)
    while crowd.open and time.monotonic() < began + wanted.get("seconds", 0):
        await asyncio.sleep(1)
        for writer in list(crowd.open):
            if wanted.get("drip"):
                writer.write(wanted["drip"].encode())
    result = {"connected": crowd.connected, "closed": crowd.closed, "seconds": round(crowd.last - began, 1)}
    print(json.dumps(result), flush=True)


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asyncio.run(main())
