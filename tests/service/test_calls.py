# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls: the relay carries bytes between those who may use it, and to nowhere that is not the public Internet."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import re
import secrets
import shlex
import socket
import struct
import time

import pytest
import pytest_asyncio
from aioice import stun
from aioice.turn import TCP_TRANSPORT

from ..kit.clients import login
from ..kit.service import Register, Service
from ..kit.turn import Credentials, Relay, Transport, credentials_of, external_services, relay, talk


@pytest_asyncio.fixture
async def credentials(service: Service, register: Register) -> Credentials:
    """Credentials of a fresh account, from the service itself (XEP-0215). Fresh, because a quota counts by them."""
    (alice,) = register(1)
    async with login(service, alice) as client:
        return await credentials_of(client)


async def test_relays_are_announced(service: Service, register: Register) -> None:
    """By all ways in, so that a call works behind any firewall; credentials run out."""
    (alice,) = register(1)
    async with login(service, alice) as client:
        services = await external_services(client)
    assert {entry.get("host") for entry in services} == {service.name("turn")}
    offered = {(entry.get("type"), entry.get("transport"), entry.get("port")) for entry in services}
    assert {
        ("stun", "udp", "3478"),
        ("turn", "udp", "3478"),
        ("turn", "tcp", "3478"),
        ("turns", "tcp", "5349"),
    } <= offered
    for entry in services:
        if entry.get("type") in ("turn", "turns"):
            assert entry.get("password")
            assert entry.get("expires")
            expires = int((entry.get("username") or "").split(":")[0])
            assert time.time() < expires < time.time() + 2 * 86400


@pytest.mark.attack("using up the relay with one account")
async def test_sessions_of_one_account_share_its_places(service: Service, register: Register) -> None:
    """The relay counts by the name in the credentials, 48 for each; the name of a session is chosen by its user."""
    alice, bob = register(2)
    async with login(service, alice) as phone, login(service, alice) as desktop, login(service, bob) as other:
        assert phone.boundjid.full != desktop.boundjid.full
        names = [(await credentials_of(client)).username.partition(":")[2] for client in (phone, desktop, other)]
    assert all(names)
    assert names[0] == names[1] != names[2]
    quota = re.findall(r"^user-quota=(\d+)$", service.host.check_output("cat /etc/coturn/xmpp.conf"), re.MULTILINE)
    assert [int(number) for number in quota] == [PLACES]


@pytest.mark.parametrize("first", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("second", ["udp", "tls"])
async def test_two_peers_talk_through_the_relay(
    service: Service, credentials: Credentials, first: Transport, second: Transport
) -> None:
    """Neither could reach the other directly; what one sends arrives unchanged at the other."""
    async with relay(service, credentials, first) as caller, relay(service, credentials, second) as called:
        await talk(caller, called)


async def test_two_peers_talk_over_ipv6(service: Service, credentials: Credentials) -> None:
    async with (
        relay(service, credentials, ipv6=True) as caller,
        relay(service, credentials, ipv6=True) as called,
    ):
        assert caller.address[0] == service.address6
        await talk(caller, called)


PLACES = 48  # of one account
CAP = 3_000_000  # bytes a second of one relay, roles/coturn/templates/etc/coturn/xmpp.conf.j2
PACKET = 1200


@pytest.mark.parametrize(("rate", "arrives"), [(1_000_000, 0.9), (4 * CAP, 0)], ids=["call", "flood"])
async def test_relay_carries_calls_but_no_floods(
    service: Service, credentials: Credentials, rate: int, arrives: float
) -> None:
    """8 Mbit/s of audio and video pass; who would use up the operator's line does not get much more."""
    seconds = 3
    async with relay(service, credentials, "tcp") as caller, relay(service, credentials, "tcp") as called:
        await talk(caller, called)
        began, sent, received = time.monotonic(), 0, 0
        while sent < rate * seconds:
            for _ in range(int(rate * 0.02 / PACKET)):
                await caller.send(secrets.token_bytes(PACKET), called.address)
                sent += PACKET
            received += await drain(called, 0.02)
        received += await drain(called, 1)
        elapsed = time.monotonic() - began
    assert received >= arrives * sent
    # A second's worth is let through at once.
    assert received <= CAP * (elapsed + 1)


async def drain(called: Relay, quiet: float) -> int:
    """Bytes that are there, until none has come for so many seconds."""
    size = 0
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(quiet):
                size += len((await called.receive())[0])
    return size


PRIVATE4 = [
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.254",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
]
PRIVATE6 = [
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:192.168.1.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "2001:0:a00:1::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:c0a8:101::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.attack("using the relay to reach the operator's network, by any notation of an address")
@pytest.mark.parametrize("peer", [*PRIVATE4, *PRIVATE6])
async def test_relay_does_not_reach_private_networks(service: Service, credentials: Credentials, peer: str) -> None:
    """Neither the host itself, nor what is behind it: by permission or by channel."""
    async with relay(service, credentials, ipv6=":" in peer) as allocation:
        for ask in (allocation.permit, allocation.bind):
            with pytest.raises(stun.TransactionFailed) as refusal:
                await ask(peer)
            assert refusal.value.response.error_code == 403


SECRET_PORT, SECRET_UNIT = 5355, "conexizan-test-udp"
SECRET_SERVICE = f"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", {SECRET_PORT}))
while True:
    _, peer = server.recvfrom(100)
    server.sendto(b"inner secret", peer)
"""


@pytest.mark.attack("using the relay to reach the operator's network, by any notation of an address")
async def test_relay_does_not_reach_other_services_of_its_host(service: Service, credentials: Credentials) -> None:
    """Relays may meet on the host's own address; a resolver or a VPN on it stays behind the firewall all the same."""
    start = ["systemd-run", "--collect", f"--unit={SECRET_UNIT}", "python3", "-c", SECRET_SERVICE]
    service.host.check_output(shlex.join(start))
    ask = (
        f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('127.0.0.1', {SECRET_PORT}))"
    )
    listening = f"ss -Hlnu 'sport = :{SECRET_PORT}'"
    deadline = time.monotonic() + 60
    while not service.host.run(listening).stdout:
        assert time.monotonic() < deadline, "the service did not start"
    answer = f"{ask}; s.settimeout(5); s.send(b'x'); print(s.recv(99).decode())"
    assert service.host.check_output(shlex.join(["python3", "-c", answer])) == "inner secret", "it answers its host"
    try:
        async with relay(service, credentials) as allocation:
            await allocation.send(b"x", (service.address, SECRET_PORT))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(10):
                    await allocation.receive()
    finally:
        service.host.check_output(f"systemctl stop {SECRET_UNIT}")


@pytest.mark.parametrize("peer", ["9.9.9.9", "2620:fe::fe"])
async def test_relay_reaches_the_internet(service: Service, credentials: Credentials, peer: str) -> None:
    """The deny list is not simply everything. (Nothing is sent there.)"""
    async with relay(service, credentials, ipv6=":" in peer) as allocation:
        await allocation.permit(peer)


@pytest.mark.parametrize("transport", ["udp", "tls"])
async def test_relay_is_closed_without_credentials(service: Service, transport: Transport) -> None:
    await assert_refused(service, None, transport, 401)


@pytest.mark.parametrize("transport", ["udp", "tls"])
async def test_wrong_password_is_refused(service: Service, credentials: Credentials, transport: Transport) -> None:
    await assert_refused(service, Credentials(credentials.username, "wrong"), transport, 401)


async def test_credentials_cannot_be_prolonged(service: Service, credentials: Credentials) -> None:
    """The end of their life is part of the name, which is signed."""
    expires, _, user = credentials.username.partition(":")
    longer = f"{int(expires) + 1}:{user}" if user else str(int(expires) + 1)
    await assert_refused(service, Credentials(longer, credentials.password), "udp", 401)


async def test_expired_credentials_are_refused(service: Service) -> None:
    """Rightly signed, with the service's own secret, but for yesterday."""
    configuration = service.host.check_output("cat /etc/coturn/xmpp.conf")
    secret = re.search(r"^static-auth-secret=(.+)$", configuration, re.MULTILINE)
    assert secret is not None
    username = str(int(time.time()) - 86400)
    password = base64.b64encode(hmac.digest(secret[1].encode(), username.encode(), "sha1")).decode()
    await assert_refused(service, Credentials(username, password), "udp", 401)


async def test_tcp_is_not_relayed(service: Service, credentials: Credentials) -> None:
    """Calls need UDP; a relay for TCP would be an open door for everything else."""
    with pytest.raises(stun.TransactionFailed) as refusal:
        async with relay(service, credentials, "tcp", requested_transport=TCP_TRANSPORT):
            pass
    assert refusal.value.response.error_code == 442


async def assert_refused(service: Service, credentials: Credentials | None, transport: Transport, code: int) -> None:
    with pytest.raises(stun.TransactionFailed) as refusal:
        async with relay(service, credentials, transport):
            pass
    assert refusal.value.response.error_code == code


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_client_learns_its_own_address(service: Service, family: socket.AddressFamily) -> None:
    """STUN needs no account."""
    address = service.address if family == socket.AF_INET else service.address6
    assert address is not None, "the test host has no IPv6 address"
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.settimeout(10)
        udp.connect((address, 3478))
        udp.send(bytes(request))
        answer = stun.parse_message(udp.recv(2048))
        assert answer.attributes["XOR-MAPPED-ADDRESS"] == udp.getsockname()[:2]
    assert "SOFTWARE" not in answer.attributes


def test_datagrams_that_are_no_stun_are_not_answered(service: Service) -> None:
    """The relay amplifies nobody's attack."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(1)
        udp.connect((service.address, 3478))
        udp.send(struct.pack("!HHI", 0xFFFF, 4, 0) + secrets.token_bytes(64))
        with pytest.raises(TimeoutError):
            udp.recv(2048)
