# SPDX-License-Identifier: GPL-3.0-or-later
"""What is open to the outside, and that nothing else is."""

from __future__ import annotations

import contextlib
import errno
import resource
import selectors
import socket
import time
from xml.etree import ElementTree as ET

import pytest

from .service import Service
from .stream import TLS, connected

OPEN = {
    22: "ssh",
    80: "http",
    443: "https",
    3478: "turn",
    5222: "clients",
    5223: "clients, direct TLS",
    5269: "servers",
    5270: "servers, direct TLS",
    5349: "turns",
    7777: "proxy",
}
OPEN_UDP = {3478}
RELAY = range(49152, 65536)

PATIENCE = 0.5  # seconds; the host is on this machine and answers within one

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


def address_of(service: Service, family: socket.AddressFamily) -> str:
    address = service.address if family == socket.AF_INET else service.address6
    assert address is not None, "the test host has no IPv6 address"
    return address


def scan(family: socket.AddressFamily, address: str, ports: range) -> set[int]:
    """The ports that accept a connection; as many are asked at once as this process may open files."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    at_once = min(limit // 2, 8192)
    found: set[int] = set()
    for start in range(ports.start, ports.stop, at_once):
        with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
            for port in range(start, min(start + at_once, ports.stop)):
                probe = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
                probe.setblocking(False)
                code = probe.connect_ex((address, port))
                if code == 0:
                    found.add(port)
                elif code == errno.EINPROGRESS:
                    selector.register(probe, selectors.EVENT_WRITE, port)
            deadline = time.monotonic() + PATIENCE
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    assert isinstance(key.fileobj, socket.socket)
                    if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                        found.add(key.data)
                    selector.unregister(key.fileobj)
    return found


@FAMILIES
def test_only_the_documented_ports_are_open(service: Service, family: socket.AddressFamily) -> None:
    assert scan(family, address_of(service, family), range(1, 65536)) == set(OPEN)


def test_only_the_documented_datagrams_are_received(service: Service) -> None:
    """A datagram gets no answer when it is dropped, so this asks the host: who listens, and not only to itself?"""
    listening = set()
    for line in service.host.check_output("ss -Hlun").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if not address.startswith(("127.", "[::1]")) and "%lo" not in address:
            listening.add(int(port))
    assert listening >= OPEN_UDP
    assert {port for port in listening - OPEN_UDP if port not in RELAY} == set()


@pytest.mark.parametrize("port", [4369, 5280, 5443, 1883, 25672])
@FAMILIES
def test_the_engines_inner_doors_are_closed(service: Service, family: socket.AddressFamily, port: int) -> None:
    """Erlang's port mapper, ejabberd's HTTP and what Debian's default opens."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE)
        assert probe.connect_ex((address_of(service, family), port)) != 0


def test_nothing_inner_listens_to_the_outside(service: Service) -> None:
    """Were the firewall off, there would still be nothing to find."""
    listening = set()
    for line in service.host.check_output("ss -Hltn").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if not address.startswith(("127.", "[::1]", "[::ffff:127.")):
            listening.add(int(port))
    assert listening == set(OPEN)


def test_servers_must_use_tls(service: Service) -> None:
    """Port 5269 offers STARTTLS and nothing else before it."""
    with connected(service, 5269) as stream:
        stream.send(
            f"<?xml version='1.0'?><stream:stream to='{service.domain}' from='example.org' version='1.0' "
            "xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>"
        )
        features = stream.features()
        assert features.find(f"{TLS}starttls/{TLS}required") is not None, ET.tostring(features)
        assert features.find("{urn:xmpp:features:dialback}dialback") is None


def test_servers_may_use_direct_tls(service: Service) -> None:
    with connected(service, 5270) as stream:
        stream.encrypt(alpn="xmpp-server")
        stream.send(
            f"<?xml version='1.0'?><stream:stream to='{service.domain}' from='example.org' version='1.0' "
            "xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>"
        )
        assert stream.features().find("{urn:xmpp:features:dialback}dialback") is not None
