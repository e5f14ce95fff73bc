# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of STUN and TURN (RFC 8489, RFC 8656): for the checks, and for the programs on the host."""

from __future__ import annotations

import hmac
import ipaddress
import struct

COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH = 0x001, 0x003, 0x004
BINDING_SUCCESS = 0x101
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
    """Return the attributes of a message, but for one that is truncated."""
    found: dict[int, bytes] = {}
    at = 20
    while at + 4 <= len(message):
        number, length = struct.unpack_from("!HH", message, at)
        if at + 4 + length <= len(message):
            found.setdefault(number, message[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return found


def xor_address(value: bytes, identity: bytes) -> str:
    """Return the address in an XOR-…-ADDRESS."""
    mask = struct.pack("!I", COOKIE) + identity
    return str(ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))))
