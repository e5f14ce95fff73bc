# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in DNS: of the operator's own domains and of other servers."""

from __future__ import annotations

import re

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.ip_addresses import is_address

DOMAIN_MAX = 253  # RFC 1035 2.3.4, written out
LABEL_MAX = 63
OWN_DOMAIN_MAX = DOMAIN_MAX - len("upload.")
RESERVED = ("example.org", "example.com", "example.net", "invalid")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def domain(value: str) -> str | None:
    """A lower-case fully qualified domain name (RFC 1035, RFC 5890)."""
    if "/" in value:
        return "is a web address: only the name of the host in it is meant"
    if "@" in value:
        return "is the address of an account: only the part after the @ is meant"
    if is_address(value):
        return "is an IP address: a name is needed"
    if ":" in value:
        return "ends in a port: only the name is meant"
    if value.endswith("."):
        return "ends in a dot"
    if not value.isascii():
        return f"has letters that DNS does not know: write it in its xn-- form{a_label(value)} (RFC 5890)"
    if value != value.lower():
        return "is not in lower case"
    if len(value) > DOMAIN_MAX:
        return f"has {len(value)} characters: DNS allows {DOMAIN_MAX} (RFC 1035)"
    labels = value.split(".")
    for label in labels:
        if not label:
            return "has two dots in a row, or begins with one"
        if len(label) > LABEL_MAX:
            return f"has a part of {len(label)} characters between dots: DNS allows {LABEL_MAX} (RFC 1035)"
        if not LABEL.fullmatch(label):
            return f'has the part "{label}": only letters, digits and, between them, hyphens are allowed (RFC 1035)'
        if label.startswith("xn--") and not is_a_label(label):
            return f'has the part "{label}", which is not a valid xn-- form (RFC 5890)'
    if len(labels) == 1:
        return "has no dot: a full domain name is needed"
    if labels[-1].isdigit():
        return "ends in a number: no top-level domain is a number"
    return None


def own_domain(value: str) -> str | None:
    """A domain that can be the operator's own."""
    if any(f".{value.lower()}".endswith(f".{name}") for name in RESERVED):
        return "is not filled in yet: it is reserved for examples (RFC 2606), put your own domain there"
    if wrong := domain(value):
        return wrong
    if len(value) > OWN_DOMAIN_MAX:
        return f"has {len(value)} characters: {OWN_DOMAIN_MAX} are possible, so that upload.… fits into DNS (RFC 1035)"
    return None


def wrong_host(value: str) -> str | None:
    """Like domain(), about the domain inside of an address."""
    return None if domain(value) is None else f'has "{value}" where a lower-case domain name is meant'


def is_below(name: str, other: str) -> bool:
    """Whether a domain is another one, or below it."""
    return f".{name}".endswith(f".{other}")


def is_a_label(label: str) -> bool:
    """Whether an xn-- label stands for an international one."""
    try:
        decoded = label[len("xn--") :].encode().decode("punycode")
    except UnicodeError:
        return False
    return decoded.isprintable() and not decoded.isascii()


def a_label(value: str) -> str:
    """Return ", xn--…" if the form is certain (Python knows IDNA 2003, which maps a few letters away)."""
    try:
        encoded = value.lower().encode("idna")
        return f", {encoded.decode()}" if encoded.decode("idna") == value.lower() else ""
    except UnicodeError:
        return ""
