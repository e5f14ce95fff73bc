# SPDX-License-Identifier: GPL-3.0-or-later
"""A TURN client for tests (RFC 8656): aioice's, with the server's name checked over TLS and allocations over IPv6."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from aioice import stun
from aioice.turn import UDP_TRANSPORT, TurnClientProtocol, TurnClientTcpProtocol, TurnClientUdpProtocol

from .clients import Client
from .service import PATIENCE, Service

EXTDISCO = "urn:xmpp:extdisco:2"
KNOCK = b"knock"

Transport = Literal["udp", "tcp", "tls"]
PORTS: dict[Transport, int] = {"udp": 3478, "tcp": 3478, "tls": 5349}

# An attribute that aioice does not know (RFC 8656, 18.8): 1 is IPv4, 2 is IPv6.
_FAMILY: stun.AttributeEntry = (
    0x0017,
    "REQUESTED-ADDRESS-FAMILY",
    lambda family: struct.pack("!Bxxx", family),
    lambda data: data[0],
)
stun.ATTRIBUTES_BY_TYPE[_FAMILY[0]] = _FAMILY
stun.ATTRIBUTES_BY_NAME[_FAMILY[1]] = _FAMILY


@dataclass(frozen=True)
class Credentials:
    username: str
    password: str


async def external_services(client: Client) -> list[ET.Element]:
    """What the service says about its relays (XEP-0215)."""
    answer = await client.query("get", f"<services xmlns='{EXTDISCO}'/>", to=client.service.domain)
    return list(answer.iter(f"{{{EXTDISCO}}}service"))


async def credentials_of(client: Client) -> Credentials:
    """Credentials for the relay, as any client of the service gets them for a call."""
    for entry in await external_services(client):
        if entry.get("type") == "turn":
            return Credentials(entry.get("username", ""), entry.get("password", ""))
    raise AssertionError("the service announces no relay")


class _Receiver(asyncio.DatagramProtocol):
    """Puts what peers send into a queue."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait((data, addr))


class Relay:
    """An allocation: an address on the relay at which we are reached."""

    def __init__(self, client: TurnClientProtocol, address: tuple[str, int]) -> None:
        self.address = address
        self._client = client
        self._receiver = _Receiver()
        client.receiver = self._receiver

    async def knock(self, peer: tuple[str, int]) -> None:
        """Opens a channel to a peer; what is sent by it may be lost, as the peer need not have opened its own yet."""
        await self.send(KNOCK, peer)

    async def send(self, data: bytes, peer: tuple[str, int]) -> None:
        await self._client.send_data(data, peer)

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        """The next packet that is not a knock, and who sent it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                data, peer = await self._receiver.received.get()
                if data != KNOCK:
                    return data, peer

    async def permit(self, peer: str) -> None:
        """Asks the relay to let this peer's packets through, and ours to it; raises what the relay answers."""
        request = stun.Message(message_method=stun.Method.CREATE_PERMISSION, message_class=stun.Class.REQUEST)
        request.attributes["XOR-PEER-ADDRESS"] = (peer, 9)
        await self._client.request_with_retry(request)

    async def bind(self, peer: str) -> None:
        """The other way to reach a peer: a channel."""
        await self._client.channel_bind(0x4000, (peer, 9))

    def send_unasked(self, data: bytes, peer: tuple[str, int]) -> None:
        """Sends to a peer without a permission for it, which is no request: nothing answers."""
        message = stun.Message(message_method=stun.Method.SEND, message_class=stun.Class.INDICATION)
        message.attributes["XOR-PEER-ADDRESS"] = peer
        message.attributes["DATA"] = data
        self._client.send_stun(message, self._client.server)


@contextlib.asynccontextmanager
async def relay(
    service: Service,
    credentials: Credentials | None,
    transport: Transport = "udp",
    *,
    ipv6: bool = False,
    requested_transport: int = UDP_TRANSPORT,
    port: int = 0,
) -> AsyncIterator[Relay]:
    """An allocation on the relay; raises aioice's TransactionFailed if the relay refuses it."""
    loop = asyncio.get_running_loop()
    server = (service.address, port or PORTS[transport])
    username, password = (credentials.username, credentials.password) if credentials else (None, None)
    lifetime, refresh = 600, 500
    if transport == "udp":
        _, client = await loop.create_datagram_endpoint(
            lambda: TurnClientUdpProtocol(server, username, password, lifetime, refresh), remote_addr=server
        )
        protocol: TurnClientProtocol = client
    else:
        _, stream = await loop.create_connection(
            lambda: TurnClientTcpProtocol(server, username, password, lifetime, refresh),
            *server,
            ssl=service.tls() if transport == "tls" else None,
            server_hostname=service.name("turn") if transport == "tls" else None,
        )
        protocol = stream
    try:
        request = stun.Message(message_method=stun.Method.ALLOCATE, message_class=stun.Class.REQUEST)
        request.attributes["LIFETIME"] = lifetime
        request.attributes["REQUESTED-TRANSPORT"] = requested_transport
        if ipv6:
            request.attributes["REQUESTED-ADDRESS-FAMILY"] = 2
        async with asyncio.timeout(PATIENCE):
            response, _ = await protocol.request_with_retry(request)
        yield Relay(protocol, response.attributes["XOR-RELAYED-ADDRESS"])
        async with asyncio.timeout(PATIENCE):
            await protocol.delete()
    finally:
        protocol.transport.close()


async def talk(caller: Relay, called: Relay) -> None:
    """Both open a channel to the other, then both are heard."""
    there, back = secrets.token_bytes(1000), secrets.token_bytes(1000)
    await caller.knock(called.address)
    await called.knock(caller.address)
    await caller.send(there, called.address)
    assert await called.receive() == (there, caller.address)
    await called.send(back, caller.address)
    assert await caller.receive() == (back, called.address)
