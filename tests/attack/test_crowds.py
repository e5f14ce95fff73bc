# SPDX-License-Identifier: GPL-3.0-or-later
"""Many connections, and slow ones: whoever takes places without using them is limited, and let go after a while."""

from __future__ import annotations

import pytest

from ..service.service import Service
from .bystander import Bystander
from .neighbour import Neighbour

ROUNDS = 3
LIMIT = 1024  # of one address, roles/firewall/vars/main.yml
# The first bytes of a TLS handshake that announces more than it ever sends.
HALF_TLS = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
STREAM = (
    "<?xml version='1.0'?><stream:stream to='site.test' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


@pytest.mark.parametrize("port", [443, 5222, 5269, 7777])
def test_a_thousand_idle_connections_are_borne(
    service: Service, neighbour: Neighbour, bystander: Bystander, port: int
) -> None:
    crowd = {"port": port, "count": 1000}
    with neighbour.doing("crowd", {"address": service.address, "crowds": [crowd]}) as connected:
        assert int(connected) == 1000, "the attack was none"
        bystander.wait(ROUNDS)


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
def test_one_address_cannot_take_all_places(
    service: Service, neighbour: Neighbour, bystander: Bystander, ipv6: bool
) -> None:
    """Of all services together, it has a thousand or so; others come in as before."""
    address = service.address6 if ipv6 else service.address
    assert address is not None
    crowds = [{"port": 443, "count": 2000, "first": HALF_TLS}, {"port": 5222, "count": 2000}]
    with neighbour.doing("crowd", {"address": address, "crowds": crowds}):
        held = int(
            service.host.check_output(
                "ss -Htn state established '( sport = :443 or sport = :5222 )' "
                f"dst {f'[{neighbour.address6}]' if ipv6 else neighbour.address} | wc -l"
            )
        )
        bystander.wait(ROUNDS)
    assert held <= LIMIT
    assert held > LIMIT // 2, "the attack was none"


# What dawdles, and for how many seconds at most: (port, first, drip).
SLOW = {
    "tls of the web, begun": (443, HALF_TLS, ""),
    "header without an end": (80, "GET / HTTP/1.1\r\nHost: site.test\r\nX-Slow: ", "x"),
    "body without an end": (80, "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 60000\r\n\r\n", ""),
    "silence to clients": (5222, "", ""),
    "stream and nothing more": (5222, STREAM, ""),
    "stream, kept alive by spaces": (5222, STREAM, " "),
    "tls within a stream, begun": (5222, STREAM + STARTTLS, ""),
    "tls of clients, begun": (5223, HALF_TLS, ""),
    "silence to servers": (5269, "", ""),
    "tls of servers, begun": (5270, HALF_TLS, ""),
    "silence to the proxy": (7777, "", ""),
    "silence to the relay": (3478, "", ""),
    "tls of the relay, begun": (5349, HALF_TLS, ""),
}
PLACES = 20
SECONDS = 140  # ejabberd gives a stream two minutes to log in: long enough to read a picture


def test_who_dawdles_is_let_go(service: Service, neighbour: Neighbour, bystander: Bystander) -> None:
    """All kinds at once; after SECONDS the server has closed each connection."""
    crowds = [{"port": port, "count": PLACES, "first": first, "drip": drip} for port, first, drip in SLOW.values()]
    wanted = {"address": service.address, "crowds": crowds, "seconds": SECONDS}
    results = dict(zip(SLOW, neighbour.run("crowd", wanted, seconds=SECONDS + 30), strict=True))
    assert {kind: result["closed"] for kind, result in results.items()} == dict.fromkeys(SLOW, PLACES), results
