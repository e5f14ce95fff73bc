# SPDX-License-Identifier: GPL-3.0-or-later
"""What listens to the outside, and that nothing else does. (What the firewall lets in: attack/test_scan.py.)"""

from __future__ import annotations

import socket
from xml.etree import ElementTree as ET

import pytest

from ..kit.ports import FAMILIES, OPEN_TCP, OPEN_UDP, RELAY, address_of
from ..kit.service import Service
from ..kit.stream import TLS, connected

PATIENCE = 0.5  # seconds; the host is on this machine and answers within one


@pytest.mark.attack("a scan, by TCP and UDP, IPv4 and IPv6")
def test_only_the_documented_datagrams_are_received(service: Service) -> None:
    """A datagram gets no answer when it is dropped, so this asks the host: who listens, and not only to itself?"""
    listening = set()
    for line in service.host.check_output("ss -Hlun").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if not address.startswith(("127.", "[::1]")) and "%lo" not in address:
            listening.add(int(port))
    assert listening - set(RELAY) == OPEN_UDP


@pytest.mark.parametrize("port", [4369, 5280, 5443, 1883, 25672])
@FAMILIES
def test_the_engines_inner_doors_are_closed(service: Service, family: socket.AddressFamily, port: int) -> None:
    """Erlang's port mapper, ejabberd's HTTP and what Debian's default opens."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(PATIENCE)
        assert probe.connect_ex((address_of(service, family), port)) != 0


@pytest.mark.attack("a scan, by TCP and UDP, IPv4 and IPv6")
def test_nothing_inner_listens_to_the_outside(service: Service) -> None:
    """Were the firewall off, there would still be nothing to find."""
    listening = set()
    for line in service.host.check_output("ss -Hltn").splitlines():
        address, _, port = line.split()[3].rpartition(":")
        if not address.startswith(("127.", "[::1]", "[::ffff:127.")):
            listening.add(int(port))
    assert listening == OPEN_TCP


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
