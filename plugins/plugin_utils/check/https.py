# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTPS requests to the web servers of the service, at the addresses that answered before."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import ANSWER, CONNECT, Trouble


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Pinned(http.client.HTTPSConnection):
    """HTTPS to a name, at a given address."""

    def __init__(self, address: str, name: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=ANSWER, context=context)
        self.address, self.tls = address, context

    def connect(self) -> None:
        """Connect there."""
        plain = socket.create_connection((self.address, self.port), timeout=CONNECT)
        plain.settimeout(ANSWER)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


async def fetch(
    service: Service, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Make one request, at the address of the name; raises Trouble, OSError or HTTPException."""
    parts = urlsplit(url)
    name, port = parts.hostname or "", parts.port or 443
    if name not in service.led and name not in service.known_names():
        raise Trouble(f"points to {name}, which is not a name of this service")
    address = await resolve(name) if name == service.elsewhere else service.reach(name, port)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return await asyncio.to_thread(request, service.lenient, address, name, port, method, target, headers or {}, body)


def request(
    context: ssl.SSLContext,
    address: str,
    name: str,
    port: int,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
) -> Answer:
    """Make the request; blocks for a few seconds at most."""
    connection = Pinned(address, name, port, context)
    try:
        connection.request(method, target, body or None, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read(1 << 20))
    finally:
        connection.close()


async def resolve(name: str) -> str:
    """Return an address of a name that is not of the service, as this machine finds it; raises Trouble."""
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, name, 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Trouble(f"{name} has no address, so its web site is not found") from error
    return str(found[0][4][0])


async def settled(look: Awaitable[Answer]) -> Answer | None:
    """Return an answer, or nothing."""
    try:
        return await look
    except (OSError, Trouble, http.client.HTTPException):
        return None
