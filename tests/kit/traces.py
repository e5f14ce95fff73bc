# SPDX-License-Identifier: GPL-3.0-or-later
"""Where whoever came could be written down, and how."""

from __future__ import annotations

import ipaddress
import re

from .footprint import footprint

SERVICES = tuple(footprint("logs_nobody"))
# Where services keep or log anything. The operator's own ssh logins are not theirs.
PLACES = ("/var/log/nginx", "/var/log/ejabberd", "/run/ejabberd", "/var/lib/ejabberd", "/var/lib/nginx", "/srv/xmpp")


def forms(address: str) -> str:
    """An expression for every way an address is written: as text, and as Erlang's tuples."""
    ip = ipaddress.ip_address(address)
    texts = [re.escape(str(ip))]
    if isinstance(ip, ipaddress.IPv4Address):
        high, low = divmod(int(ip), 65536)
        texts += [",".join(str(ip).split(".")), f"65535,{high},{low}", re.escape(f"::ffff:{high:x}:{low:x}")]
    return "|".join(texts)
