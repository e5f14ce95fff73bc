# SPDX-License-Identifier: GPL-3.0-or-later
"""An XMPP stream driven by hand, for what a well-behaved client would not do and slixmpp cannot: SASL 2 (XEP-0388),
Bind 2 (XEP-0386), FAST (XEP-0484), channel binding by tls-exporter (RFC 9266), and lies about who one is."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
import socket
import struct
from collections.abc import Iterator
from typing import cast
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from cryptography import x509
from OpenSSL import SSL, crypto

from .scram import Scram
from .service import PATIENCE, Account, Service

CLIENT = "{jabber:client}"
STREAMS = "{http://etherx.jabber.org/streams}"
TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
SASL2 = "{urn:xmpp:sasl:2}"
BIND2 = "{urn:xmpp:bind:0}"
FAST = "{urn:xmpp:fast:0}"
BIND2_REQUEST = "<bind xmlns='urn:xmpp:bind:0'><tag>test</tag></bind>"
# Whom a token is for: one device of an account's (XEP-0388 2.2).
DEVICE = "d4565fa7-4d72-4749-b3d3-740edbf87770"


class Refused(Exception):
    """The server refused the login; the text is the SASL condition."""


class Parser:
    """Cuts a stream into its elements."""

    def __init__(self) -> None:
        self._events: ET.XMLPullParser[ET.Element] = ET.XMLPullParser(("start", "end"))
        self._depth = 0

    def feed(self, data: bytes) -> None:
        self._events.feed(data)

    def element(self) -> ET.Element | None:
        """The next element that is complete, if there is one."""
        for item in self._events.read_events():
            event, element = cast("tuple[str, ET.Element]", item)
            self._depth += 1 if event == "start" else -1
            if event == "end" and self._depth == 1:
                return element
            if event == "end" and self._depth == 0:
                raise ConnectionError("the server closed the stream")
        return None


class Stream:
    """One connection. Elements are read as they come; nothing is answered by itself.

    A user named under TLS is what makes the server offer SASL 2.
    """

    def __init__(self, service: Service, port: int, user: Account | None) -> None:
        self._service = service
        self._user = user
        self._socket = socket.create_connection((service.address, port), timeout=PATIENCE)
        # pyOpenSSL wants a blocking socket, so the limit is set in the kernel
        self._socket.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self._socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
        self._tls: SSL.Connection | None = None
        self._parser = Parser()
        self.last_features = ET.Element("none")

    def close(self) -> None:
        self._socket.close()

    def encrypt(self, alpn: str | None = None) -> None:
        """Starts TLS; the certificate must come from the service's CA and name the domain."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(x509.load_pem_x509_certificate(self._service.ca.encode())))
        context.set_verify(SSL.VERIFY_PEER)
        if alpn:
            context.set_alpn_protos([alpn.encode()])
        tls = SSL.Connection(context, self._socket)
        tls.set_tlsext_host_name(self._service.domain.encode())
        tls.set_connect_state()
        tls.do_handshake()
        certificate = tls.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert self._service.domain in names.get_values_for_type(x509.DNSName)
        self._tls = tls

    @property
    def alpn(self) -> str:
        """The protocol that the server chose."""
        assert self._tls is not None
        return self._tls.get_alpn_proto_negotiated().decode()

    @property
    def binding(self) -> bytes:
        """What both ends of this TLS connection, and nobody else, can compute (RFC 9266)."""
        assert self._tls is not None
        assert self._tls.get_protocol_version_name() == "TLSv1.3"
        return self._tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")

    def send(self, xml: str) -> None:
        if self._tls is None:
            self._socket.sendall(xml.encode())
            return
        try:
            self._tls.sendall(xml.encode())
        except SSL.SysCallError as error:
            raise ConnectionError(*error.args) from None

    def _receive(self) -> bytes:
        if self._tls is None:
            return self._socket.recv(65536)
        try:
            return self._tls.recv(65536)
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            raise ConnectionError(*error.args) from None
        except SSL.WantReadError:
            raise TimeoutError(f"the server said nothing for {PATIENCE} seconds") from None

    def read(self) -> ET.Element:
        """The next element of the stream."""
        while (element := self._parser.element()) is None:
            data = self._receive()
            if not data:
                raise ConnectionError("the server closed the connection")
            self._parser.feed(data)
        return element

    def open(self, to: str = "", language: str = "") -> ET.Element:
        """Opens (or reopens) the stream, to the service or what it is called here; returns its features."""
        self._parser = Parser()
        user = f" from='{self._user.jid}'" if self._user and self._tls else ""
        lang = f" xml:lang='{language}'" if language else ""
        self.send(
            f"<?xml version='1.0'?><stream:stream to='{to or self._service.domain}'{user}{lang} version='1.0' "
            "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        return self.features()

    def features(self) -> ET.Element:
        features = self.read()
        assert features.tag == f"{STREAMS}features", ET.tostring(features)
        self.last_features = features
        return features

    def starttls(self, to: str = "", language: str = "") -> ET.Element:
        """The usual way in on port 5222; returns the features offered under TLS."""
        self.open(to)
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert self.read().tag == f"{TLS}proceed"
        self.encrypt()
        return self.open(to, language)

    def authenticate(self, mechanism: str, initial: bytes) -> ET.Element:
        """Starts a SASL login (RFC 6120); returns the server's answer."""
        data = base64.b64encode(initial).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>")
        return self.read()

    def authenticate2(self, mechanism: str, initial: bytes, inside: str = "") -> ET.Element:
        """Starts a SASL 2 login (XEP-0388), with more to do at once inside; returns the server's answer."""
        data = base64.b64encode(initial).decode()
        self.send(
            f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>"
            f"<initial-response>{data}</initial-response>{inside}</authenticate>"
        )
        return self.read()

    def scram(self, mechanism: str, account: Account, *, authzid: str = "", binding: bytes | None = None) -> None:
        """Logs in by SCRAM and reopens the stream. -PLUS binds to this TLS connection, or to what is given."""
        plus = mechanism.endswith("-PLUS")
        scram = Scram(mechanism, account, (binding or self.binding) if plus else None, authzid)
        answer = self.authenticate(mechanism, scram.first())
        if answer.tag == f"{SASL}challenge":
            data = base64.b64encode(scram.final(_decode(answer))).decode()
            self.send(f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{data}</response>")
            answer = self.read()
        _refuse(answer, SASL)
        scram.verify(_decode(answer))
        self.open()

    def scram2(self, mechanism: str, account: Account, inside: str = "") -> ET.Element:
        """Logs in by SCRAM over SASL 2; returns the server's <success/>."""
        scram = Scram(mechanism, account, self.binding if mechanism.endswith("-PLUS") else None)
        answer = self.authenticate2(mechanism, scram.first(), inside)
        if answer.tag == f"{SASL2}challenge":
            data = base64.b64encode(scram.final(_decode(answer))).decode()
            self.send(f"<response xmlns='urn:xmpp:sasl:2'>{data}</response>")
            answer = self.read()
        _refuse(answer, SASL2)
        scram.verify(base64.b64decode(answer.findtext(f"{SASL2}additional-data", "")))
        return answer

    def bind(self) -> str:
        """Binds a resource; returns the full address that the server gave."""
        answer = self.query("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
        return answer.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid", "")

    def query(self, kind: str, payload: str, to: str = "", language: str = "en") -> ET.Element:
        """The answer to an IQ; other stanzas that come first are dropped."""
        identity = secrets.token_hex(4)
        address = f" to='{escape(to)}'" if to else ""
        self.send(f"<iq id='{identity}' type='{kind}' xml:lang='{language}'{address}>{payload}</iq>")
        while True:
            answer = self.read()
            if answer.tag == f"{CLIENT}iq" and answer.get("id") == identity:
                return answer


def _decode(element: ET.Element) -> bytes:
    return base64.b64decode(element.text or "")


def _refuse(answer: ET.Element, namespace: str) -> None:
    """Raises the server's refusal, if it is one."""
    if answer.tag != f"{namespace}success":
        raise Refused(condition(answer))


def condition(failure: ET.Element) -> str:
    """Why a login failed; a failure without a reason is an error of the server."""
    assert failure.tag in (f"{SASL}failure", f"{SASL2}failure"), ET.tostring(failure)
    return next(child.tag for child in failure if child.tag.startswith(SASL)).removeprefix(SASL)


def mechanisms(features: ET.Element) -> set[str]:
    """The mechanisms offered, of SASL and SASL 2."""
    tags = (f"{SASL}mechanisms/{SASL}mechanism", f"{SASL2}authentication/{SASL2}mechanism")
    return {element.text or "" for tag in tags for element in features.findall(tag)}


@contextlib.contextmanager
def connected(service: Service, port: int = 5222, user: Account | None = None) -> Iterator[Stream]:
    """A connection on which nothing has been said yet."""
    stream = Stream(service, port, user)
    try:
        yield stream
    finally:
        stream.close()


def token_proof(account: Account, token: str, binding: bytes) -> bytes:
    """The first message of a HT-SHA-256 login (XEP-0484)."""
    return account.name.encode() + b"\0" + hmac.digest(token.encode(), b"Initiator" + binding, hashlib.sha256)


def ask_token(service: Service, account: Account, about: str = "") -> tuple[str, ET.Element]:
    """Logs in by password; returns a token for later logins of DEVICE, and the answer it came with.

    *about* is what the device says of itself, as XML.
    """
    agent = f"<user-agent id='{DEVICE}'>{about}</user-agent>"
    request = f"{agent}<request-token xmlns='{FAST[1:-1]}' mechanism='HT-SHA-256-EXPR'/>"
    with connected(service, user=account) as stream:
        stream.starttls()
        success = stream.scram2("SCRAM-SHA-512-PLUS", account, request + BIND2_REQUEST)
    given = success.find(f"{FAST}token")
    assert given is not None, ET.tostring(success)
    return given.get("token", ""), success


def login_by_token(stream: Stream, account: Account, token: str) -> ET.Element:
    """Logs in with a token instead of a password and returns the answer."""
    stream.starttls()
    agent = f"<user-agent id='{DEVICE}'/>"
    proof = token_proof(account, token, stream.binding)
    return stream.authenticate2("HT-SHA-256-EXPR", proof, f"{agent}<fast xmlns='{FAST[1:-1]}'/>{BIND2_REQUEST}")
