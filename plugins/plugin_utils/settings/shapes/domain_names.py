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
        return "is a web address: give only the host name"
    if "@" in value:
        return "is the address of an account: give only the part after the @"
    if is_address(value):
        return "is an IP address: give a domain name"
    if ":" in value:
        return "contains a port: give only the name"
    if value.endswith("."):
        return "ends in a dot"
    if not value.isascii():
        return f"contains non-ASCII letters: write it in its xn-- form{a_label(value)} (RFC 5890)"
    if value != value.lower():
        return "contains upper-case letters"
    if len(value) > DOMAIN_MAX:
        return f"has {len(value)} characters: DNS allows {DOMAIN_MAX} (RFC 1035)"
    labels = value.split(".")
    for label in labels:
        if not label:
            return "has two dots in a row, or begins with one"
        if len(label) > LABEL_MAX:
            return f"has a label of {len(label)} characters: DNS allows {LABEL_MAX} (RFC 1035)"
        if not LABEL.fullmatch(label):
            return f'has the label "{label}": only letters, digits and, between them, hyphens are allowed (RFC 1035)'
        if label.startswith("xn--") and not is_a_label(label):
            return f'has the label "{label}", which is not a valid xn-- form (RFC 5890)'
    if len(labels) == 1:
        return "has no dot: a full domain name is needed"
    if labels[-1].isdigit():
        return "ends in a number: no top-level domain is a number"
    return None


def own_domain(value: str) -> str | None:
    """A domain that can be the operator's own."""
    if any(f".{value.lower()}".endswith(f".{name}") for name in RESERVED):
        return "is reserved for examples (RFC 2606): replace it with your own domain"
    if wrong := domain(value):
        return wrong
    if len(value) > OWN_DOMAIN_MAX:
        fits = "so that upload.… fits into DNS (RFC 1035)"
        return f"has {len(value)} characters: at most {OWN_DOMAIN_MAX} are allowed, {fits}"
    return None


def wrong_host(value: str) -> str | None:
    """Like domain(), about the domain inside of an address."""
    return None if domain(value) is None else f'has "{value}" where a lower-case domain name is expected'


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
