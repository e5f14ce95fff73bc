# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, dates, countries, answers, and DNS providers."""

from __future__ import annotations

import base64
import datetime
import re

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.dns_providers import PROVIDERS

LEAST_KEY_BYTES = 16  # half of what SHA-256 gives; tsig-keygen makes 32
COMPONENT_SECRET_MIN = 32  # as hex digits, the 16 bytes of the above
FIRST_DAY = datetime.date(1999, 1, 4)  # of Jabber, which became XMPP


def base64url(value: str) -> str | None:
    """A key as ACME authorities show it (RFC 4648 5)."""
    found = re.fullmatch(r"([A-Za-z0-9_-]{16,})={0,2}", value)
    # Four characters hold three bytes, so one character alone at the end holds none.
    return None if found and len(found[1]) % 4 != 1 else "is not base64url"


def key_name(value: str) -> str | None:
    """The name of a TSIG key, which looks like a domain but need not be one (RFC 8945 4.2)."""
    return None if re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", value) else "is not a TSIG key name"


def dns_provider(value: str) -> str | None:
    """The name of a DNS provider, as lego has it."""
    return None if value in PROVIDERS else f"is not a DNS provider that is known here: {', '.join(PROVIDERS)}"


def base64_key(value: str) -> str | None:
    """A key as tsig-keygen and keymgr show it (RFC 4648 4)."""
    try:
        size = len(base64.b64decode(value, validate=True))
    except ValueError:
        return "is not base64"
    if size < LEAST_KEY_BYTES:
        return (
            f"is a key of {size} byte{'s' * (size != 1)}: at least {LEAST_KEY_BYTES} are needed (tsig-keygen makes one)"
        )
    return None


def day(value: str) -> str | None:
    """A date."""
    try:
        found = datetime.date.fromisoformat(value)
    except ValueError:
        return "is not a date like 2026-11-22"
    if found.isoformat() != value:
        return "must be written like 2026-11-22"
    if found < FIRST_DAY:
        return "is before the first XMPP service existed"
    # A day more: it is tomorrow already somewhere.
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    return "is in the future" if found > tomorrow else None


def component_secret(value: str) -> str | None:
    """What a program shows that is a part of the service; it goes into configuration files of many formats."""
    if not re.fullmatch(r"[!-~]+", value):
        return "must consist of printable ASCII characters without spaces"
    if len(value) < COMPONENT_SECRET_MIN:
        return f"has {len(value)} characters: at least {COMPONENT_SECRET_MIN} are needed"
    return None


def country(value: str) -> str | None:
    """A country as ISO 3166 abbreviates it."""
    return None if re.fullmatch(r"[A-Z]{2}", value) else "must be a country code of two capital letters (ISO 3166)"


def answer(value: str) -> str | None:
    """An answer to a question, of which mod_xmpp_registration_question compares nothing but letters and digits."""
    return None if any(letter.isalnum() for letter in value) else "has no letter and no digit"
