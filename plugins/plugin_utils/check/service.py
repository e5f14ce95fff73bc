# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as this machine reaches it: its names, addresses, ports, and trusted CAs."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.trouble import Trouble
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import AsWritten

PORTS_FIRST = "First fix what the rows about ports and firewall report."


def trusting(ca: str) -> ssl.SSLContext:
    """Return TLS settings that trust this machine's CAs, and *ca* (PEM) if it is not empty."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    return context


class Service:
    """One service, looked at from outside."""

    def __init__(self, settings: dict[str, Any], written: AsWritten) -> None:
        """Take the argument of the action, and what writes a setting as the operator does."""
        self.settings = settings
        self.written = written
        self.main: dict[str, str] = settings["domains"][0]
        self.led: dict[str, list[str]] = settings["addresses"]
        self.own: list[str] = settings["own"]
        # The domain, if its web site is on another host.
        self.elsewhere = self.main["domain"] if self.main["domain"] != self.main["host"] else ""
        self.port: int = settings["https_port"]
        self.single: bool = settings["single_port"]  # whether streams and calls come by it as well
        self.open: dict[str, dict[int, str]] = {}  # address to port to its fault (empty: open)
        self.strict = trusting(settings["ca"])
        # A bad certificate has a row of its own and must not hide other faults.
        self.lenient = ssl.create_default_context()
        self.lenient.check_hostname = False
        self.lenient.verify_mode = ssl.CERT_NONE

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name in DNS; if it has none, those of the host."""
        return self.led.get(name) or self.own

    def reach(self, name: str, port: int) -> str:
        """Return the address at which a port of a name is open; raises Trouble."""
        candidates = list(dict.fromkeys([*self.addresses(name), *self.own]))
        for address in candidates:
            if self.open.get(address, {}).get(port) == "":
                return address
        known = [self.open[address][port] for address in candidates if port in self.open.get(address, {})]
        raise Trouble(f"port {port} {known[0]}" if known else f"{name} has no address that is reachable from here")

    async def connect(self, name: str, port: int, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to a name."""
        return await asyncio.open_connection(self.reach(name, port), port, **options)

    def known_names(self) -> set[str]:
        """Return every name of the service."""
        return {name for one in self.settings["domains"] for name in one.values()}

    def url(self, path: str, name: str = "") -> str:
        """Return a URL of the web site, or of another name of the host."""
        port = "" if self.port == 443 else f":{self.port}"
        return f"https://{name or self.main['host']}{port}{path}"
