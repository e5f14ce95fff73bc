# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of STUN and TURN over UDP (RFC 8489, RFC 8656)."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import struct
from typing import Any, cast

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH = 0x001, 0x003, 0x004
MAPPED, RELAYED, USERNAME, INTEGRITY, ERROR, LIFETIME = 0x0020, 0x0016, 0x0006, 0x0008, 0x0009, 0x000D
REALM, NONCE, REQUESTED_TRANSPORT = 0x0014, 0x0015, 0x0019
UDP = b"\x11\0\0\0"


def stun_message(kind: int, identity: bytes, attributes: list[tuple[int, bytes]], key: bytes = b"") -> bytes:
    """Return a request; with a key, it ends with MESSAGE-INTEGRITY."""
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + b"\0" * (-len(value) % 4) for number, value in attributes
    )
    if not key:
        return struct.pack("!HHI", kind, len(body), COOKIE) + identity + body
    head = struct.pack("!HHI", kind, len(body) + 24, COOKIE) + identity
    return head + body + struct.pack("!HH", INTEGRITY, 20) + hmac.digest(key, head + body, "sha1")


def stun_attributes(message: bytes) -> dict[int, bytes]:
    """Return the attributes of a message."""
    found: dict[int, bytes] = {}
    at = 20
    while at + 4 <= len(message):
        number, length = struct.unpack_from("!HH", message, at)
        found.setdefault(number, message[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return found


def xor_address(value: bytes, identity: bytes) -> str:
    """Return the address in an XOR-…-ADDRESS."""
    mask = struct.pack("!I", COOKIE) + identity
    return str(ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))))


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
