# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of STUN and TURN over UDP."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, cast

from ansible_collections.conexizan.xmpp.plugins.module_utils.stun import stun_attributes, stun_message


class Relay(asyncio.DatagramProtocol):
    """A STUN and TURN client over UDP."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Pass a response to the request with its transaction ID."""
        future = self.waiting.pop(data[8:20], None)
        if future and not future.done():
            future.set_result(data)

    async def request(
        self, kind: int, attributes: list[tuple[int, bytes]], key: bytes = b""
    ) -> tuple[bool, dict[int, bytes], bytes]:
        """Return whether it succeeded, the response's attributes and transaction ID; raises TimeoutError."""
        identity = secrets.token_bytes(12)
        message = stun_message(kind, identity, attributes, key)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.waiting[identity] = future
        for seconds in (0.5, 1.0, 2.0):  # a lost datagram is sent again
            cast("asyncio.DatagramTransport", self.transport).sendto(message)
            done, _ = await asyncio.wait([future], timeout=seconds)
            if done:
                data = future.result()
                return not data[0] & 0x01 or not data[1] & 0x10, stun_attributes(data), identity
        raise TimeoutError
