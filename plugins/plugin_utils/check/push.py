# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that offline phones are notified (push, XEP-0357)."""

from __future__ import annotations

import asyncio
import secrets
from xml.sax.saxutils import quoteattr

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import ANSWER
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.xmpp_stream import INFO, Stream

PUSH = "urn:xmpp:push:0"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
# The errors of our own server when it cannot reach another one.
UNREACHED = ("remote-server-not-found", "remote-server-timeout", "forbidden", "internal-server-error")


async def push(service: Service, stream: Stream, name: str, password: str) -> Row:
    """Send a message to an offline phone, and send a query to the push servers of the apps."""
    reader, writer = await service.connect(service.main["host"], 5222)
    try:
        phone = Stream(reader, writer, service.main["domain"])
        await phone.starttls(service.lenient)
        await phone.login(name, password)
        # This session acts as the app's push server.
        enable = f"<enable xmlns='{PUSH}' jid={quoteattr(stream.jid)} node='check'/>"
        await phone.ask([("", "set", enable)])
        await phone.send("</stream:stream>")
    finally:
        writer.close()
    waiting = {secrets.token_hex(4): server for server in service.settings["push_servers"]}
    for identity, server in waiting.items():
        await stream.send(f"<iq id='{identity}' type='get' to={quoteattr(server)}><query xmlns='{INFO}'/></iq>")
    to = quoteattr(f"{name}@{service.main['domain']}")
    message = f"<message to={to} type='chat'><body>Wake up</body></message>"
    notified, away = False, []
    clock = asyncio.get_running_loop().time
    deadline = clock() + ANSWER
    await stream.send(message)
    while (waiting or not notified) and clock() < deadline:
        try:
            async with asyncio.timeout(1):
                element = await stream.read()
        except TimeoutError:
            if not notified:  # the phone was still online
                await stream.send(message)
            continue
        if element.find(f".//{{{PUSH}}}notification") is not None:
            notified = True
            await stream.answer(element)
        elif (server := waiting.pop(element.get("id", ""), "")) and any(
            element.find(f".//{STANZAS}{condition}") is not None for condition in UNREACHED
        ):
            away.append(server)
    return judge(notified, len(service.settings["push_servers"]), sorted([*away, *waiting.values()]))


def judge(notified: bool, servers: int, away: list[str]) -> Row:
    """Judge push; *away* are the push servers that were not reached."""
    if not notified:
        fix = "Run site.yml --tags ejabberd; on the host: systemctl restart ejabberd"
        return row("push", FAIL, "no notification is sent for a message to an offline phone", fix)
    if away:
        fix = (
            "Check that the host reaches other servers: DNS, and TCP port 5269 outbound and inbound. If it does, they "
            "are down or gone themselves: remove those that are gone from xmpp_push_servers."
        )
        return row("push", WARN, f"notifications are sent, but not reached: {', '.join(away)}", fix)
    reached = f"and all of xmpp_push_servers ({servers}) answer" if servers else "but xmpp_push_servers is empty"
    return row("push", PASS, f"notifications are sent, {reached}")
