# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that preflight looks for are those that the firewall opens, whatever the settings."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .loading import ROOT
from .role_files import rendered

FIREWALL = {
    role: ROOT / f"roles/{role}/templates/etc/xmpp/firewall.d/{role}.nft.j2" for role in ("coturn", "ejabberd", "nginx")
}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "federation off, phones are woken up": {"xmpp_federation": False},
    "federation off, phones are not": {"xmpp_federation": "off", "xmpp_push_servers": []},
    "push to nobody": {"xmpp_push_servers": []},
    "no calls": {"xmpp_calls": False},
    "another port for the web": {"xmpp_https_port": 8443},
    "one port for all": {"xmpp_single_port": True},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_ports_that_are_opened_are_looked_for(settings: dict[str, Any]) -> None:
    roles = [role for role in FIREWALL if role != "coturn" or settings.get("xmpp_calls", True)]  # else without a file
    rules = "".join(rendered(settings, role, FIREWALL[role].read_text(encoding="utf-8")) for role in roles)
    opened = {int(first) for first in re.findall(r"\b(\d+)\b", re.sub(r"comment.*", "", rules))}
    ports = rendered(settings, "xmpp", "{{ xmpp_derived_ports }}")
    looked_for = {port["first"] for port in ports if not port.get("inner")}
    assert opened - {65535} == looked_for
