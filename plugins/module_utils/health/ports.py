# SPDX-License-Identifier: GPL-3.0-or-later
"""Check for programs on the service's ports, and for other firewalls that block them."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.closed_ports import Shut
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, Row, row


def judge_neighbours(held: list[str], shut: list[Shut], *, firewall: bool) -> list[Row]:
    """Judge other programs on the service's ports, and other firewalls that block them."""
    rows = []
    for words in held:
        found, _, fix = words.partition(" would not start. ")
        rows.append(row("ports", FAIL, f"{found} cannot start", fix))
    for one in shut:
        words = neighbours.shut_words(one, firewall=firewall)
        found, _, fix = words.partition(". ")
        rows.append(row("other firewall", FAIL, found, fix))
    return rows
