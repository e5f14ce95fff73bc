# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of values on the command line, such as an account, a room or a number."""

from __future__ import annotations

import re
from collections.abc import Callable

from ansible_collections.conexizan.xmpp.plugins.filter.control_character import control_character
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes import codes

FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Placeholders: a name in an example could be an account, which somebody would delete.
SAMPLES = {
    "account": "NAME",
    "address": "NAME@DOMAIN",
    "all": "all",
    "day": "2026-11-29",
    "domain": "DOMAIN",
    "flag": "true",
    "number": "30",
    "reason": '"…"',
    "room": "ROOM",
    "service": "DOMAIN",
    "string": '"…"',
}
REASON_MAX = 500  # characters
Domains = list[dict[str, str]]


class Wrong(Exception):
    """What is wrong with a value, to follow "… is …, which "."""


class Elsewhere(Wrong):
    """What is wrong, unless another host is meant."""


def of_the_service(value: str, known: list[str], there: str, kind: str) -> str:
    """Return the address of an account or a room, on the first of these domains where none is named."""
    name, at, domain = value.partition("@")
    article = "an" if kind == "account" else "a"
    if not name or re.search(r"[\s/@]", name + domain):
        raise Wrong(f"is not the name of {article} {kind}: give NAME or NAME@DOMAIN")
    if at and domain not in known:
        raise Elsewhere(f"is {there} another domain than {', '.join(known)}: give {article} {kind} of this service")
    return f"{name}@{domain or known[0]}"


def account(value: str, domains: Domains) -> str:
    """Return the address of an account of the service."""
    return of_the_service(value, [entry["domain"] for entry in domains], "of", "account")


def address(value: str, domains: Domains) -> str:
    """Return the address of an account of any service."""
    name, _, domain = value.partition("@")
    if not name or re.search(r"[\s/@]", name + domain) or value.endswith("@"):
        raise Wrong("is not an address: give NAME, or NAME@DOMAIN of any service")
    return f"{name}@{domain or domains[0]['domain']}"


def room(value: str, domains: Domains) -> str:
    """Return the address of a room of the service."""
    return of_the_service(value, [entry["muc"] for entry in domains], "on", "room")


def everyone(value: str, domains: Domains) -> str:
    """Return the word for all accounts of a list, where a name could be misread as the only one that is meant."""
    if value != "all":
        raise Wrong("is not the word all, which stands for the whole list: leave since out to name one account")
    return value


def day(value: str, domains: Domains) -> str:
    """Return a date that has come."""
    if wrong := codes.day(value):
        raise Wrong(wrong)
    return value


def domain(value: str, domains: Domains) -> str:
    """Return a domain of the service."""
    known = [entry["domain"] for entry in domains]
    if value not in known:
        raise Elsewhere(f"is not one of {', '.join(known)}")
    return value


def service(value: str, domains: Domains) -> str:
    """Return the first domain of the service."""
    if value != domains[0]["domain"]:
        raise Elsewhere(f"is not {domains[0]['domain']}")
    return value


def string(value: str, domains: Domains) -> str:
    """Return a string of one line, in any script."""
    if sign := control_character(value):
        raise Wrong(f"contains {sign}: remove it")
    return value


def reason(value: str, domains: Domains) -> str:
    """Return a string of limited length, for people and tables."""
    if len(value) > REASON_MAX:
        raise Wrong(f"has {len(value)} characters: at most {REASON_MAX} are allowed")
    return string(value, domains)


def flag(value: str, domains: Domains) -> bool:
    """Return a boolean."""
    if value.lower() not in FLAGS:
        raise Wrong("must be true or false")
    return FLAGS[value.lower()]


def number(value: str, domains: Domains) -> int:
    """Return a positive integer."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
        raise Wrong("is not a positive integer")
    return int(value)


KINDS: dict[str, Callable[[str, Domains], str | bool | int]] = {
    "account": account,
    "address": address,
    "all": everyone,
    "day": day,
    "domain": domain,
    "flag": flag,
    "number": number,
    "reason": reason,
    "room": room,
    "service": service,
    "string": string,
}
