# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account asks to be kept, and how it is refused."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

from .sessions import CONSTRAINT

REQUEST = 8 * 1024  # bytes of a contact request, or of a room's subject
POLICY = ".//{urn:ietf:params:xml:ns:xmpp-stanzas}policy-violation"
FORM = "<x xmlns='jabber:x:data' type='submit'>{}</x>"


def is_refused(answer: ET.Element, words: str) -> bool:
    return answer.find(CONSTRAINT) is not None and words in ET.tostring(answer, "unicode")


def people(count: int) -> list[str]:
    return [f"u{number}@{secrets.token_hex(4)}.example" for number in range(count)]
