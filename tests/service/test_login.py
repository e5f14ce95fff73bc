# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, how, and who does not."""

from __future__ import annotations

import secrets
import socket
import ssl
from xml.etree import ElementTree as ET

import pytest

from ..kit import clients
from ..kit.service import Account, Register, Service
from ..kit.stream import (
    BIND2,
    BIND2_REQUEST,
    FAST,
    SASL,
    SASL2,
    TLS,
    Refused,
    ask_token,
    condition,
    connected,
    login_by_token,
    mechanisms,
)

PLUS = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"]


def plain(account: Account, authzid: str = "") -> bytes:
    return f"{authzid}\0{account.name}\0{account.password}".encode()


@pytest.mark.parametrize("mechanism", PLUS)
def test_login_is_bound_to_the_tls_connection(service: Service, register: Register, mechanism: str) -> None:
    (alice,) = register(1)
    with connected(service) as stream:
        assert mechanism in mechanisms(stream.starttls())
        stream.scram(mechanism, alice)
        assert stream.bind().startswith(f"{alice.jid}/")


@pytest.mark.parametrize("mechanism", PLUS)
def test_login_bound_to_another_tls_connection_is_refused(service: Service, register: Register, mechanism: str) -> None:
    """A man in the middle relays the login from his TLS connection to the server's."""
    (alice,) = register(1)
    with connected(service) as stream:
        stream.starttls()
        with pytest.raises(Refused, match="not-authorized"):
            stream.scram(mechanism, alice, binding=secrets.token_bytes(32))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_login_without_channel_binding(service: Service, register: Register, mechanism: str) -> None:
    (alice,) = register(1)
    async with clients.login(service, alice, mechanism=mechanism) as client:
        assert client.boundjid.bare == alice.jid


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"])
async def test_wrong_password_is_refused(service: Service, register: Register, mechanism: str) -> None:
    (alice,) = register(1)
    with pytest.raises(clients.Refused, match="not-authorized"):
        async with clients.login(service, Account(alice.name, "not the password"), mechanism=mechanism):
            pass


async def test_unknown_account_is_refused(service: Service) -> None:
    with pytest.raises(clients.Refused, match="not-authorized"):
        async with clients.login(service, Account(f"nobody-{secrets.token_hex(4)}", "a password")):
            pass


@pytest.mark.attack("login as somebody else (`authzid`)")
def test_plain_as_another_user_is_refused(service: Service, register: Register) -> None:
    """https://github.com/processone/ejabberd/issues/4601: old versions let anybody in as anybody."""
    victim, mallory = register(2)
    with connected(service) as stream:
        stream.starttls()
        answer = stream.authenticate("PLAIN", plain(mallory, authzid=victim.jid))
        assert answer.tag == f"{SASL}failure"
        assert condition(answer) in ("invalid-authzid", "not-authorized")


@pytest.mark.attack("login as somebody else (`authzid`)")
@pytest.mark.parametrize("named", ["victim", "mallory"])
def test_plain_as_another_user_is_refused_by_sasl2(service: Service, register: Register, named: str) -> None:
    victim, mallory = register(2)
    with connected(service, user=victim if named == "victim" else mallory) as stream:
        assert stream.starttls().find(f"{SASL2}authentication") is not None
        answer = stream.authenticate2("PLAIN", plain(mallory, authzid=victim.jid), BIND2_REQUEST)
        assert answer.tag == f"{SASL2}failure"
        assert condition(answer) in ("invalid-authzid", "not-authorized")


@pytest.mark.attack("login as somebody else (`authzid`)")
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-512-PLUS"])
def test_scram_never_gives_another_users_session(service: Service, register: Register, mechanism: str) -> None:
    """The server may refuse a foreign authzid or ignore it, never obey it."""
    victim, mallory = register(2)
    with connected(service) as stream:
        stream.starttls()
        try:
            stream.scram(mechanism, mallory, authzid=victim.jid)
        except Refused:
            return
        assert stream.bind().startswith(f"{mallory.jid}/")


def test_nothing_but_starttls_is_offered_in_clear(service: Service) -> None:
    with connected(service) as stream:
        features = stream.open()
        assert features.find(f"{TLS}starttls/{TLS}required") is not None
        assert mechanisms(features) == set()


def test_password_in_clear_is_not_even_looked_at(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with connected(service) as stream:
        stream.open()
        try:
            answer = stream.authenticate("PLAIN", plain(alice))
        except ConnectionError:
            return
        assert answer.tag != f"{SASL}success"


def test_offer_under_tls(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with connected(service, user=alice) as stream:
        features = stream.starttls()
        offered = mechanisms(features)
        assert {"SCRAM-SHA-256", "SCRAM-SHA-512", *PLUS} <= offered
        assert not offered & {"ANONYMOUS", "DIGEST-MD5", "CRAM-MD5", "LOGIN"}
        bindings = {element.get("type") for element in features.iter("{urn:xmpp:sasl-cb:0}channel-binding")}
        assert "tls-exporter" in bindings
        inline = features.find(f"{SASL2}authentication/{SASL2}inline")
        assert inline is not None, ET.tostring(features)
        assert inline.find(f"{BIND2}bind") is not None
        assert inline.find("{urn:xmpp:sm:3}sm") is not None
        assert inline.find(f"{FAST}fast/{FAST}mechanism") is not None


def test_fast_comes_back_with_a_token_in_one_step(service: Service, register: Register) -> None:
    """SASL 2 with Bind 2 and a token bound to the TLS connection; then in by the token; a guessed token is refused."""
    (alice,) = register(1)
    token, success = ask_token(service, alice)
    assert success.findtext(f"{SASL2}authorization-identifier", "").startswith(f"{alice.jid}/test")
    assert success.find(f"{BIND2}bound") is not None
    with connected(service, user=alice) as stream:
        success = login_by_token(stream, alice, token)
        assert success.tag == f"{SASL2}success", ET.tostring(success)
        assert success.find(f"{BIND2}bound") is not None
    with connected(service, user=alice) as stream:
        failure = login_by_token(stream, alice, "a guess")
        assert failure.tag == f"{SASL2}failure"


def test_direct_tls_speaks_xmpp(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with connected(service, 5223) as stream:
        stream.encrypt(alpn="xmpp-client")
        assert stream.alpn in ("xmpp-client", "")  # ejabberd agrees without saying so
        stream.open()
        stream.scram("SCRAM-SHA-512-PLUS", alice)
        assert stream.bind().startswith(f"{alice.jid}/")


async def test_direct_tls_login(service: Service, register: Register) -> None:
    (alice,) = register(1)
    async with clients.login(service, alice, direct_tls=True) as client:
        assert client.boundjid.bare == alice.jid


@pytest.mark.parametrize("direct_tls", [False, True])
async def test_login_over_ipv6(service: Service, register: Register, direct_tls: bool) -> None:
    """The same service by its other address."""
    assert service.address6 is not None, "the test host has no IPv6 address"
    (alice,) = register(1)
    async with clients.login(service, alice, address=service.address6, direct_tls=direct_tls) as client:
        assert client.boundjid.bare == alice.jid


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.*is deprecated:DeprecationWarning")
@pytest.mark.parametrize("port", [443, 5222, 5223, 5349])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["tls1.0", "tls1.1"])
def test_old_tls_is_refused(service: Service, port: int, version: ssl.TLSVersion) -> None:
    """The client is ready to speak it (security level 0): it is the server that says no, hangs up or stays silent."""
    with pytest.raises((ssl.SSLError, ConnectionResetError, TimeoutError)) as refusal:
        handshake(service, port, version, seconds=3)
    if isinstance(refusal.value, ssl.SSLError):
        assert refusal.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize("port", [443, 5222, 5223, 5349])
def test_todays_tls_is_spoken(service: Service, port: int) -> None:
    assert handshake(service, port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"


# By what keys are exchanged: those of Mozilla's intermediate profile, and the one with ML-KEM (OpenSSL 3.5).
GROUPS = ["X25519MLKEM768", "X25519", "P-256", "P-384"]
OTHER_GROUPS = ["X448", "P-521", "ffdhe2048", "SecP384R1MLKEM1024"]
STARTTLS = {5222: "-starttls xmpp", 5269: "-starttls xmpp-server"}


@pytest.mark.attack("key exchange with groups outside of Mozilla's intermediate profile")
@pytest.mark.parametrize("port", [443, 5222, 5223, 5269, 5270])
def test_keys_are_exchanged_by_the_groups_of_the_profile_only(service: Service, port: int) -> None:
    """Asked by the OpenSSL of the host, which is new enough to know all of them."""
    options = f"-connect 127.0.0.1:{port} -servername {service.domain} -tls1_3"
    options += f" {STARTTLS[port]} -xmpphost {service.domain}" if port in STARTTLS else ""
    taken = service.host.check_output(
        f"for group in {' '.join(GROUPS + OTHER_GROUPS)}; do "
        f"openssl s_client {options} -groups $group </dev/null >/dev/null 2>&1 && echo $group; done; true"
    )
    assert taken.split() == GROUPS


def handshake(service: Service, port: int, version: ssl.TLSVersion, seconds: float = 10) -> str | None:
    """Offers exactly this version of TLS; returns the one agreed on."""
    context = service.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    name = service.name("turn") if port == 5349 else service.domain
    with socket.create_connection((service.address, port), timeout=seconds) as plain_socket:
        if port == 5222:
            plain_socket.sendall(
                f"<stream:stream to='{service.domain}' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>"
                "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".encode()
            )
            received = b""
            while b"<proceed" not in received:
                data = plain_socket.recv(4096)
                assert data, received
                received += data
        with context.wrap_socket(plain_socket, server_hostname=name) as tls:
            return tls.version()
