# SPDX-License-Identifier: GPL-3.0-or-later
"""Check STUN and TURN: whether callers learn their public addresses, and whether calls are relayed."""

from __future__ import annotations

import asyncio
import hashlib
from typing import cast

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, listed, row
from ansible_collections.conexizan.xmpp.plugins.module_utils.stun import (
    ALLOCATE,
    BINDING,
    ERROR,
    LIFETIME,
    MAPPED,
    NONCE,
    REALM,
    REFRESH,
    RELAYED,
    REQUESTED_TRANSPORT,
    UDP,
    USERNAME,
    xor_address,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.addresses import is_public
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.stun import Relay
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import Trouble


async def relay(service: Service) -> tuple[Relay, str]:
    """Open a UDP socket to the relay, at the first address whose TCP port is open, else at any."""
    name = service.settings["turn_domain"]
    try:
        address = service.reach(name, 3478)
    except Trouble:
        address = next(iter([*service.addresses(name), *service.own]), "")
    if not address:
        raise Trouble(f"{name} has no address")
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Relay, remote_addr=(address, 3478))
    return protocol, address


async def stun(service: Service) -> Row:
    """Send a STUN binding request."""
    protocol, address = await relay(service)
    try:
        granted, attributes, _ = await protocol.request(BINDING, [])
    except TimeoutError:
        fix = "On the host: systemctl status coturn xmpp-relay.timer; else the firewall must let UDP 3478 through."
        return row("STUN", FAIL, f"{address} does not answer on UDP port 3478", fix)
    finally:
        cast("asyncio.DatagramTransport", protocol.transport).close()
    if not granted or MAPPED not in attributes:
        return row("STUN", FAIL, "sent an error response", "On the host: systemctl restart coturn")
    return row("STUN", PASS, "callers learn their public addresses")


async def turn(service: Service, credentials: tuple[str, str]) -> Row:
    """Allocate a relayed address as a caller does, and release it."""
    subject, fix = "TURN", "On the host: systemctl restart coturn; then run site.yml --tags coturn,ejabberd."
    user, password = credentials
    protocol, _ = await relay(service)
    try:
        _, asked, _ = await protocol.request(ALLOCATE, [(REQUESTED_TRANSPORT, UDP)])
        realm, nonce = asked.get(REALM, b""), asked.get(NONCE, b"")
        # RFC 8489 9.2.2 prescribes MD5.
        key = hashlib.md5(b":".join((user.encode(), realm, password.encode())), usedforsecurity=False).digest()
        proof = [(USERNAME, user.encode()), (REALM, realm), (NONCE, nonce)]
        granted, got, identity = await protocol.request(ALLOCATE, [(REQUESTED_TRANSPORT, UDP), *proof], key)
        if not granted or RELAYED not in got:
            error = got.get(ERROR, b"\0\0\0\0")
            return row(subject, FAIL, f"refuses to allocate a relay: error {error[2] * 100 + error[3]}", fix)
        where = xor_address(got[RELAYED], identity)
        await protocol.request(REFRESH, [(LIFETIME, b"\0\0\0\0"), *proof], key)
    except TimeoutError:
        return row(subject, FAIL, "does not answer on UDP port 3478", fix)
    finally:
        cast("asyncio.DatagramTransport", protocol.transport).close()
    led = service.led.get(service.settings["turn_domain"], [])
    if any(is_public(one) for one in led) and not is_public(where):
        setting = service.written("xmpp_public_addresses", led)
        fix = f"If a router translates addresses, set {setting} and run site.yml."
        return row(subject, WARN, f"relays at {where}, which callers cannot reach", fix)
    return row(subject, PASS, f"relays calls at {where}")


def announced(relays: list[str], hosts: set[str]) -> list[Row]:
    """Judge whether the relays of others are announced: ejabberd leaves out what does not answer."""
    silent = [name for name in relays if name not in hosts]
    if silent:
        fix = "Ask those who run it, or remove it from xmpp_relays. ejabberd asks again every half minute."
        return [row("relays", WARN, f"not announced, because there is no answer: {listed(silent)}", fix)]
    return [row("relays", PASS, f"answer: {listed(relays)}")] if relays else []
