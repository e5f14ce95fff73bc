# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a message from one account to another, over TLS that is verified against the service's own CA.

Reads {"host", "port", "ca", "from": {"jid", "password"}, "to": {…}} as JSON on standard input, and ends with 0 when the
message has arrived.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import sys
import time
from typing import Any

from slixmpp import JID, ClientXMPP

SECONDS = 20


class Person(ClientXMPP):
    """One account, logged in."""

    def __init__(self, jid: str, password: str, ca: str) -> None:
        super().__init__(jid, password)
        self.ssl_context = ssl.create_default_context(cafile=ca)
        self.enable_plaintext = False
        self.enable_direct_tls = False
        loop = asyncio.get_running_loop()
        self.online: asyncio.Future[None] = loop.create_future()
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.add_event_handler("session_start", self._start)
        self.add_event_handler("message", lambda message: self.heard.put_nowait(message["body"]))
        self.add_event_handler("failed_auth", lambda _: self._fail(f"{jid}: name or password refused"))
        self.add_event_handler("connection_failed", lambda reason: self._fail(f"no connection: {reason}"))
        self.add_event_handler("ssl_invalid_chain", lambda error: self._fail(f"certificate refused: {error}"))

    def _fail(self, reason: str) -> None:
        if not self.online.done():
            self.online.set_exception(ConnectionError(reason))

    def _start(self, _: Any) -> None:
        self.send_presence()
        if not self.online.done():
            self.online.set_result(None)


async def deliver(plan: dict[str, Any]) -> str:
    """Log both in, send a text nobody can have sent before, and wait until it comes out at the other end."""
    sender, receiver = (Person(plan[side]["jid"], plan[side]["password"], plan["ca"]) for side in ("from", "to"))
    try:
        for person in (sender, receiver):
            person.connect(plan["host"], plan["port"])
            await person.online
        text = f"Hello from {sender.boundjid.user}! ({secrets.token_hex(4)})"
        started = time.monotonic()
        sender.send_message(mto=JID(receiver.boundjid.bare), mbody=text, mtype="chat")
        while await receiver.heard.get() != text:
            pass  # something older was waiting
        delay = (time.monotonic() - started) * 1000
        tls = receiver.transport.get_extra_info("ssl_object") if receiver.transport else None
        if not isinstance(tls, ssl.SSLObject):
            raise ConnectionError("the connection is not encrypted")
        return f"{receiver.boundjid.bare} received “{text}” after {delay:.0f} ms over {tls.version()}"
    finally:
        for person in (sender, receiver):
            await person.disconnect(wait=1)


async def main() -> int:
    try:
        async with asyncio.timeout(SECONDS):
            print(await deliver(json.load(sys.stdin)))
    except TimeoutError:
        print(f"the message did not arrive within {SECONDS} s", file=sys.stderr)
        return 1
    except (ConnectionError, ssl.SSLError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
