# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS by port 443 is what it is by the ports that testssl.sh judges (tests/federation/test_tls.py).

testssl.sh itself cannot be sent there: it says nothing of XMPP in its handshakes, and names HTTP where it asks for the
relay.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from ..kit import handshakes
from ..kit.ports import ONE_PORT
from ..kit.service import Service
from .conftest import MORE_DOMAIN

# Who asks for what, by which name, and the port that he has otherwise.
WAYS = {
    "apps": ("site.test", "xmpp-client", 5223),
    "apps of another domain": (MORE_DOMAIN, "xmpp-client", 5223),
    "servers": ("site.test", "xmpp-server", 5270),
    "calls": ("turn.site.test", "", 5349),
    "calls that say so": ("turn.site.test", "stun.turn", 5349),  # RFC 7443
}
INNER = 5282  # of the web, on loopback
# With a key of their own for each connection, and nothing older than AEAD.
STRONG = {0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9}
SECURE_RENEGOTIATION, EXTENDED_MASTER_SECRET, HEARTBEAT = 0xFF01, 23, 15


@pytest.mark.parametrize("ipv6", [False, True], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("who", WAYS)
def test_one_port_gives_what_the_own_port_gives(service: Service, who: str, ipv6: bool) -> None:
    """Versions, ciphers, groups, signatures, in the same order, and the same certificate."""
    address = service.address6 if ipv6 else service.address
    assert address is not None
    name, alpn, port = WAYS[who]
    given = handshakes.given(address, ONE_PORT, name, alpn)
    assert given == handshakes.given(address, port, name, alpn)
    # Debian's coturn (4.6.1) has no TLS 1.3 yet.
    judge(given, {"TLS 1.2"} if port == 5349 else {"TLS 1.2", "TLS 1.3"})


@pytest.mark.parametrize("label", ["", "upload."])
def test_web_gives_what_it_gives_behind(service: Service, label: str) -> None:
    """Asked on the host, where the web servers are reached without the one that looks at the first message."""
    name = f"{label}{service.domain}"
    asked = json.dumps([("127.0.0.1", port, name, "h2") for port in (ONE_PORT, INNER)])
    program = Path(handshakes.__file__).read_text(encoding="utf-8")
    given, behind = json.loads(service.host.check_output(shlex.join(["python3", "-c", program, asked])))
    assert given == behind
    judge(given, {"TLS 1.2", "TLS 1.3"})


def judge(given: dict[str, Any], versions: set[str]) -> None:
    """No version, cipher, packing or extension that is known to be weak."""
    offered = {title for title in given if given[title]["answer"].get("version") == handshakes.VERSIONS[title]}
    assert offered == versions
    for title in offered:
        answer = given[title]["answer"]
        assert set(given[title]["ciphers"]) <= STRONG
        assert answer["compression"] == 0
        assert HEARTBEAT not in answer["extensions"]
        if title == "TLS 1.2":
            assert {SECURE_RENEGOTIATION, EXTENDED_MASTER_SECRET} <= set(answer["extensions"])
