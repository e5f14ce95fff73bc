# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of accounts, rooms, people, web pages and STUN servers."""

from __future__ import annotations

import re

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.domain_names import (
    LABEL_MAX,
    domain,
    wrong_host,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.ip_addresses import is_address

# What a browser runs or opens locally where an address is meant.
UNSAFE_SCHEMES = ("about", "blob", "data", "file", "filesystem", "jar", "javascript", "vbscript", "view-source")
LOCALPART = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def localpart(value: str) -> str | None:
    """The part of an address before the @, in its simple form (RFC 7622 3.3 allows more than clients show safely)."""
    if "@" in value:
        return "is a whole address: give only the part before the @"
    if value != value.lower():
        return "contains upper-case letters"
    if len(value) > LABEL_MAX:
        return f"has {len(value)} characters: at most {LABEL_MAX} are allowed"
    if not LOCALPART.fullmatch(value):
        return "must consist of lower-case letters and digits, with . _ - between them"
    return None


def account(value: str) -> str | None:
    """An account, by its local part or its whole address."""
    name, at, host = value.partition("@")
    return localpart(name) or (wrong_host(host) if at else None)


def contact(value: str) -> str | None:
    """A mailto:, xmpp: or https: address (XEP-0157)."""
    scheme, colon, rest = value.partition(":")
    if not colon or scheme not in ("mailto", "xmpp", "https"):
        return "must begin with mailto: or xmpp: or https:"
    if re.search(r"\s", value):
        return "contains whitespace"
    if scheme == "https":
        host = re.fullmatch(r"//([^/?#:]+)(:\d{1,5})?([/?#].*)?", rest)
        return wrong_host(host[1]) if host else "must continue with // and a host name"
    user, at, host_name = rest.partition("@")
    if not at or not re.fullmatch(r"[^\s@/?#:<>\"]+", user):
        return f"must continue with name@domain after {scheme}:"
    return wrong_host(host_name)


def contact_or_room(value: str) -> str | None:
    """A contact address, or that of a room (XEP-0147)."""
    return contact(value.removesuffix("?join") if value.startswith("xmpp:") else value)


def https_url(value: str) -> str | None:
    """An https: address, of a test network's server maybe, so with any port."""
    found = re.fullmatch(r"https://([^/?#:\s]+)(:\d{1,5})?/\S*", value)
    if not found:
        return "is not a URL like https://name/path"
    return None if is_address(found[1]) else wrong_host(found[1])


def email(value: str) -> str | None:
    """An e-mail address, without a scheme."""
    name, at, host = value.partition("@")
    if value.startswith("mailto:") or not at or not re.fullmatch(r"[^\s@<>\",;:]+", name):
        return "must be an address like name@domain"
    return wrong_host(host)


def stun_server(value: str) -> str | None:
    """A server that is asked over IPv4, with a port or without."""
    host, _, port = value.partition(":") if value.count(":") == 1 else (value, "", "3478")
    if is_address(host) and ":" in host:
        return "is an IPv6 address: STUN is used to find the public IPv4 address, so give an IPv4 address or a name"
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return "needs a port from 1 to 65535 after the colon"
    return None if is_address(host) else domain(host)


def room_address(value: str) -> str | None:
    """The address of a room."""
    room, at, host = value.partition("@")
    if not at or not room or re.search(r"[\s/?#]", value):
        return "must be an address like name@domain"
    return wrong_host(host)


def web_address(value: str) -> str | None:
    """An https: address."""
    return contact(value) if value.startswith("https:") else "must begin with https://"


def payable(value: str) -> str | None:
    """What a QR code can hold and a wallet reads."""
    if re.search(r"\s", value):
        return "contains whitespace"
    if re.search(r"[<>\"`\\]", value):
        return 'contains one of the characters < > " ` \\, which are not allowed in a URL'
    scheme = value.partition(":")[0].lower()
    if scheme in UNSAFE_SCHEMES:
        return f"begins with {scheme}:, which is not a payment address: a browser would run it or open a local file"
    if scheme == "http":
        return "is a web address without TLS: use https://"
    return contact(value) if value.startswith("https:") else None
