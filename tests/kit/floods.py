# SPDX-License-Identifier: GPL-3.0-or-later
"""What floods are made of, and how much of one comes through."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from .sessions import CONSTRAINT

FLOOD = 300
REFILL = 30  # what limits let through while a test lasts
LARGE = "x" * 65536
SAYS = 60  # of one person in one room at once
ELSEWHERE = 60  # strangers, or servers, on other servers that one account reaches at once
NOT_FOUND = "{urn:ietf:params:xml:ns:xmpp-stanzas}remote-server-not-found"


def bought(elements: list[ET.Element]) -> int:
    """How often somebody was told to buy; a refusal, which quotes it, is none."""
    return sum("buy" in ET.tostring(one, "unicode") and one.find(CONSTRAINT) is None for one in elements)
