# SPDX-License-Identifier: GPL-3.0-or-later
"""Upload and download through the service's checks and past them, in turns, and say how long each took.

Run by script/bench, only ever against the bench's own container. "service" are slots that ejabberd hands out for an
account (XEP-0363), "plain" is a server block of the same nginx that stores whatever it is sent. Both get the same
bytes over the same TLS from the same threads, one connection for each file. The answer is JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import secrets
import socket
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.load.client import Client, add_server_arguments, server_of
from tests.load.transport import LoadError, Server

SLOT = "{urn:xmpp:http:upload:0}"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Slot:
    """Where one file is written to and read from."""

    put: str
    get: str


@dataclass(frozen=True)
class Batch:
    """Files of one size, how many of them at once, and how often: all turns stay below an account's quota."""

    name: str
    files: int
    size: int
    at_once: int
    turns: int


BATCHES = [
    Batch("1 file of 100 MB", 1, 100_000_000, 1, 5),
    Batch("300 files of 100 kB", 300, 100_000, 8, 11),
]


class Connection(http.client.HTTPSConnection):
    """A connection to the container's address under the name that its certificate has."""

    def __init__(self, address: str, port: int, name: str, tls: ssl.SSLContext) -> None:
        super().__init__(address, port, context=tls, timeout=120)
        self._name = name
        self._tls = tls

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=120)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)


class Files:
    """The same bytes, written to and read from wherever a slot says."""

    def __init__(self, address: str, port: int, name: str, tls: ssl.SSLContext) -> None:
        self._address, self._port, self._name, self._tls = address, port, name, tls
        self._bytes = memoryview(os.urandom(max(batch.size for batch in BATCHES)))

    def put(self, slot: Slot, size: int) -> None:
        self._exchange("PUT", slot.put, self._bytes[:size], 201)

    def get(self, slot: Slot, size: int) -> None:
        received = self._exchange("GET", slot.get, None, 200)
        if received != size:
            raise LoadError(f"{slot.get} has {received} bytes instead of {size}")

    def _exchange(self, method: str, url: str, body: memoryview | None, expected: int) -> int:
        parts = urlsplit(url)
        connection = Connection(self._address, self._port, self._name, self._tls)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            headers = {"Host": parts.netloc, "Content-Type": "application/octet-stream"}
            if body is not None:
                headers["Content-Length"] = str(len(body))
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            if answer.status != expected:
                raise LoadError(f"{method} {url} was answered with {answer.status}: {answer.read(200)!r}")
            buffer, received = bytearray(CHUNK), 0
            while count := answer.readinto(buffer):
                received += count
            return received
        finally:
            connection.close()


async def request_slots(server: Server, account: str, password: str, service: str, batch: Batch) -> list[Slot]:
    client = Client(server, account, password)
    await client.login()
    slots = []
    for number in range(batch.files):
        answer = await client.request(
            "get",
            f"<request xmlns='urn:xmpp:http:upload:0' filename='{number}.bin' size='{batch.size}'"
            " content-type='application/octet-stream'/>",
            to=service,
        )
        put, get = answer.find(f"{SLOT}put"), answer.find(f"{SLOT}get")
        if put is None or get is None:
            raise LoadError(f"{service} answered without a slot")
        slots.append(Slot(put.get("url", ""), get.get("url", "")))
    await client.logout()
    return slots


def timed(action: Callable[[Slot, int], None], slots: list[Slot], batch: Batch) -> float:
    """Seconds that a batch takes; what earlier batches left to be written to the disk is written before."""
    os.sync()
    with ThreadPoolExecutor(batch.at_once) as pool:
        began = time.perf_counter()
        for _ in pool.map(action, slots, [batch.size] * len(slots)):
            pass
        return time.perf_counter() - began


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    server = server_of(arguments)
    files = Files(arguments.address, arguments.https_port, arguments.upload_domain, server.tls)
    results = []
    for batch in BATCHES:
        for turn in range(1 if arguments.quick else batch.turns):
            service = asyncio.run(
                request_slots(server, arguments.account, arguments.password, arguments.upload_domain, batch)
            )
            # Laid out as the service does it: a directory for each file.
            base = f"https://{arguments.plain_name}/upload/{secrets.token_hex(20)}"
            urls = [f"{base}/{secrets.token_hex(20)}/{number}.bin" for number in range(batch.files)]
            plain = [Slot(url, url) for url in urls]
            sides = [("service", service), ("plain", plain)]
            # Who goes first changes from turn to turn.
            for name, slots in sides if turn % 2 == 0 else reversed(sides):
                put, get = timed(files.put, slots, batch), timed(files.get, slots, batch)
                results.append({"batch": batch.name, "side": name, "put_seconds": put, "get_seconds": get})
    return results


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """What whoever uploads needs to know."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_server_arguments(parser)
    parser.add_argument("--account", required=True, help="account that asks for the slots")
    parser.add_argument("--upload-domain", required=True, help="the upload service, and the name in the certificate")
    return parser


def report(name: str, measured: Callable[[], Any]) -> int:
    """Print what was measured, or what went wrong with the program *name*; return its exit code."""
    try:
        print(json.dumps(measured()))
    except (LoadError, OSError, http.client.HTTPException, TimeoutError) as failure:
        print(f"{name}: {type(failure).__name__}: {failure}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--https-port", type=int, default=443, help="(default: %(default)s)")
    parser.add_argument("--plain-name", required=True, help="host name of the server block without checks")
    parser.add_argument("--quick", action="store_true", help="one turn of each batch: to see that it works")
    arguments = parser.parse_args()
    return report("uploadload", lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
