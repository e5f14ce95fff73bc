# SPDX-License-Identifier: GPL-3.0-or-later
"""Circles (xmpp_circles), as the tests' settings have them, and what their members see of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

from slixmpp.exceptions import IqError

from .clients import Client
from .erlang import run_in_erlang
from .service import Account, Service

PAIR: dict[str, Any] = {"name": "pair", "title": "Das Paar", "members": ["clara", "robert"], "former": []}
QUARTET: dict[str, Any] = {"name": "quartet", "title": "quartet", "members": [], "former": []}
BOOKMARKS = "urn:xmpp:bookmarks:1"
ROSTER = "{jabber:iq:roster}"
# As a reload of the configuration does it.
_SET = """run([Host, Json]) ->
    Circles = [[{binary_to_atom(Key), Value} || {Key, Value} <- maps:to_list(Circle)]
               || Circle <- misc:json_decode(list_to_binary(Json))],
    gen_mod:update_module(list_to_binary(Host), mod_xmpp_circles, #{circles => Circles}).
"""
_SETTLE = "run([]) -> mod_xmpp_circles:settle()."


def set_circles(service: Service, *circles: dict[str, Any]) -> None:
    """The setting has these, and ejabberd has done what follows from it."""
    run_in_erlang(service, _SET, service.domain, json.dumps(circles))
    settled(service)


def settled(service: Service) -> None:
    """What follows from the setting and from new accounts is done."""
    run_in_erlang(service, _SETTLE)


@contextmanager
def circles_restored(service: Service) -> Iterator[None]:
    """Afterwards the setting is as the host has it."""
    try:
        yield
    finally:
        set_circles(service, PAIR, QUARTET)


async def contacts(client: Client) -> dict[str, set[str]]:
    """Who is among the contacts, both ways, and in which groups."""
    answer = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
    return {
        item.get("jid", ""): {group.text or "" for group in item.iter(f"{ROSTER}group")}
        for item in answer.iter(f"{ROSTER}item")
        if item.get("subscription") == "both"
    }


async def bookmarks(client: Client) -> dict[str, str]:
    """Rooms to their titles, of those that are entered by themselves."""
    node = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{BOOKMARKS}'/></pubsub>"
    try:
        answer = await client.query("get", node)
    except IqError:
        return {}
    found: dict[str, str] = {}
    for item in answer.iter("{http://jabber.org/protocol/pubsub}item"):
        conference = item.find(f"{{{BOOKMARKS}}}conference")
        assert conference is not None, ET.tostring(item)
        assert conference.get("autojoin") == "true"
        found[item.get("id", "")] = conference.get("name", "")
    return found


def create(service: Service, *names: str) -> list[Account]:
    """Accounts of these names, as the operator makes them."""
    passwords = service.api(*(("register", {"user": name, "host": service.domain}) for name in names))
    return [Account(name, password) for name, password in zip(names, passwords, strict=True)]
