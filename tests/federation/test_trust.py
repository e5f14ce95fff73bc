# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers believe valid certificates and nothing else: neither one that is not, nor a mere claim."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ..kit.clients import fresh_text, login
from ..kit.service import PATIENCE, Service
from ..kit.stream import Parser
from .authority import Authority, Pair, showing
from .between import Register, assert_reaches, assert_talk, part, refusal

PARTS = ("beta.test", "muc.beta.test", "upload.beta.test", "pubsub.beta.test", "proxy.beta.test")
WRONG: dict[str, Callable[[Authority], Pair]] = {
    "nobody's": lambda _: Authority().issue(*PARTS),
    "somebody else's": lambda public: public.issue("mallory.test"),
    "expired": lambda public: public.issue(*PARTS, days=-1),
}


@pytest.mark.attack("impersonating another server: without proof, with a wrong key or certificate")
@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("kind", WRONG)
async def test_wrong_certificate_is_refused(
    alpha: Service, beta: Service, names: Host, register: Register, kind: str
) -> None:
    """As caller and as called: messages to its users come back, and so do theirs."""
    alice, bob = register(alpha), register(beta)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        await one.online()
        await other.online()
        with showing(beta, WRONG[kind](Authority.of(names))):
            part(alpha, beta)
            await refusal(one, bob.jid)
            await refusal(other, alice.jid)
        part(alpha, beta)
        await assert_talk(one, other)


@pytest.mark.usefixtures("apart")
async def test_certificate_for_servers_only_is_enough(
    alpha: Service, beta: Service, names: Host, register: Register
) -> None:
    """Public authorities no longer certify clients; the called server calls back instead (XEP-0220), and verifies."""
    alice, bob = register(alpha), register(beta)
    pair = Authority.of(names).issue(*PARTS, for_clients=False)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        await one.online()
        await other.online()
        with showing(beta, pair):
            for first, second in ((one, other), (other, one)):
                part(alpha, beta)
                await assert_talk(first, second)


DIALBACK = "{jabber:server:dialback}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"


class Impostor:
    """Connects to a server, and says that it is another."""

    def __init__(self, service: Service, claim: str, certificate: Path | None) -> None:
        context = service.tls("xmpp-server")
        if certificate:
            context.load_cert_chain(certificate)
        plain = socket.create_connection((service.address, 5270), timeout=PATIENCE)
        self._link: ssl.SSLSocket = context.wrap_socket(plain, server_hostname=service.domain)
        self._parser = Parser()
        self.send(
            f"<stream:stream from='{claim}' to='{service.domain}' version='1.0' xmlns='jabber:server' "
            "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>"
        )

    def __enter__(self) -> Impostor:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def send(self, xml: str) -> None:
        self._link.sendall(xml.encode())

    def read(self) -> ET.Element:
        """The next element; raises ConnectionError if none comes any more."""
        while (element := self._parser.element()) is None:
            data = self._link.recv(65536)
            if not data:
                raise ConnectionError("closed")
            self._parser.feed(data)
        return element

    def read_to_end(self) -> None:
        """Raises ConnectionError when the server has enough of us."""
        while True:
            self.read()


def claim_by_key(impostor: Impostor, me: str, you: str) -> None:
    """Dialback: the real server is asked about the key, and knows nothing of it."""
    impostor.send(f"<db:result from='{me}' to='{you}'>{'0' * 64}</db:result>")
    answer = impostor.read()
    assert answer.tag == f"{DIALBACK}result"
    assert answer.get("type") in ("invalid", "error")


def claim_by_certificate(impostor: Impostor, me: str, you: str) -> None:
    """SASL EXTERNAL: the certificate is looked at."""
    impostor.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    assert impostor.read().tag == f"{SASL}failure"


@pytest.mark.attack("impersonating another server: without proof, with a wrong key or certificate")
@pytest.mark.parametrize("claim", [claim_by_key, claim_by_certificate, None])
@pytest.mark.parametrize("certified", [False, True])
async def test_impostor_is_not_believed(
    alpha: Service,
    beta: Service,
    register: Register,
    tmp_path: Path,
    claim: Callable[[Impostor, str, str], None] | None,
    certified: bool,
) -> None:
    """Whoever says to be beta.test, with a certificate of its own making or none, by whatever means, is not heard."""
    alice, bob = register(alpha), register(beta)
    certificate = None
    if certified:
        certificate = tmp_path / "pair.pem"
        certificate.write_bytes(b"".join(Authority().issue(*PARTS)))
    forged = fresh_text()

    def attack() -> None:
        with Impostor(alpha, beta.domain, certificate) as impostor:
            impostor.read()
            if claim:
                claim(impostor, beta.domain, alpha.domain)
            impostor.send(f"<message from='{bob.jid}' to='{alice.jid}' type='chat'><body>{forged}</body></message>")
            with pytest.raises(ConnectionError):
                impostor.read_to_end()

    async with login(alpha, alice) as one, login(beta, bob) as other:
        await one.online()
        await other.online()
        await asyncio.to_thread(attack)
        await assert_reaches(other, one)
        assert one.messages.all(lambda stanza: forged in "".join(stanza.itertext())) == []
