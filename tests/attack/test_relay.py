# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay and the file proxy as a way into the operator's network: a neighbour there hears nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import struct

import pytest
from aioice import stun

from ..kit.clients import login
from ..kit.service import PATIENCE, Register, Service
from ..kit.turn import Credentials, credentials_of, relay
from .neighbour import Neighbour

PORT = 4242


def notations(four: str, six: str) -> list[str]:
    """All the ways to say an IPv4 address in an IPv6 one (RFC 4291, 6052, 3056, 4380, 2765, 8215), and the IPv6 one."""
    address = ipaddress.IPv4Address(four)
    high, low = int(address) >> 16, int(address) & 0xFFFF
    turned = int(address) ^ 0xFFFFFFFF
    return [
        f"::{four}",
        f"::ffff:{four}",
        f"::ffff:0:{four}",
        f"64:ff9b::{four}",
        f"64:ff9b:1::{four}",
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:{high:x}:{low:x}::1",
        f"2001::{turned >> 16:x}:{turned & 0xFFFF:x}",
        six,
    ]


async def credentials(service: Service, register: Register) -> Credentials:
    (alice,) = register(1)
    async with login(service, alice) as client:
        return await credentials_of(client)


@pytest.mark.attack("using the relay to reach the operator's network, by any notation of an address")
async def test_relay_is_no_way_to_a_neighbour(service: Service, neighbour: Neighbour, register: Register) -> None:
    """By permission, by channel, by sending without asking: not a byte arrives, by whatever name it is called."""
    known = await credentials(service, register)
    with neighbour.listening(PORT) as heard:
        for address in (neighbour.address, neighbour.address6):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as direct:
                direct.sendto(b"direct", (address, PORT))
        for peer in [neighbour.address, *notations(neighbour.address, neighbour.address6)]:
            async with relay(service, known, ipv6=":" in peer) as allocation:
                for ask in (allocation.permit, allocation.bind):
                    with pytest.raises(stun.TransactionFailed) as refusal:
                        await ask(peer)
                    assert refusal.value.response.error_code == 403, peer
                allocation.send_unasked(f"by {peer}".encode(), (peer, PORT))
                # An answer to this means that what was sent before has been dealt with.
                await allocation.permit("2620:fe::fe" if ":" in peer else "9.9.9.9")
    assert sorted(heard) == ["direct", "direct"]


@pytest.mark.attack("using the file proxy to reach a third host")
@pytest.mark.parametrize("kind", ["ipv4", "ipv6", "name"])
async def test_file_proxy_connects_to_nobody(service: Service, neighbour: Neighbour, kind: str) -> None:
    """SOCKS 5 (RFC 1928) is spoken, but an address is no name of a stream."""
    target = {
        "ipv4": b"\x01" + socket.inet_aton(neighbour.address),
        "ipv6": b"\x04" + socket.inet_pton(socket.AF_INET6, neighbour.address6),
        "name": bytes([3, len(neighbour.address)]) + neighbour.address.encode(),
    }[kind]
    with neighbour.listening(PORT) as heard:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(service.address, 7777)
            writer.write(b"\x05\x01\x00")
            assert await reader.readexactly(2) == b"\x05\x00"
            writer.write(b"\x05\x01\x00" + target + struct.pack("!H", PORT))
            writer.write(secrets.token_bytes(100))
            with contextlib.suppress(OSError):  # it hangs up, maybe before the end
                writer.write_eof()
                await reader.read()
            writer.close()
    assert heard == []
