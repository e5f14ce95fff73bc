# SPDX-License-Identifier: GPL-3.0-or-later
"""Moderators, and the commands that they have (XEP-0050)."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

import pytest
from slixmpp.exceptions import IqError

from .clients import Client, login
from .service import Account, Register, Service
from .uploads import ask_slot

COMMANDS = "{http://jabber.org/protocol/commands}"
ITEMS = "{http://jabber.org/protocol/disco#items}"
DATA = "{jabber:x:data}"
BODY = "{jabber:client}body"
NODE = "conexizan:moderators#"
CONFIGURATION = "/etc/ejabberd/xmpp.yml"


class Done(NamedTuple):
    """What a command has answered: done or not, in words, and the fields of its form."""

    well: bool
    words: str
    fields: dict[str, str]


class Team(NamedTuple):
    """Two moderators who are no administrators."""

    one: Account
    other: Account


def reload(service: Service, configure: Callable[[str], str]) -> None:
    """ejabberd takes its configuration, changed."""
    text = configure(service.host.file(CONFIGURATION).content_string)
    service.host.check_output(f"printf %s {shlex.quote(text)} > {CONFIGURATION}")
    service.api(("reload_config", {}))


def without_moderators(text: str) -> str:
    """The configuration as it is without the setting."""
    text, found = re.subn(r"^    moderators: .*", "    moderators: []", text, flags=re.MULTILINE)
    assert found == 2, "two modules"
    return text


def with_moderators(text: str, *addresses: str) -> str:
    """The configuration with these moderators, who make links for new passwords as where one needs an invitation."""
    text, found = re.subn(r"(  moderator:\n    user|    moderators): .*", rf"\1: {json.dumps(addresses)}", text)
    assert found == 3, "two modules, and who may register a name"
    return text.replace("    resets: false\n", "    resets: true\n")


@contextlib.contextmanager
def appointed(service: Service, *accounts: Account) -> Iterator[None]:
    """These are moderators: the inventory has the administrator alone, as the only account there from the start."""
    service.host.check_output(f"cp -p {CONFIGURATION} /run/conexizan-xmpp.yml")
    addresses = [f"admin@{service.domain}", *(account.jid for account in accounts)]
    try:
        reload(service, lambda text: with_moderators(text, *addresses))
        yield
    finally:
        service.host.check_output(f"cp /run/conexizan-xmpp.yml {CONFIGURATION}; rm /run/conexizan-xmpp.yml")
        service.api(("reload_config", {}))


@pytest.fixture(scope="module")
def team(service: Service, register: Register) -> Iterator[Team]:
    """Two of them."""
    team = Team(*register(2))
    with appointed(service, *team):
        yield team


@contextlib.asynccontextmanager
async def moderating(service: Service, team: Team, admin: Account) -> AsyncIterator[tuple[Client, Client]]:
    """A moderator, and the administrator who is told."""
    async with login(service, team.one) as client, login(service, admin) as operator:
        await client.online()
        await operator.online()
        yield client, operator


async def ask(client: Client, node: str, inside: str = "", language: str = "en", **more: str) -> ET.Element:
    """The answer to a command, without its envelope; an error raises IqError."""
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in {"node": node, **more}.items())
    answer = await client.query(
        "set",
        f"<command xmlns='{COMMANDS[1:-1]}' xml:lang='{language}'{attributes}>{inside}</command>",
        to=client.service.domain,
    )
    command = answer.find(f"{COMMANDS}command")
    assert command is not None
    return command


def submission(**fields: str | list[str]) -> str:
    """A form, filled in."""
    given = {name: [value] if isinstance(value, str) else value for name, value in fields.items()}
    inside = "".join(
        f"<field var='{name}'>{''.join(f'<value>{escape(value)}</value>' for value in values)}</field>"
        for name, values in given.items()
    )
    return f"<x xmlns='jabber:x:data' type='submit'>{inside}</x>"


async def run(client: Client, verb: str, /, **fields: str | list[str]) -> Done:
    """What a command says that was filled in."""
    command = await ask(client, NODE + verb, submission(**fields))
    note = command.find(f"{COMMANDS}note")
    assert command.get("status") == "completed"
    assert note is not None
    values = {field.get("var", ""): field.findtext(f"{DATA}value", "") for field in command.iter(f"{DATA}field")}
    return Done(note.get("type") == "info", note.text or "", values)


async def told(operator: Client, words: str) -> str:
    """The message of the service to somebody that has these words."""
    message = await operator.messages.get(lambda stanza: words in stanza.findtext(BODY, ""))
    assert message.get("from") == operator.service.domain
    return message.findtext(BODY, "")


async def listed(client: Client) -> dict[str, str]:
    """The commands that the service shows somebody, node to name."""
    answer = await client.query(
        "get", f"<query xmlns='{ITEMS[1:-1]}' node='{COMMANDS[1:-1]}'/>", to=client.service.domain
    )
    return {item.get("node", ""): item.get("name", "") for item in answer.iter(f"{ITEMS}item")}


async def condition(client: Client, node: str, inside: str = "", **more: str) -> str:
    """Why a command is refused."""
    with pytest.raises(IqError) as error:
        await ask(client, node, inside, **more)
    return str(error.value.condition)


async def upload(service: Service, client: Client) -> str:
    """The link of a new file."""
    slot = await ask_slot(client, "Bild ÄÖÜ ß.png", 4)
    assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201
    return slot.get
