# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on the neighbour, which stands for a machine in the operator's network. Notes what reaches it by UDP on a port,
and who connects to it by TCP, until its input ends.

Argument: {"port"}. Prints a line as it begins, and at the end a JSON list of texts.
"""

from __future__ import annotations

import asyncio
import json
import sys


class Receiver(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        HEARD.append(data.decode("latin-1"))


async def main() -> None:
    """Listen on all addresses, of both kinds."""
    port = json.loads(sys.argv[1])["port"]
    loop = asyncio.get_running_loop()
    # Without IPV6_V6ONLY, as datagrams are by default, "::" is both kinds.
    await loop.create_datagram_endpoint(Receiver, local_addr=("::", port))
    for address in ("0.0.0.0", "::"):
        await asyncio.start_server(lambda _, writer: HEARD.append("connection"), address, port)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(HEARD), flush=True)


HEARD: list[str] = []
asyncio.run(main())
