# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes and uploads by a port in front of the web servers, and by their own, in turns.

Run by script/bench, only ever against the bench's own container. Both ports lead to the same servers of the same
nginx; every handshake is a full one. The answer is JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.load.client import server_of
from tests.load.uploadload import Batch, Connection, Files, parser_of, report, request_slots, timed

AT_ONCE = 4


def handshakes(arguments: argparse.Namespace, port: int) -> float:
    """How many there are in a second, without a request after them."""
    tls = server_of(arguments).tls

    def until(end: float) -> int:
        done = 0
        while time.perf_counter() < end:
            connection = Connection(arguments.address, port, arguments.upload_domain, tls)
            connection.connect()
            connection.close()
            done += 1
        return done

    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.perf_counter()
        done = sum(pool.map(until, [began + arguments.window] * AT_ONCE))
        return done / (time.perf_counter() - began)


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    server = server_of(arguments)
    ports = {"one port": arguments.one_port, "own port": arguments.own_port}
    files = {side: Files(arguments.address, port, arguments.upload_domain, server.tls) for side, port in ports.items()}
    batch = Batch("upload", 1, arguments.size, 1, arguments.turns)
    results = []
    for turn in range(batch.turns):
        # Who goes first changes from turn to turn.
        for side in sorted(ports, reverse=turn % 2 == 1):
            rate = handshakes(arguments, ports[side])
            slots = asyncio.run(
                request_slots(server, arguments.account, arguments.password, arguments.upload_domain, batch)
            )
            spent = timed(files[side].put, slots, batch)
            results.append({"side": side, "handshakes": rate, "bytes": batch.size / spent})
    return results


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--one-port", type=int, required=True, help="port that hands over to the web servers")
    parser.add_argument("--own-port", type=int, default=443, help="that of the web servers (default: %(default)s)")
    parser.add_argument("--size", type=int, default=50_000_000, help="bytes of a file (default: %(default)s)")
    parser.add_argument("--window", type=float, default=1.2, help="seconds of handshakes (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=8, help="turns of both sides (default: %(default)s)")
    arguments = parser.parse_args()
    return report("portload", lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
