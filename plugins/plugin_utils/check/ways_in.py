# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect to each listener as a client or a server does, and keep the certificate that it serves."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import PORTS_FIRST, Service, trusting
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import ANSWER, Trouble, reason
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.xmpp_stream import CLIENT, SASL, SERVER, Stream

# How ejabberd fails without a certificate for a name.
WITHOUT_CERTIFICATE = ("STARTTLS", "closed the connection", "TLS fails")


@dataclass(frozen=True)
class Seen:
    """One listener: why it failed, what is wrong with its certificate, and the certificate if nothing is."""

    way: str
    domain: str
    trouble: str = ""
    mistrust: str = ""
    certificate: dict[str, Any] = field(default_factory=dict)


async def see(
    service: Service, way: str, domain: str, look: Callable[[ssl.SSLContext], Awaitable[dict[str, Any]]]
) -> Seen:
    """Try one listener, first with certificate verification, then without."""
    mistrust = ""
    for context in (service.strict, service.lenient):
        try:
            async with asyncio.timeout(ANSWER):
                certificate = await look(context)
            return Seen(way, domain, mistrust=mistrust, certificate={} if mistrust else certificate)
        except ssl.SSLCertVerificationError as error:
            mistrust = reason(error)
        except (OSError, EOFError, Trouble, http.client.HTTPException) as error:
            return Seen(way, domain, reason(error), mistrust)
    return Seen(way, domain, "", mistrust)


async def stream(
    service: Service, one: dict[str, str], port: int, *, server: bool, direct: bool, way: str = ""
) -> Seen:
    """Open an XMPP stream as a client or a server does; *way* says more than the port."""

    async def look(context: ssl.SSLContext) -> dict[str, Any]:
        options: dict[str, Any] = {"ssl": context, "server_hostname": one["domain"]} if direct else {}
        if direct:
            context = copy_with(context, service.settings["ca"], "xmpp-server" if server else "xmpp-client")
            options["ssl"] = context
        reader, writer = await service.connect(one["host"], port, **options)
        try:
            stream = Stream(reader, writer, one["domain"], SERVER if server else CLIENT)
            features = await stream.open() if direct else await stream.starttls(context)
            if not server and features.find(f"{SASL}mechanisms") is None:
                raise Trouble("offers no SASL mechanisms")
            return writer.get_extra_info("peercert") or {}
        finally:
            writer.close()

    return await see(service, way or f"port {port}", one["domain"], look)


async def tls(service: Service, name: str, domain: str, port: int) -> Seen:
    """Connect with TLS to a name."""

    async def look(context: ssl.SSLContext) -> dict[str, Any]:
        _, writer = await service.connect(name, port, ssl=context, server_hostname=name)
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        writer.close()
        return certificate

    return await see(service, f"{name} port {port}", domain, look)


def judge(subject: str, seen: list[Seen], fix: str) -> Row:
    """Judge the listeners of one kind."""
    broken = [f"{one.way}: {one.trouble}".replace(f"{one.way}: {one.way}", one.way) for one in seen if one.trouble]
    if all(one.trouble.startswith("port ") for one in seen):  # from reach(): the row of the ports has it
        fix = PORTS_FIRST
    elif broken and any(word in one.trouble for one in seen for word in WITHOUT_CERTIFICATE):
        domain = seen[0].domain
        fix = (
            f"It is running, but probably has no usable certificate for {domain}. Run site.yml --tags "
            f"certificates,ejabberd; then, on the host: ls -l /etc/xmpp/certificates/{domain}; "
            "journalctl -u ejabberd"
        )
    if broken:
        return row(subject, FAIL, "; ".join(broken), fix)
    return row(subject, PASS, "STARTTLS and direct TLS")


def copy_with(context: ssl.SSLContext, ca: str, alpn: str) -> ssl.SSLContext:
    """Return a copy of the TLS settings with an ALPN protocol (a context has one list)."""
    copied = trusting(ca)
    copied.check_hostname = context.check_hostname
    copied.verify_mode = context.verify_mode
    copied.set_alpn_protocols([alpn])
    return copied
