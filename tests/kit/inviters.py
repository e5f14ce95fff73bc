# SPDX-License-Identifier: GPL-3.0-or-later
"""Invitations that an account makes in an app (XEP-0401)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree as ET

from .clients import Client
from .erlang import STATEMENT, run_in_erlang
from .service import Account, Service

COMMANDS = "http://jabber.org/protocol/commands"
CREATE = "urn:xmpp:invite#create-account"
CONTACT = "urn:xmpp:invite#invite"
FORM = "{jabber:x:data}"
# As the setting does it (xmpp_keep_inviter).
_KEEP = """run([Host, Keep]) ->
    Options = #{keep => list_to_atom(Keep)},
    gen_mod:update_module(list_to_binary(Host), mod_xmpp_invitations, Options).
"""


def grow_old(service: Service, *accounts: Account, days: int = 7) -> None:
    """The accounts were made so many days ago."""
    names = ", ".join(f"'{account.name}'" for account in accounts)
    age = f"UPDATE users SET created_at = date('now', '-{days} days') WHERE username IN ({names})"
    run_in_erlang(service, STATEMENT, service.domain, age)


@contextmanager
def inviters_kept(service: Service) -> Iterator[None]:
    """Who invited whom is kept meanwhile."""
    run_in_erlang(service, _KEEP, service.domain, "true")
    try:
        yield
    finally:
        run_in_erlang(service, _KEEP, service.domain, "false")


async def command(client: Client, node: str, inside: str = "") -> ET.Element:
    """What the server answers to the command; raises IqError."""
    payload = f"<command xmlns='{COMMANDS}' node='{node}' action='execute'>{inside}</command>"
    return await client.query("set", payload, to=client.boundjid.domain)


def token_in(answer: ET.Element) -> str:
    """The token of the link in an answer."""
    links = [one.findtext(f"{FORM}value", "") for one in answer.iter(f"{FORM}field") if one.get("var") == "uri"]
    return links[0].partition("preauth=")[2].partition(";")[0]


async def link_to_account(client: Client, name: str = "", *, contact: bool = False) -> str:
    """The token of a new invitation to an account."""
    fields = {"username": name, "roster-subscription": "true" if contact else "false"}
    form = "".join(f"<field var='{key}'><value>{value}</value></field>" for key, value in fields.items())
    return token_in(await command(client, CREATE, f"<x xmlns='jabber:x:data' type='submit'>{form}</x>"))


async def link_to_contact(client: Client) -> str:
    """The token of a new invitation to somebody's contacts."""
    return token_in(await command(client, CONTACT))
