# SPDX-License-Identifier: GPL-3.0-or-later
"""An XMPP client for tests: slixmpp, with an inbox to wait on and queries written as they go over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from slixmpp import JID, ClientXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath
from slixmpp.xmlstream.stanzabase import StanzaBase

from .service import PATIENCE, Account, Service

ADMIN = "http://jabber.org/protocol/muc#admin"
REPORTING = "urn:xmpp:reporting:1"

Match = Callable[[ET.Element], bool]


class Refused(Exception):
    """The server refused the login; the text is the SASL condition."""


class Inbox:
    """Stanzas as they came, waited for by what they contain."""

    def __init__(self) -> None:
        self._stanzas: list[ET.Element] = []
        self._arrived = asyncio.Event()

    def put(self, stanza: StanzaBase) -> None:
        self._stanzas.append(stanza.xml)
        self._arrived.set()

    async def get(self, match: Match, seconds: float = PATIENCE) -> ET.Element:
        """The first stanza that matches, taken out."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for stanza in self._stanzas:
                        if match(stanza):
                            self._stanzas.remove(stanza)
                            return stanza
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            came = [ET.tostring(stanza, encoding="unicode") for stanza in self._stanzas]
            raise AssertionError(f"the stanza waited for did not come; these did: {came}") from None

    def all(self, match: Match) -> list[ET.Element]:
        """The stanzas here so far that match."""
        return [stanza for stanza in self._stanzas if match(stanza)]


class Client(ClientXMPP):
    """A user's client. It logs in by one mechanism only, so that a refusal is not retried with another."""

    def __init__(
        self,
        service: Service,
        account: Account,
        *,
        address: str | None = None,
        mechanism: str = "SCRAM-SHA-512",
        direct_tls: bool = False,
        port: int = 0,
        plugins: tuple[str, ...] = (),
    ) -> None:
        super().__init__(account.jid, account.password, plugin_config={"feature_mechanisms": {"use_mech": mechanism}})
        self.service = service
        self.reached_at = address or service.address
        self.ssl_context = service.tls(*(["xmpp-client"] if direct_tls else []))
        self.enable_direct_tls = direct_tls
        self.port = port or (5223 if direct_tls else 5222)
        self.enable_starttls = not direct_tls
        self.enable_plaintext = False
        self.auto_authorize = None  # subscriptions are answered by the test
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.messages = Inbox()
        self.presences = Inbox()
        for plugin in plugins:
            self.register_plugin(plugin)
        self.register_handler(Callback("inbox", MatchXPath("{jabber:client}message"), self.messages.put))
        self.register_handler(Callback("presence inbox", MatchXPath("{jabber:client}presence"), self.presences.put))
        self.add_event_handler("session_start", lambda _: self._settle(None))
        self.add_event_handler("session_resumed", lambda _: self._settle(None))
        self.add_event_handler("failed_auth", lambda failure: self._settle(Refused(failure["condition"])))
        self.add_event_handler("no_auth", lambda _: self._settle(Refused("no mechanism in common")))
        self.add_event_handler("connection_failed", lambda reason: self._settle(ConnectionError(str(reason))))
        self.add_event_handler("ssl_invalid_chain", lambda error: self._settle(error))
        self.add_event_handler("disconnected", lambda reason: self._settle(ConnectionError(f"disconnected: {reason}")))

    def _settle(self, error: BaseException | None) -> None:
        if self.ready.done():
            return
        if error is None:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(error)

    def abort(self) -> None:
        """Cuts the connection, also one that is being closed: asyncio cannot cut one that slixmpp closes twice."""
        if self.transport and self.transport.is_closing():
            self.cancel_connection_attempt()
            self.transport.abort()
        else:
            super().abort()

    async def start(self) -> None:
        """Connects and logs in; raises Refused if the server does not let the user in."""
        self.ready = asyncio.get_running_loop().create_future()
        self.connect(self.reached_at, self.port)
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self.ready)  # or it would be cancelled, and stop() say so instead

    async def stop(self) -> None:
        """Says goodbye and closes the connection."""
        self._settle(ConnectionError("stopped"))
        self.ready.exception()
        self.cancel_connection_attempt()
        if self.transport:
            await self.disconnect(wait=1)

    async def online(self) -> None:
        """Fetches the roster and becomes available, as any client does, and waits until the server has taken note."""
        await self.query("get", "<query xmlns='jabber:iq:roster'/>")
        self.send_presence()
        await self.presences.get(lambda stanza: stanza.get("from") == self.boundjid.full)

    async def follow(self, node: str) -> None:
        """Announces with its presence that it wants the news of this PEP node (XEP-0115, XEP-0163)."""
        self.register_plugin("xep_0115")
        await self.plugin["xep_0030"].add_feature(f"{node}+notify")
        await self.plugin["xep_0115"].update_caps(broadcast=False)

    async def query(self, kind: Literal["get", "set"], payload: str, to: str | None = None) -> ET.Element:
        """The answer to an IQ with this content; an error answer raises slixmpp's IqError."""
        iq = self.make_iq(ito=to)
        iq["type"] = kind
        iq.append(ET.fromstring(payload))
        answer = await iq.send(timeout=PATIENCE)  # type: ignore[no-untyped-call]  # slixmpp types it in part
        xml: ET.Element = answer.xml
        return xml

    async def announced(self, entity: str) -> set[str]:
        """The features that an entity announces (XEP-0030)."""
        answer = await self.query("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=entity)
        return {feature.get("var", "") for feature in answer.iter("{http://jabber.org/protocol/disco#info}feature")}

    def say(self, to: str, body: str, kind: Literal["chat", "groupchat"] = "chat") -> None:
        """Sends a message."""
        self.send_message(mto=JID(to), mbody=body, mtype=kind)

    async def hear(self, body: str) -> ET.Element:
        """Waits for a message with exactly this text."""
        return await self.messages.get(lambda stanza: stanza.findtext("{jabber:client}body") == body)

    async def archive(self, entity: str | None = None, page: int = 50) -> list[str]:
        """The texts in an archive (XEP-0313), the newest page of it."""
        heard = Inbox()
        path = "{jabber:client}message/{urn:xmpp:mam:2}result"
        self.register_handler(Callback("archive", MatchXPath(path), heard.put))
        await self.query(
            "set",
            "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
            f"<max>{page}</max><before/></set></query>",
            to=entity,
        )
        self.remove_handler("archive")
        path = ".//{urn:xmpp:forward:0}forwarded//{jabber:client}body"
        bodies = (stanza.findtext(path) for stanza in heard.all(lambda _: True))
        return [body for body in bodies if body is not None]


async def befriend(one: Client, other: Client) -> None:
    """Both are available and see each other's presence from now on."""
    for asking, asked in ((one, other), (other, one)):
        asking.send_presence_subscription(pto=asked.boundjid.bare, ptype="subscribe")
        await asked.presences.get(lambda stanza: stanza.get("type") == "subscribe")
        asked.send_presence_subscription(pto=asking.boundjid.bare, ptype="subscribed")
        await asking.presences.get(lambda stanza: stanza.get("type") == "subscribed")


async def affiliate(
    client: Client, room: str, jid: str, affiliation: str, nick: str | None = None, reason: str = ""
) -> None:
    """Makes somebody a member of a room, an admin, an outcast, …; only some of its people may."""
    name = f" nick={quoteattr(nick)}" if nick else ""
    item = f"<item affiliation='{affiliation}' jid='{jid}'{name}><reason>{escape(reason)}</reason></item>"
    await client.query("set", f"<query xmlns='{ADMIN}'>{item}</query>", to=room)


async def report(
    client: Client, about: str, text: str = "", reason: str = "spam", messages: tuple[str, ...] = ()
) -> None:
    """Blocks somebody and reports them, as an app does (XEP-0377)."""
    ids = "".join(f"<stanza-id xmlns='urn:xmpp:sid:0' by='{client.boundjid.bare}' id='{one}'/>" for one in messages)
    inside = f"{ids}<text>{escape(text)}</text>" if text else ids
    await client.query(
        "set",
        f"<block xmlns='urn:xmpp:blocking'><item jid='{about}'>"
        f"<report xmlns='{REPORTING}' reason='urn:xmpp:reporting:{reason}'>{inside}</report></item></block>",
    )


@contextlib.asynccontextmanager
async def login(service: Service, account: Account, **options: Any) -> AsyncIterator[Client]:
    """A client that is logged in (not yet available), and logged out afterwards."""
    client = Client(service, account, **options)
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


def fresh_text() -> str:
    return f"text {secrets.token_hex(12)}"
