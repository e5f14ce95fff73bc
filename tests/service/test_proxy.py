# SPDX-License-Identifier: GPL-3.0-or-later
"""The file proxy (XEP-0065), by which two clients behind firewalls hand over a file without storing it anywhere."""

from __future__ import annotations

import asyncio
import hashlib
import secrets

from ..kit.clients import Client, login
from ..kit.service import PATIENCE, Register, Service

BYTESTREAMS = "http://jabber.org/protocol/bytestreams"


async def dial(service: Service, port: int, stream: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to the proxy by SOCKS 5 (RFC 1928), asking for a stream by its name."""
    reader, writer = await asyncio.open_connection(service.address, port)
    writer.write(b"\x05\x01\x00")
    assert await reader.readexactly(2) == b"\x05\x00"
    address = b"\x03" + bytes([len(stream)]) + stream.encode() + b"\x00\x00"
    writer.write(b"\x05\x01\x00" + address)
    assert await reader.readexactly(3) == b"\x05\x00\x00"
    assert await reader.readexactly(len(address)) == address
    return reader, writer


def stream_name(session: str, sender: Client, receiver: Client) -> str:
    return hashlib.sha1(f"{session}{sender.boundjid.full}{receiver.boundjid.full}".encode()).hexdigest()


async def test_file_goes_from_one_client_to_the_other(service: Service, register: Register) -> None:
    alice, bob = register(2)
    proxy, session, data = service.name("proxy"), secrets.token_hex(8), secrets.token_bytes(500_000)
    async with login(service, alice) as sender, login(service, bob) as receiver, asyncio.timeout(PATIENCE):
        answer = await sender.query("get", f"<query xmlns='{BYTESTREAMS}'/>", to=proxy)
        host = answer.find(f".//{{{BYTESTREAMS}}}streamhost")
        assert host is not None
        assert host.get("host") == proxy
        partner = host.get("jid", "")
        assert partner.split("/")[0] == proxy
        port, stream = int(host.get("port", "")), stream_name(session, sender, receiver)
        reader, there = await dial(service, port, stream)
        _, here = await dial(service, port, stream)
        activate = f"<activate>{receiver.boundjid.full}</activate>"
        await sender.query("set", f"<query xmlns='{BYTESTREAMS}' sid='{session}'>{activate}</query>", to=partner)
        here.write(data)
        assert await reader.readexactly(len(data)) == data
        for writer in (here, there):
            writer.close()
            await writer.wait_closed()
