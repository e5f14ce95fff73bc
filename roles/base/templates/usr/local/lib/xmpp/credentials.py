# SPDX-License-Identifier: GPL-3.0-or-later
"""What a DNS provider has answered, or a program that asks one: as the journal and a terminal may show it."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

# The credentials that are secret, by the end of their names; others say where the provider is, and as whom.
SECRET = re.compile(r"_(KEY|PASSWORD|SECRET|TOKEN)$")
HIDDEN = "(a credential)"
SHORT = 8  # characters; what is shorter could be a part of any word


def without_credentials(text: str, credentials: Mapping[str, str]) -> str:
    """Return a text in one line, without credentials: some are a part of an address, and errors quote addresses."""
    secrets = {value for name, value in credentials.items() if value and SECRET.search(name)}
    ways = (str, urllib.parse.quote, urllib.parse.quote_plus)
    forms = sorted({way(secret) for secret in secrets for way in ways}, key=len, reverse=True)
    patterns = [re.escape(form) if len(form) >= SHORT else rf"(?<!\w){re.escape(form)}(?!\w)" for form in forms]
    if patterns:
        text = re.sub("|".join(patterns), HIDDEN, text)
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
