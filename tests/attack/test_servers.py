# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger who says to be another server. (With certificates of all kinds: federation/test_trust.py.)"""

from __future__ import annotations

import secrets

import pytest

from ..kit.clients import login
from ..kit.service import Register, Service
from ..kit.stream import SASL, STREAMS, Stream, connected

CLAIMS = ["example.org", "site.test", "muc.site.test"]
DIALBACK = "{jabber:server:dialback}"


def introduce(stream: Stream, claim: str, to: str) -> None:
    """Opens a stream between servers, over TLS, without a certificate."""
    stream.encrypt(alpn="xmpp-server")
    stream.send(
        f"<?xml version='1.0'?><stream:stream to='{to}' from='{claim}' version='1.0' xmlns='jabber:server' "
        "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>"
    )


@pytest.mark.attack("impersonating another server: without proof, with a wrong key or certificate")
@pytest.mark.parametrize("claim", CLAIMS)
async def test_stanza_before_any_proof_ends_the_stream(service: Service, register: Register, claim: str) -> None:
    """Whatever name it comes under, this host's own included."""
    (bob,) = register(1)
    text = secrets.token_hex(8)
    async with login(service, bob) as receiver:
        await receiver.online()
        with connected(service, 5270) as stream:
            introduce(stream, claim, service.domain)
            stream.send(f"<message from='admin@{claim}' to='{bob.jid}'><body>{text}</body></message>")
            answer = stream.read()
            while answer.tag != f"{STREAMS}error":
                answer = stream.read()
            with pytest.raises(ConnectionError):
                stream.read()
        own = secrets.token_hex(8)
        receiver.say(bob.jid, own)
        await receiver.hear(own)
        assert receiver.messages.all(lambda stanza: text in "".join(stanza.itertext())) == []


@pytest.mark.attack("impersonating another server: without proof, with a wrong key or certificate")
@pytest.mark.parametrize("claim", CLAIMS)
def test_key_that_nobody_confirms_is_refused(service: Service, claim: str) -> None:
    """Dialback (XEP-0220): the server of that name is asked, not the stranger."""
    with connected(service, 5270) as stream:
        introduce(stream, claim, service.domain)
        stream.features()
        stream.send(f"<db:result from='{claim}' to='{service.domain}'>{'0' * 64}</db:result>")
        answer = stream.read()
        assert answer.tag in (f"{DIALBACK}result", f"{STREAMS}error")
        assert answer.get("type") != "valid"


@pytest.mark.attack("impersonating another server: without proof, with a wrong key or certificate")
@pytest.mark.parametrize("claim", CLAIMS)
def test_no_certificate_is_no_proof(service: Service, claim: str) -> None:
    """SASL EXTERNAL fails for who shows none."""
    with connected(service, 5270) as stream:
        introduce(stream, claim, service.domain)
        stream.features()
        answer = stream.authenticate("EXTERNAL", claim.encode())
        assert answer.tag in (f"{SASL}failure", f"{STREAMS}error")


@pytest.mark.attack("impersonating another server: without proof, with a wrong key or certificate")
def test_stranger_verifies_no_key(service: Service) -> None:
    """Nobody learns by asking whether a key that this host gave out is right, without having one."""
    with connected(service, 5270) as stream:
        introduce(stream, "example.org", service.domain)
        stream.features()
        stream.send(f"<db:verify from='example.org' to='{service.domain}' id='1'>{'0' * 64}</db:verify>")
        assert stream.read().get("type") != "valid"
