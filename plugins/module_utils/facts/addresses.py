# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of the host, and settings that do not fit them."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess


def own_addresses() -> set[str]:
    """Return all addresses of this host, in their short form."""
    done = subprocess.run(["ip", "-json", "address", "show"], capture_output=True, text=True, check=False)
    links = json.loads(done.stdout or "[]")
    return {str(ipaddress.ip_address(one["local"])) for link in links for one in link["addr_info"] if "local" in one}


def address_in(place: str) -> str:
    """Return the address of ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT in its short form, or nothing if it is a name."""
    found = re.fullmatch(r"\[(.+)\](?::\d+)?|([^:]+):\d+", place)
    try:
        return str(ipaddress.ip_address((found[1] or found[2]) if found else place))
    except ValueError:
        return ""


def wrong_addresses(metrics: str, stun_server: str, own: set[str]) -> list[str]:
    """Return what does not fit this host's addresses, in words."""
    wrong = []
    others = [one for one in map(ipaddress.ip_address, own) if not one.is_loopback and not one.is_link_local]
    listed = ", ".join(sorted(map(str, others))) or "none but loopback"
    counted = address_in(metrics)
    if counted and not ipaddress.ip_address(counted).is_loopback and counted not in own:
        wrong.append(
            f"xmpp_metrics is {metrics}, which is no address of this host (it has {listed}): nothing could be read "
            "there. Set one of its own, or 127.0.0.1; if it is the one of a VPN, start that first."
        )
    if address_in(stun_server) in own:
        wrong.append(
            f"xmpp_stun_server is {stun_server}, which is this host itself: it cannot see its own public address. "
            "Set a server elsewhere."
        )
    return wrong
