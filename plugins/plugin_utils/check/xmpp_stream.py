# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's side of an XMPP stream (RFC 6120), and what service discovery answers (XEP-0030)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
from typing import cast
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import Trouble

CLIENT, SERVER = "jabber:client", "jabber:server"
STREAMS = "{http://etherx.jabber.org/streams}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"
INFO = "http://jabber.org/protocol/disco#info"
PING = "urn:xmpp:ping"


class Stream:
    """One XMPP stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, domain: str, namespace: str = CLIENT
    ) -> None:
        self.reader, self.writer, self.domain, self.namespace = reader, writer, domain, namespace
        self.events: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start", "end"))
        self.depth = 0
        self.jid = ""  # known after the login
        self.mechanisms: list[str | None] = []  # offered last

    async def send(self, xml: str) -> None:
        """Send XML."""
        self.writer.write(xml.encode())
        await self.writer.drain()

    async def read(self) -> ET.Element:
        """Return the next element; raises Trouble if the stream ends."""
        while True:
            for item in self.events.read_events():
                event, element = cast("tuple[str, ET.Element]", item)
                self.depth += 1 if event == "start" else -1
                if event == "end" and self.depth == 1:
                    if element.tag == f"{STREAMS}error":
                        raise Trouble(f"answers {next(iter(element)).tag.rpartition('}')[2]}")
                    return element
            data = await self.reader.read(65536)
            if not data:
                raise Trouble("closed the stream")
            try:
                self.events.feed(data)
            except ET.ParseError as error:
                raise Trouble("does not speak XMPP") from error

    async def open(self) -> ET.Element:
        """Open or reopen the stream and return its features."""
        self.events, self.depth = ET.XMLPullParser(("start", "end")), 0
        await self.send(
            f"<?xml version='1.0'?><stream:stream to={quoteattr(self.domain)} version='1.0' "
            f"xmlns='{self.namespace}' xmlns:db='jabber:server:dialback' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        features = await self.read()
        if features.tag != f"{STREAMS}features":
            raise Trouble("sent no stream features")
        self.mechanisms = [one.text for one in features.iterfind(f"{SASL}mechanisms/{SASL}mechanism")]
        return features

    async def starttls(self, context: ssl.SSLContext) -> ET.Element:
        """Change to TLS and return the features offered then; raises Trouble, or ssl.SSLError."""
        features = await self.open()
        if features.find(f"{TLS}starttls/{TLS}required") is None:
            raise Trouble("does not require STARTTLS")
        await self.send(f"<starttls xmlns='{TLS[1:-1]}'/>")
        if (await self.read()).tag != f"{TLS}proceed":
            raise Trouble("refuses STARTTLS")
        await self.writer.start_tls(context, server_hostname=self.domain)
        return await self.open()

    async def login(self, name: str, password: str) -> ET.Element:
        """Log in by SCRAM (RFC 5802), which shows the password to nobody, and return the features.

        By SCRAM-SHA-256 (RFC 7677), but where people may log in who have a key of SHA-1 alone: that is all that is
        offered there before it is known who logs in.
        """
        mechanism, kind = "SCRAM-SHA-256", "sha256"
        if mechanism not in self.mechanisms and "SCRAM-SHA-1" in self.mechanisms:
            mechanism, kind = "SCRAM-SHA-1", "sha1"
        nonce = secrets.token_urlsafe(18)
        bare = f"n={name},r={nonce}"
        challenge = await self.sasl("auth", f"n,,{bare}", f" mechanism='{mechanism}'")
        said = dict(part.split("=", 1) for part in challenge.split(","))
        if not said.get("r", "").startswith(nonce):
            raise Trouble("sent an unexpected response to SCRAM")
        salted = hashlib.pbkdf2_hmac(kind, password.encode(), base64.b64decode(said["s"]), int(said["i"]))
        key = hmac.digest(salted, b"Client Key", kind)
        without = f"c=biws,r={said['r']}"
        signed = f"{bare},{challenge},{without}".encode()
        signature = hmac.digest(hashlib.new(kind, key).digest(), signed, kind)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        await self.sasl("response", f"{without},p={proof}")
        features = await self.open()
        [bound] = await self.ask([("", "set", f"<bind xmlns='{BIND[1:-1]}'/>")])
        self.jid = bound.findtext(f"{BIND}bind/{BIND}jid", "")
        return features

    async def sasl(self, verb: str, text: str, attributes: str = "") -> str:
        """Send a step of the login and return the server's; raises Trouble with its reason if it refuses."""
        data = base64.b64encode(text.encode()).decode()
        await self.send(f"<{verb} xmlns='{SASL[1:-1]}'{attributes}>{data}</{verb}>")
        answer = await self.read()
        if answer.tag not in (f"{SASL}challenge", f"{SASL}success"):
            reasons = [child.tag.removeprefix(SASL) for child in answer if child.tag != f"{SASL}text"]
            raise Trouble(f"refuses the login: {' '.join(reasons)}")
        return base64.b64decode(answer.text or "").decode()

    async def ask(self, questions: list[tuple[str, str, str]]) -> list[ET.Element]:
        """Send all questions (to, type, content) at once and return the answers, which may be errors."""
        ids = [secrets.token_hex(4) for _ in questions]
        for identity, (to, kind, content) in zip(ids, questions, strict=True):
            where = f" to={quoteattr(to)}" if to else ""
            await self.send(f"<iq id='{identity}' type='{kind}'{where}>{content}</iq>")
        answers: dict[str, ET.Element] = {}
        while len(answers) < len(ids):
            element = await self.read()
            if element.tag != f"{{{CLIENT}}}iq":
                continue
            if element.get("type") == "get" and element.find(f"{{{PING}}}ping") is not None:
                await self.answer(element)
            elif element.get("id") in ids:
                answers[element.get("id", "")] = element
        return [answers[identity] for identity in ids]

    async def answer(self, iq: ET.Element) -> None:
        """Send an empty result."""
        to, identity = quoteattr(iq.get("from", "")), quoteattr(iq.get("id", ""))
        await self.send(f"<iq to={to} id={identity} type='result'/>")


def features_of(answer: ET.Element) -> set[str]:
    """Return the features of an answer to disco#info."""
    return {entry.get("var", "") for entry in answer.iter(f"{{{INFO}}}feature")}


def identities_of(answer: ET.Element) -> set[tuple[str | None, str | None]]:
    """Return the identities of an answer to disco#info."""
    return {(entry.get("category"), entry.get("type")) for entry in answer.iter(f"{{{INFO}}}identity")}
