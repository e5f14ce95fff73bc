# SPDX-License-Identifier: GPL-3.0-or-later
"""Use the service from the controller as its users and its neighbours do: ports, certificates, web, files, calls.

Argument ``service``: ``domains`` (each with domain, host, muc, upload, proxy, pubsub), ``turn_domain`` (empty without
calls), ``https_port``, ``federation`` (whether other servers have a port to come in by), ``push_servers``,
``registration``, ``certificate_names`` (by domain), ``certificates`` (acme, provided, selfsigned), ``ca`` (PEM text of
a further authority to trust, or empty), ``upload_days``, ``archive_days``, ``addresses`` (name to what DNS says),
``own`` (addresses of the host, where DNS says nothing) and ``account`` (name and password of one that is there for
this, or nothing, with ``account_trouble``).
Returns ``rows``, each with subject, status (pass, warn, fail), found and mend. Python's standard library is enough.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import hashlib
import hmac
import http.client
import ipaddress
import json
import secrets
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from ansible.plugins.action import ActionBase

PASS, WARN, FAIL = "pass", "warn", "fail"
CONNECT = 3.0  # seconds until a port counts as closed
ANSWER = 5.0  # seconds for one conversation
DAY = 86400

CLIENT, SERVER = "jabber:client", "jabber:server"
STREAMS = "{http://etherx.jabber.org/streams}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
EXTDISCO = "urn:xmpp:extdisco:2"
UPLOAD = "urn:xmpp:http:upload:0"
PUBSUB = "http://jabber.org/protocol/pubsub"
MUC = "http://jabber.org/protocol/muc"
PING = "urn:xmpp:ping"
PUSH = "urn:xmpp:push:0"
# What our own server says where it has no way to another.
UNREACHED = ("remote-server-not-found", "remote-server-timeout", "forbidden", "internal-server-error")
DATA = "{jabber:x:data}"
LINKS = {"urn:xmpp:alt-connections:websocket": "WebSocket", "urn:xmpp:alt-connections:xbosh": "BOSH"}
# What answers on a port, by its unit on the host.
UNITS = {
    80: "nginx",
    3478: "coturn",
    5349: "coturn",
    5222: "ejabberd",
    5223: "ejabberd",
    5269: "ejabberd",
    5270: "ejabberd",
    7777: "ejabberd",
}


PORTS_FIRST = "Mend first what the rows of the ports and of the firewall say."
# What ejabberd does where it has no certificate for a name.
WITHOUT_CERTIFICATE = ("STARTTLS", "cuts the connection", "TLS fails")


@dataclass(frozen=True)
class Row:
    """What was found out about one thing."""

    subject: str
    status: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Seen:
    """One way in: what kept it from working, what is wrong with its certificate, and the certificate if nothing is."""

    way: str
    domain: str
    trouble: str = ""
    mistrust: str = ""
    certificate: dict[str, Any] = field(default_factory=dict)


class Trouble(Exception):
    """Something does not work; the text says what."""


def reason(error: BaseException) -> str:
    """Return in a few words why something failed."""
    if isinstance(error, Trouble):
        return str(error)
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message).rstrip(".")
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(error, (ConnectionError, EOFError)):
        return "cuts the connection"
    return str(error) or type(error).__name__


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a certificate's names, which may begin with ``*.``, cover a name (RFC 9525)."""
    return any(pattern.lower() in (name, f"*.{name.partition('.')[2]}") for pattern in patterns)


# ---------------------------------------------------------------------- XMPP (RFC 6120)
class Stream:
    """One stream. Elements are read as they come."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, domain: str, namespace: str = CLIENT
    ) -> None:
        self.reader, self.writer, self.domain, self.namespace = reader, writer, domain, namespace
        self.events: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start", "end"))
        self.depth = 0
        self.jid = ""  # once logged in
        self.mechanisms: list[str | None] = []  # offered last

    async def send(self, xml: str) -> None:
        """Send as it is."""
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
                raise Trouble("ends the stream")
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
            raise Trouble("offers no features")
        self.mechanisms = [one.text for one in features.iterfind(f"{SASL}mechanisms/{SASL}mechanism")]
        return features

    async def starttls(self, context: ssl.SSLContext) -> ET.Element:
        """Change to TLS and return the features offered then; raises Trouble, or ssl.SSLError."""
        features = await self.open()
        if features.find(f"{TLS}starttls/{TLS}required") is None:
            raise Trouble("does not insist on STARTTLS")
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
            raise Trouble("answers a login with something else than SCRAM")
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
        """Say that something is well."""
        to, identity = quoteattr(iq.get("from", "")), quoteattr(iq.get("id", ""))
        await self.send(f"<iq to={to} id={identity} type='result'/>")


def features_of(answer: ET.Element) -> set[str]:
    """Return the features of an answer to disco#info."""
    return {entry.get("var", "") for entry in answer.iter(f"{{{INFO}}}feature")}


def identities_of(answer: ET.Element) -> set[tuple[str | None, str | None]]:
    """Return the identities of an answer to disco#info."""
    return {(entry.get("category"), entry.get("type")) for entry in answer.iter(f"{{{INFO}}}identity")}


# ---------------------------------------------------------------------- STUN and TURN (RFC 8489, RFC 8656)
COOKIE = 0x2112A442
BINDING, ALLOCATE, REFRESH = 0x001, 0x003, 0x004
MAPPED, RELAYED, USERNAME, INTEGRITY, ERROR, LIFETIME = 0x0020, 0x0016, 0x0006, 0x0008, 0x0009, 0x000D
REALM, NONCE, REQUESTED_TRANSPORT = 0x0014, 0x0015, 0x0019
UDP = b"\x11\0\0\0"


def stun_message(kind: int, identity: bytes, attributes: list[tuple[int, bytes]], key: bytes = b"") -> bytes:
    """Return a request; with a key it carries its integrity."""
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
        """Keep where to send."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Give an answer to whoever waits for it."""
        future = self.waiting.pop(data[8:20], None)
        if future and not future.done():
            future.set_result(data)

    async def request(
        self, kind: int, attributes: list[tuple[int, bytes]], key: bytes = b""
    ) -> tuple[bool, dict[int, bytes], bytes]:
        """Return whether it was granted, the answer's attributes and its number; raises TimeoutError."""
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


# ---------------------------------------------------------------------- the web
class Pinned(http.client.HTTPSConnection):
    """HTTPS to a name, at an address that was found before."""

    def __init__(self, address: str, name: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=ANSWER, context=context)
        self.address, self.tls = address, context

    def connect(self) -> None:
        """Connect there."""
        plain = socket.create_connection((self.address, self.port), timeout=CONNECT)
        plain.settimeout(ANSWER)
        self.sock = self.tls.wrap_socket(plain, server_hostname=self.host)


class Doctor:
    """Looks at one service from outside."""

    def __init__(self, service: dict[str, Any]) -> None:
        """Take the argument of the action."""
        self.service = service
        self.main: dict[str, str] = service["domains"][0]
        self.led: dict[str, list[str]] = service["addresses"]
        self.own: list[str] = service["own"]
        # The domain, if its web site is on another host.
        self.elsewhere = self.main["domain"] if self.main["domain"] != self.main["host"] else ""
        self.port: int = service["https_port"]
        self.open: dict[str, dict[int, str]] = {}  # address to port to what is wrong with it
        # Trusts whom this machine trusts, and the service's own authority if it has one.
        self.strict = ssl.create_default_context()
        if service["ca"]:
            self.strict.load_verify_locations(cadata=service["ca"])
        # A bad certificate has a row of its own, and hides nothing else.
        self.lenient = ssl.create_default_context()
        self.lenient.check_hostname = False
        self.lenient.verify_mode = ssl.CERT_NONE

    # ------------------------------------------------------------------ where
    def addresses(self, name: str) -> list[str]:
        """Return where a name leads; where DNS says nothing, the host."""
        return self.led.get(name) or self.own

    def reach(self, name: str, port: int) -> str:
        """Return the address at which a port of a name answers; raises Trouble."""
        candidates = list(dict.fromkeys([*self.addresses(name), *self.own]))
        for address in candidates:
            if self.open.get(address, {}).get(port) == "":
                return address
        known = [self.open[address][port] for address in candidates if port in self.open.get(address, {})]
        raise Trouble(f"port {port} {known[0]}" if known else f"{name} has no address that is reached from here")

    def needed(self) -> list[int]:
        """Return the TCP ports that must be open."""
        ports = [80, self.port, 5222, 5223, 7777]
        ports += [5269, 5270] if self.service["federation"] else []
        ports += [3478, 5349] if self.service["turn_domain"] else []
        return sorted(ports)

    async def probe(self, address: str, port: int) -> str:
        """Return what is wrong with a port, nothing if it opens."""
        try:
            async with asyncio.timeout(CONNECT):
                _, writer = await asyncio.open_connection(address, port)
        except OSError as error:  # TimeoutError is one
            return reason(error)
        writer.close()
        return ""

    async def knock(self) -> list[Row]:
        """Try all ports of all addresses; return a row for each address that people are led to."""
        names = [self.main["host"], *([self.service["turn_domain"]] if self.service["turn_domain"] else [])]
        led = list(dict.fromkeys(address for name in names for address in self.addresses(name)))
        every = list(dict.fromkeys([*led, *self.own]))
        ports = self.needed()
        found = await asyncio.gather(*(self.probe(address, port) for address in every for port in ports))
        results = iter(found)
        self.open = {address: {port: next(results) for port in ports} for address in every}
        if not led:
            return [Row("ports", FAIL, "no address to try", "Mend DNS, or make the host reachable by ssh.")]
        return [self.ports(address) for address in led]

    def shut_by(self) -> str:
        """Return whose firewall on the host keeps ports shut that are closed, if any; it has a row of its own."""
        closed = {str(port) for ports in self.open.values() for port, trouble in ports.items() if trouble}
        owners = [one["owner"] for one in self.service["shut"] if one["protocol"] == "tcp" and one["port"] in closed]
        return str(owners[0]) if owners else ""

    def ports(self, address: str) -> Row:
        """Judge the ports of an address."""
        known = any(address in addresses for addresses in self.led.values())
        subject = f"ports of {address}"
        words = "" if known else ", where the host is by itself"
        closed = {port: trouble for port, trouble in self.open[address].items() if trouble}
        if not closed:
            return Row(subject, PASS, f"all {len(self.open[address])} TCP ports are open{words}")
        if not has_route(address):
            kind = "IPv6" if ":" in address else "IPv4"
            return Row(subject, WARN, f"not checked: this machine has no {kind}", f"Run this where there is {kind}.")
        listed = ", ".join(str(port) for port in closed)
        if len(closed) == len(self.open[address]):
            inside = known and is_public([address]) and self.own and not is_public(self.own)
            mend = (
                f"Open TCP {listed} in the router (docs/home-server.md). If this machine is behind the same router, it "
                "may not be led back in: run this elsewhere."
                if inside
                else "If a row above says that this is not the host, mend DNS. See whether the host runs, and whether "
                "another firewall on it (nft list ruleset; ufw status) or the one of its provider shuts people out."
            )
            return Row(subject, FAIL, f"none of {len(closed)} TCP ports is open{words}", mend)
        units = " ".join(sorted({UNITS.get(port, "nginx") for port in closed}))
        mend = (
            f"On the host: systemctl status {units} xmpp-firewall; if these run, another firewall on it shuts the "
            "ports (nft list ruleset; ufw status), or the one of the provider or the router."
        )
        return Row(subject, FAIL, f"closed: TCP {listed}{words}", mend)

    async def connect(self, name: str, port: int, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to a name."""
        return await asyncio.open_connection(self.reach(name, port), port, **options)

    # ------------------------------------------------------------------ streams and certificates
    async def see(self, way: str, domain: str, look: Callable[[ssl.SSLContext], Awaitable[dict[str, Any]]]) -> Seen:
        """Try one way in, first as a careful client would, then whoever holds the certificate."""
        mistrust = ""
        for context in (self.strict, self.lenient):
            try:
                async with asyncio.timeout(ANSWER):
                    certificate = await look(context)
                return Seen(way, domain, mistrust=mistrust, certificate={} if mistrust else certificate)
            except ssl.SSLCertVerificationError as error:
                mistrust = reason(error)
            except (OSError, EOFError, Trouble, http.client.HTTPException) as error:
                return Seen(way, domain, reason(error), mistrust)
        return Seen(way, domain, "", mistrust)

    async def stream(self, one: dict[str, str], port: int, *, server: bool, direct: bool) -> Seen:
        """Open a stream as a client or a server does."""

        async def look(context: ssl.SSLContext) -> dict[str, Any]:
            options: dict[str, Any] = {"ssl": context, "server_hostname": one["domain"]} if direct else {}
            if direct:
                context = copy_with(context, self.service["ca"], "xmpp-server" if server else "xmpp-client")
                options["ssl"] = context
            reader, writer = await self.connect(one["host"], port, **options)
            try:
                stream = Stream(reader, writer, one["domain"], SERVER if server else CLIENT)
                features = await stream.open() if direct else await stream.starttls(context)
                if not server and features.find(f"{SASL}mechanisms") is None:
                    raise Trouble("offers no login")
                return writer.get_extra_info("peercert") or {}
            finally:
                writer.close()

        return await self.see(f"port {port}", one["domain"], look)

    async def tls(self, name: str, domain: str, port: int) -> Seen:
        """Begin TLS with a name."""

        async def look(context: ssl.SSLContext) -> dict[str, Any]:
            _, writer = await self.connect(name, port, ssl=context, server_hostname=name)
            certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
            writer.close()
            return certificate

        return await self.see(f"{name} port {port}", domain, look)

    def streams(self, subject: str, seen: list[Seen], mend: str) -> Row:
        """Judge the ways in of one kind."""
        broken = [f"{one.way}: {one.trouble}".replace(f"{one.way}: {one.way}", one.way) for one in seen if one.trouble]
        if all(one.trouble.startswith("port ") for one in seen):  # what reach() says, as the row of the ports does
            mend = PORTS_FIRST
        elif broken and any(word in one.trouble for one in seen for word in WITHOUT_CERTIFICATE):
            domain = seen[0].domain
            mend = (
                f"It runs, but probably without a certificate that it can use for {domain}. Run site.yml --tags "
                f"certificates,ejabberd; then see on the host: ls -l /etc/xmpp/certificates/{domain}; "
                "journalctl -u ejabberd"
            )
        if broken:
            return Row(subject, FAIL, "; ".join(broken), mend)
        return Row(subject, PASS, "STARTTLS and direct TLS")

    def certificate(self, domain: str, seen: list[Seen], now: float) -> Row:
        """Judge what the ways in of a domain show."""
        subject = f"{domain} certificate"
        orders = {
            "provided": "Give files that are good (xmpp_certificate_file) and run site.yml.",
            "acme": "On the host: systemctl start xmpp-certificates.service certbot.service, and see what they say.",
            "selfsigned": "Run site.yml, which makes it anew.",
        }[self.service["certificates"]]
        doubts = sorted({one.mistrust for one in seen if one.mistrust})
        if doubts and self.service["certificates"] == "selfsigned" and not self.service["ca"]:
            found = "not checked: without a way into the host, its own authority is not known"
            return Row(subject, WARN, found, "Mend that first.")
        if doubts:
            reached = [one for one in seen if one.mistrust or one.certificate]
            ways = {doubt: [one.way for one in reached if one.mistrust == doubt] for doubt in doubts}
            # What all of them show needs no list.
            words = "; ".join(
                doubt if 1 < len(reached) == len(ways[doubt]) else f"{', '.join(ways[doubt])}: {doubt}"
                for doubt in doubts
            )
            if any("issuer" in doubt for doubt in doubts) and self.service["certificates"] == "provided":
                orders = "Put the certificates of the authorities between behind your own in xmpp_certificate_file."
            return Row(subject, FAIL, words, orders)
        shown = [one for one in seen if one.certificate]
        if not shown:
            return Row(subject, WARN, "not checked: no port that shows it answers", "Mend the ports first.")
        names = self.service["certificate_names"][domain]
        for one in shown:
            has = [value for kind, value in one.certificate.get("subjectAltName", ()) if kind == "DNS"]
            missing = [name for name in names if not matches(name, has)]
            if missing:
                return Row(subject, FAIL, f"{one.way}: is not good for {', '.join(missing)}", orders)
        ends = {one.way: ssl.cert_time_to_seconds(one.certificate["notAfter"]) for one in shown}
        begins = min(ssl.cert_time_to_seconds(one.certificate["notBefore"]) for one in shown)
        first = min(ends, key=lambda way: ends[way])
        day = datetime.datetime.fromtimestamp(ends[first], datetime.UTC).strftime("%Y-%m-%d")
        left, lifetime = ends[first] - now, ends[first] - begins
        # Renewed when a third is left: then something has gone wrong for some time.
        if left < min(lifetime / 4, 21 * DAY):
            status = FAIL if left < min(lifetime / 10, 7 * DAY) else WARN
            return Row(subject, status, f"ends on {day}, and has not been renewed", orders)
        if len({one.certificate["serialNumber"] for one in shown}) > 1:
            mend = "On the host: systemctl reload nginx ejabberd; systemctl restart coturn"
            return Row(subject, WARN, f"{first} still shows the one that ends on {day}", mend)
        return Row(subject, PASS, f"until {day}, good for all {len(names)} names")

    # ------------------------------------------------------------------ web
    async def fetch(self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """Make one request, at the address of the name; raises Trouble, OSError or HTTPException."""
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port or 443
        if name not in self.led and name not in self.known_names():
            raise Trouble(f"leads to {name}, which is not of this service")
        address = await resolve(name) if name == self.elsewhere else self.reach(name, port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return await asyncio.to_thread(self.request, address, name, port, method, target, headers or {}, body)

    def request(
        self, address: str, name: str, port: int, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        """Do so; blocks for some seconds at most."""
        connection = Pinned(address, name, port, self.lenient)
        try:
            connection.request(method, target, body or None, headers)
            answer = connection.getresponse()
            return Answer(
                answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read(1 << 20)
            )
        finally:
            connection.close()

    def known_names(self) -> set[str]:
        """Return every name of the service."""
        return {name for one in self.service["domains"] for name in one.values()}

    def url(self, path: str, name: str = "") -> str:
        """Return an address of the web site, or of another name of the host."""
        port = "" if self.port == 443 else f":{self.port}"
        return f"https://{name or self.main['host']}{port}{path}"

    async def site(self) -> Row:
        """Judge the web site's start page."""
        answer = await self.fetch("GET", self.url("/"))
        if answer.status not in (200, 301, 302, 303, 307, 308):
            return Row("web site", FAIL, f"answers {answer.status}", "Run site.yml --tags website,nginx.")
        return Row("web site", PASS, self.url("/"))

    async def links(self) -> Row:
        """Judge host-meta (XEP-0156), in both forms, and where it leads to."""
        subject, mend = "WebSocket and BOSH", "Run site.yml --tags nginx,ejabberd."
        base = self.url("")
        if self.elsewhere:
            base = f"https://{self.elsewhere}"
            mend = f"Let {base}/.well-known/host-meta and host-meta.json lead to the same at {self.url('')}."
        for kind in ("", ".json"):
            path = f"{base}/.well-known/host-meta{kind}"
            answer = await self.fetch("GET", path)
            if answer.status in (301, 302, 307, 308) and self.elsewhere:
                answer = await self.fetch("GET", answer.headers.get("location", ""))
            if answer.status != 200:
                return Row(subject, FAIL, f"{path} answers {answer.status}", mend)
            if answer.headers.get("access-control-allow-origin") != "*":
                return Row(subject, FAIL, f"{path} is not open to web sites (Access-Control-Allow-Origin: *)", mend)
            if kind:
                listed = {link.get("rel", ""): link.get("href", "") for link in json.loads(answer.body)["links"]}
            else:
                listed = {
                    link.get("rel", ""): link.get("href", "")
                    for link in ET.fromstring(answer.body)  # noqa: S314 (expat refuses entities that explode)
                }
            if not set(LINKS) <= set(listed):
                return Row(
                    subject,
                    FAIL,
                    f"{path} lacks {' and '.join(LINKS[rel] for rel in LINKS if rel not in listed)}",
                    mend,
                )
        web, bosh = (listed[relation] for relation in LINKS)
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "xmpp",
        }
        answer = await self.fetch("GET", web.replace("wss:", "https:", 1), upgrade)
        if answer.status != 101 or answer.headers.get("sec-websocket-protocol") != "xmpp":
            return Row(subject, FAIL, f"{web} answers {answer.status}", mend)
        answer = await self.fetch("OPTIONS", bosh, {"Origin": "https://web.example.org"})
        if answer.status not in (200, 204) or answer.headers.get("access-control-allow-origin") != "*":
            return Row(subject, FAIL, f"{bosh} answers {answer.status}", mend)
        return Row(subject, PASS, "host-meta leads to both")

    async def provider(self) -> Row:
        """Judge the file for directories of providers: it must say what is so."""
        subject, mend = "provider file", "Run site.yml --tags website."
        answer = await self.fetch("GET", self.url("/.well-known/xmpp-provider-v2.json"))
        if answer.status != 200:
            return Row(subject, FAIL, f"answers {answer.status}", mend)
        says = json.loads(answer.body)
        wanted = {
            "maximumHttpFileUploadStorageTime": self.service["upload_days"],
            "maximumMessageArchiveManagementStorageTime": self.service["archive_days"],
        }
        wrong = [f"{key} is {says.get(key)}, not {value}" for key, value in wanted.items() if says.get(key) != value]
        if wrong:
            return Row(subject, FAIL, "; ".join(wrong), mend)
        return Row(subject, PASS, "says what the settings say")

    # ------------------------------------------------------------------ calls
    async def relay(self) -> tuple[Relay, str]:
        """Open a UDP socket to the relay, by the first address that is reached over TCP as well, or any."""
        name = self.service["turn_domain"]
        try:
            address = self.reach(name, 3478)
        except Trouble:
            address = next(iter([*self.addresses(name), *self.own]), "")
        if not address:
            raise Trouble(f"{name} has no address")
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Relay, remote_addr=(address, 3478))
        return protocol, address

    async def stun(self) -> Row:
        """Ask which address we have."""
        protocol, address = await self.relay()
        try:
            granted, attributes, _ = await protocol.request(BINDING, [])
        except TimeoutError:
            mend = "On the host: systemctl status coturn xmpp-relay.timer; else the firewall must let UDP 3478 through."
            return Row("STUN", FAIL, f"{address} does not answer on UDP port 3478", mend)
        finally:
            cast("asyncio.DatagramTransport", protocol.transport).close()
        if not granted or MAPPED not in attributes:
            return Row("STUN", FAIL, "answers an error", "On the host: systemctl restart coturn")
        return Row("STUN", PASS, "tells callers their addresses")

    async def turn(self, credentials: tuple[str, str]) -> Row:
        """Get a place on the relay as a caller does, and give it back."""
        subject, mend = "TURN", "On the host: systemctl restart coturn; then run site.yml --tags coturn,ejabberd."
        user, password = credentials
        protocol, _ = await self.relay()
        try:
            _, asked, _ = await protocol.request(ALLOCATE, [(REQUESTED_TRANSPORT, UDP)])
            realm, nonce = asked.get(REALM, b""), asked.get(NONCE, b"")
            # RFC 8489 9.2.2 has it so.
            key = hashlib.md5(b":".join((user.encode(), realm, password.encode())), usedforsecurity=False).digest()
            proof = [(USERNAME, user.encode()), (REALM, realm), (NONCE, nonce)]
            granted, got, identity = await protocol.request(ALLOCATE, [(REQUESTED_TRANSPORT, UDP), *proof], key)
            if not granted or RELAYED not in got:
                error = got.get(ERROR, b"\0\0\0\0")
                return Row(subject, FAIL, f"refuses a call: {error[2] * 100 + error[3]}", mend)
            where = xor_address(got[RELAYED], identity)
            await protocol.request(REFRESH, [(LIFETIME, b"\0\0\0\0"), *proof], key)
        except TimeoutError:
            return Row(subject, FAIL, "does not answer on UDP port 3478", mend)
        finally:
            cast("asyncio.DatagramTransport", protocol.transport).close()
        led = self.led.get(self.service["turn_domain"], [])
        if is_public(led) and not is_public([where]):
            mend = f"If a router translates addresses, set xmpp_public_addresses: [{', '.join(led)}] and run site.yml."
            return Row(subject, WARN, f"sends calls to {where}, which callers cannot reach", mend)
        return Row(subject, PASS, f"relays a call at {where}")

    # ------------------------------------------------------------------ as a user
    async def upload(self, slot: ET.Element) -> Row:
        """Send a file and fetch it, as anybody who gets the link does."""
        subject = "file upload"
        mend = "On the host: systemctl status nginx, then systemd-tmpfiles --create, and run site.yml --tags nginx."
        links = [slot.find(f".//{{{UPLOAD}}}{verb}") for verb in ("put", "get")]
        put, get = (link.get("url", "") if link is not None else "" for link in links)
        if not put or not get:
            return Row(subject, FAIL, "ejabberd gives no place to send it to", "Run site.yml --tags nginx,ejabberd.")
        sent = await self.fetch("PUT", put, {"Content-Type": "application/octet-stream"}, FILE)
        if sent.status not in (200, 201):
            return Row(subject, FAIL, f"sending a file is answered {sent.status}", mend)
        came = await self.fetch("GET", get)
        if came.status != 200 or came.body != FILE:
            return Row(subject, FAIL, f"the file sent does not come back: {came.status}", mend)
        return Row(subject, PASS, "a file sent comes back")

    async def user(self) -> list[Row]:
        """Do what needs an account."""
        account: dict[str, str] = self.service["account"]
        domain = self.main["domain"]
        rest = ["file upload", "XEPs", "push", *(["TURN"] if self.service["turn_domain"] else [])]

        def unchecked(why: str) -> list[Row]:
            return [
                Row(subject, WARN, f"not checked: {why}", f"Mend {'the login' if 'login' in why else 'that'} first.")
                for subject in rest
            ]

        if not account:
            mend = "Mend what the rows above say first. Else on the host: systemctl status ejabberd"
            trouble = self.service["account_trouble"]
            if not trouble:
                rest.insert(0, "login")
                return unchecked("there is no way into the host")
            return [Row("login", FAIL, f"no account to try with: {trouble}", mend), *unchecked("no login")]
        try:
            async with asyncio.timeout(ANSWER):
                reader, writer = await self.connect(self.main["host"], 5222)
                stream = Stream(reader, writer, domain)
                before = await stream.starttls(self.lenient)
                after = await stream.login(account["name"], account["password"])
        except (OSError, EOFError, Trouble) as error:
            words = reason(error)
            mend = PORTS_FIRST if words.startswith("port ") else "On the host: systemctl status ejabberd"
            return [Row("login", FAIL, words, mend), *unchecked("no login")]
        try:
            async with asyncio.timeout(3 * ANSWER):
                visited = await self.visit(stream, account["name"], before, after)
                pushed = await row("push", self.push(stream, account["name"], account["password"]))
                return [Row("login", PASS, "works"), *visited, pushed]
        except (OSError, EOFError, Trouble) as error:
            return [Row("login", PASS, "works"), *unchecked(f"the session {reason(error)}")]
        finally:
            writer.close()

    async def push(self, stream: Stream, name: str, password: str) -> Row:
        """Wake up a phone that is away, and ask the servers that do so for apps what they are."""
        reader, writer = await self.connect(self.main["host"], 5222)
        try:
            phone = Stream(reader, writer, self.main["domain"])
            await phone.starttls(self.lenient)
            await phone.login(name, password)
            # This session takes the place of the app's server.
            enable = f"<enable xmlns='{PUSH}' jid={quoteattr(stream.jid)} node='check'/>"
            await phone.ask([("", "set", enable)])
            await phone.send("</stream:stream>")
        finally:
            writer.close()
        waiting = {secrets.token_hex(4): server for server in self.service["push_servers"]}
        for identity, server in waiting.items():
            await stream.send(f"<iq id='{identity}' type='get' to={quoteattr(server)}><query xmlns='{INFO}'/></iq>")
        to = quoteattr(f"{name}@{self.main['domain']}")
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
                if not notified:  # the phone was not away yet
                    await stream.send(message)
                continue
            if element.find(f".//{{{PUSH}}}notification") is not None:
                notified = True
                await stream.answer(element)
            elif (server := waiting.pop(element.get("id", ""), "")) and any(
                element.find(f".//{STANZAS}{condition}") is not None for condition in UNREACHED
            ):
                away.append(server)
        return judge_push(notified, len(self.service["push_servers"]), sorted([*away, *waiting.values()]))

    async def visit(self, stream: Stream, name: str, before: ET.Element, after: ET.Element) -> list[Row]:
        """Look around as a client does; the room that is made for it is gone as soon as nobody is in it."""
        main, jid, node = self.main, f"{name}@{self.main['domain']}", "eu.siacs.conversations.axolotl.test"
        room = f"{name}@{main['muc']}"
        info = f"<query xmlns='{INFO}'/>"
        first = [
            (main["domain"], "get", info),
            (jid, "get", info),
            (main["muc"], "get", info),
            (main["upload"], "get", info),
            (main["proxy"], "get", info),
            (main["domain"], "get", f"<query xmlns='{ITEMS}'/>"),
            (main["domain"], "get", f"<services xmlns='{EXTDISCO}'/>"),
            (main["upload"], "get", f"<request xmlns='{UPLOAD}' filename='check.bin' size='{len(FILE)}'/>"),
            ("", "set", publish(node)),
            ("", "get", "<query xmlns='jabber:iq:private'><check xmlns='conexizan:check'/></query>"),
            ("", "get", "<vCard xmlns='vcard-temp'/>"),
        ]
        server, own, muc, store, proxy, items, relays, slot, *others = await stream.ask(first)
        credentials = next(
            (
                (entry.get("username", ""), entry.get("password", ""))
                for entry in relays.iter(f"{{{EXTDISCO}}}service")
                if entry.get("type") == "turn"
            ),
            ("", ""),
        )
        await stream.send(f"<presence to={quoteattr(room + '/check')}><x xmlns='{MUC}'/></presence>")

        async def inside() -> list[ET.Element]:
            owner = f"{PUBSUB}#owner"
            answers = await stream.ask(
                [
                    (room, "get", info),
                    (f"{room}/check", "get", f"<ping xmlns='{PING}'/>"),
                    ("", "get", f"<pubsub xmlns='{owner}'><configure node='{node}'/></pubsub>"),
                ]
            )
            await stream.send(f"<presence to={quoteattr(room + '/check')} type='unavailable'/>")
            return answers

        put = slot.find(f".//{{{UPLOAD}}}put")
        url = put.get("url", "") if put is not None else self.url("/", main["upload"])
        tasks: list[Awaitable[Any]] = [
            inside(),
            row("file upload", self.upload(slot)),
            settled(self.fetch("OPTIONS", url, {"Origin": "https://web.example.org"})),
        ]
        if self.service["turn_domain"]:
            tasks.append(row("TURN", self.turn(credentials)))
        (seen, pinged, config), uploaded, preflight, *turned = await asyncio.gather(*tasks)
        there = {
            "server": features_of(server),
            "own": features_of(own),
            "room": features_of(seen),
        }
        listed = {entry.get("jid", "") for entry in items.iter(f"{{{ITEMS}}}item")}
        kinds = {(entry.get("type"), bool(entry.get("username"))) for entry in relays.iter(f"{{{EXTDISCO}}}service")}
        open_node = config.findtext(f".//{DATA}field[@var='pubsub#access_model']/{DATA}value") == "open"
        contacts = {entry.get("var") for entry in server.iter(f"{DATA}field") if entry.find(f"{DATA}value") is not None}
        facts = {
            "XEP-0030 service discovery": bool(there["server"]),
            "XEP-0045 rooms": main["muc"] in listed and ("conference", "text") in identities_of(muc),
            "XEP-0048 and 0411 bookmarks": "urn:xmpp:bookmarks-conversion:0" in there["own"],
            "XEP-0049 private storage": others[1].get("type") == "result",
            "XEP-0054 vCards": others[2].get("type") == "result",
            "XEP-0065 proxy": main["proxy"] in listed and ("proxy", "bytestreams") in identities_of(proxy),
            "XEP-0115 capabilities": after.find("{http://jabber.org/protocol/caps}c") is not None,
            "XEP-0153 and 0398 avatars": "urn:xmpp:pep-vcard-conversion:0" in there["own"],
            "XEP-0153 pictures of rooms": "vcard-temp" in there["room"],
            "XEP-0157 contact for abuse": "abuse-addresses" in contacts,
            "XEP-0160 offline messages": "msgoffline" in there["server"],
            "XEP-0163 personal eventing": ("pubsub", "pep") in identities_of(own),
            "XEP-0191 blocking": "urn:xmpp:blocking" in there["server"],
            "XEP-0198 stream management": after.find("{urn:xmpp:sm:3}sm") is not None,
            "XEP-0223 and 0384 OMEMO": others[0].get("type") == "result"
            and open_node
            and f"{PUBSUB}#publish-options" in there["own"],
            "XEP-0237 roster versions": after.find("{urn:xmpp:features:rosterver}ver") is not None,
            "XEP-0280 carbons": "urn:xmpp:carbons:2" in there["server"],
            "XEP-0313 archive": "urn:xmpp:mam:2" in there["own"],
            "XEP-0313 archive of rooms": "urn:xmpp:mam:2" in there["room"],
            "XEP-0352 client state": after.find("{urn:xmpp:csi:0}csi") is not None,
            "XEP-0357 push": "urn:xmpp:push:0" in there["own"],
            "XEP-0363 uploads": main["upload"] in listed and UPLOAD in features_of(store),
            "XEP-0363 uploads from web sites": isinstance(preflight, Answer)
            and preflight.headers.get("access-control-allow-origin") == "*"
            and "PUT" in preflight.headers.get("access-control-allow-methods", "")
            and "access-control-allow-headers" in preflight.headers,
            "XEP-0402 bookmarks": "urn:xmpp:bookmarks:1#compat" in there["own"],
            "XEP-0410 self-ping": pinged.get("type") == "result",
        }
        if self.service["turn_domain"]:
            facts["XEP-0215 STUN"] = bool({kind for kind, _ in kinds} & {"stun", "stuns"})
            facts["XEP-0215 TURN"] = ("turn", True) in kinds and ("turn", False) not in kinds
        if self.service["registration"] != "closed":
            facts["XEP-0077 registration"] = before.find("{http://jabber.org/features/iq-register}register") is not None
        return [uploaded, *turned, compliance(facts)]

    # ------------------------------------------------------------------ all of it
    async def examine(self, now: float) -> list[Row]:
        """Return the rows."""
        knocked = await self.knock()
        if not self.open:
            return knocked
        # One cause, one row.
        if owner := self.shut_by():
            return [
                Row("service", WARN, f"not checked from here: {owner} on the host shuts its ports", "Mend that first.")
            ]
        ways: list[Awaitable[Seen]] = []
        for one in self.service["domains"]:
            ways += [
                self.stream(one, 5222, server=False, direct=False),
                self.stream(one, 5223, server=False, direct=True),
            ]
            if self.service["federation"]:
                ways += [
                    self.stream(one, 5269, server=True, direct=False),
                    self.stream(one, 5270, server=True, direct=True),
                ]
            ways += [self.tls(name, one["domain"], self.port) for name in (one["host"], one["upload"])]
        if self.service["turn_domain"]:
            ways.append(self.tls(self.service["turn_domain"], self.main["domain"], 5349))
        web = [
            row("web site", self.site()),
            row("WebSocket and BOSH", self.links()),
            row("provider file", self.provider()),
        ]
        if self.service["turn_domain"]:
            web.append(row("STUN", self.stun()))
        seen, rows, used = await asyncio.gather(asyncio.gather(*ways), asyncio.gather(*web), self.user())
        result = list(knocked)
        for one in self.service["domains"]:
            domain = one["domain"]
            of = [way for way in seen if way.domain == domain]
            result.append(self.certificate(domain, of, now))
            mend = "On the host: systemctl status ejabberd; then run site.yml --tags ejabberd."
            for subject, ports in (("clients", ("port 5222", "port 5223")), ("servers", ("port 5269", "port 5270"))):
                if ways_of := [way for way in of if way.way in ports]:
                    result.append(self.streams(f"{domain} {subject}", ways_of, mend))
        turns = [way for way in seen if way.way.endswith("port 5349") and way.trouble]
        result += [Row("TURN over TLS", FAIL, way.trouble, "On the host: systemctl status coturn") for way in turns]
        return [*result, *rows, *used]


FILE = b"The doctor was here.\n"


def publish(node: str) -> str:
    """Return what an app sends to publish its keys, open to all."""
    option = (
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>{PUBSUB}#publish-options</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x>"
    )
    return (
        f"<pubsub xmlns='{PUBSUB}'><publish node={quoteattr(node)}><item id='current'>"
        f"<list xmlns='eu.siacs.conversations.axolotl'/></item></publish>"
        f"<publish-options>{option}</publish-options></pubsub>"
    )


def judge_push(notified: bool, servers: int, away: list[str]) -> Row:
    """Judge whether phones are woken up; *away* are those of the servers for apps that were not reached."""
    if not notified:
        mend = "Run site.yml --tags ejabberd; on the host: systemctl restart ejabberd"
        return Row("push", FAIL, "no notification comes for a message to a phone that is away", mend)
    if away:
        mend = (
            "Look whether the host reaches other servers: names in DNS, and TCP port 5269 outwards and inwards. If it "
            "does, they are away themselves, or no more: then take them out of xmpp_push_servers."
        )
        return Row("push", WARN, f"a notification comes, but not reached from here: {', '.join(away)}", mend)
    reached = f"and all of xmpp_push_servers ({servers}) answer" if servers else "but xmpp_push_servers names nobody"
    return Row("push", PASS, f"a notification comes, {reached}")


def compliance(facts: dict[str, bool]) -> Row:
    """Judge what the compliance tester and XEP-0479 ask for."""
    missing = [name for name, there in facts.items() if not there]
    if missing:
        mend = "Run site.yml --tags nginx,ejabberd; if they stay away, a drop-in of yours may have taken them out."
        return Row("XEPs", FAIL, f"missing: {', '.join(missing)}", mend)
    return Row("XEPs", PASS, f"all {len(facts)} that the compliance tester and XEP-0479 look for")


def is_public(addresses: Iterable[str]) -> bool:
    """Tell whether one of the addresses is one of the Internet."""
    return any(ipaddress.ip_address(address).is_global for address in addresses)


def has_route(address: str) -> bool:
    """Tell whether this machine knows a way to an address; connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
    except OSError:
        return False
    return True


def copy_with(context: ssl.SSLContext, ca: str, alpn: str) -> ssl.SSLContext:
    """Return the same settings with a protocol announced (a context is for one)."""
    copied = ssl.create_default_context()
    if ca:
        copied.load_verify_locations(cadata=ca)
    copied.check_hostname = context.check_hostname
    copied.verify_mode = context.verify_mode
    copied.set_alpn_protocols([alpn])
    return copied


async def resolve(name: str) -> str:
    """Return an address of a name that is not of the service, as this machine finds it; raises Trouble."""
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, name, 443, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Trouble(f"{name} has no address, so its web site is not found") from error
    return str(found[0][4][0])


async def row(subject: str, look: Awaitable[Row]) -> Row:
    """Return a row in any case."""
    try:
        async with asyncio.timeout(2 * ANSWER):
            return await look
    except (OSError, EOFError, Trouble, http.client.HTTPException) as error:
        return Row(subject, FAIL, reason(error), "Mend what the rows above say, then run this again.")
    except (ValueError, KeyError, ET.ParseError):
        return Row(subject, FAIL, "answers something that makes no sense", "Run site.yml.")


async def settled(look: Awaitable[Answer]) -> Answer | None:
    """Return an answer, or nothing."""
    try:
        return await look
    except (OSError, Trouble, http.client.HTTPException):
        return None


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no type hints
    """Look from the controller; needs no connection by ssh."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("service",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the rows."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        now = datetime.datetime.now(datetime.UTC).timestamp()
        result["changed"] = False
        result["rows"] = [asdict(one) for one in asyncio.run(Doctor(self._task.args["service"]).examine(now))]
        return result
