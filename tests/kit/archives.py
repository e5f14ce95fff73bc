# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to archives (XEP-0313)."""

from __future__ import annotations

MIB = 1024 * 1024
RSM = "http://jabber.org/protocol/rsm"


def asked(namespace: str, inside: str) -> str:
    inside = f"<set xmlns='{RSM}'>{inside}</set>" if inside else ""
    return f"<query xmlns='{namespace}'>{inside}</query>"
