# SPDX-License-Identifier: GPL-3.0-or-later
"""Newcomers who wait to be let in (xmpp_registration: review), on a service that is open otherwise."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from . import clients
from .clients import Client, login
from .erlang import run_in_erlang
from .moderators import BODY, CONFIGURATION, NODE, ask, reload
from .newcomer import ask_form, hand_in, read_picture, refusal, reset_limits
from .service import Account, Service, sql
from .stream import Stream, connected

REASON = "x-reason"
SENTENCE = "I sing in the choir."
ARRIVED = "Somebody has registered and waits to be let in."

_ADMIT = """run([User, Host]) ->
    Account = {list_to_binary(User), list_to_binary(Host)},
    [Account] = mod_xmpp_registration_review:decide(admit, [Account]).
"""


def switch(service: Service, **options: str) -> None:
    """Gives the module other options, such as ``review="true"``."""

    def changed(text: str) -> str:
        before, mark, rest = text.partition("  mod_xmpp_registration_review:\n")
        assert mark
        for name, value in options.items():
            rest, found = re.subn(rf"^    {name}: .*$", f"    {name}: {value}", rest, count=1, flags=re.MULTILINE)
            assert found, name
        return before + mark + rest

    reload(service, changed)


@contextlib.contextmanager
def reviewing(service: Service) -> Iterator[None]:
    """Strangers wait meanwhile. Afterwards nobody is left who does, and everything is as it was."""
    kept = "/run/conexizan-review.yml"
    service.host.check_output(f"cp -p {CONFIGURATION} {kept}")
    switch(service, review="true")
    try:
        yield
    finally:
        service.host.check_output(f"cp {kept} {CONFIGURATION}; rm {kept}")
        service.api(("reload_config", {}))


@contextlib.contextmanager
def registering(service: Service) -> Iterator[Stream]:
    """The stream of somebody who is about to register, as the first one for long."""
    reset_limits(service)
    with connected(service) as stream:
        stream.starttls()
        yield stream


def register(service: Service, stream: Stream, account: Account, words: str = SENTENCE) -> ET.Element:
    """The server's answer to somebody who reads the picture and writes a sentence."""
    form = ask_form(stream)
    digits = read_picture(service, form.challenge)
    who = {"username": account.name, "password": account.password}
    return hand_in(stream, **who, challenge=form.challenge, ocr=digits, **{REASON: words})


def arrive(service: Service, account: Account, words: str = SENTENCE) -> None:
    """Registers somebody, who then waits."""
    with registering(service) as stream:
        answer = register(service, stream, account, words)
        assert refusal(answer) == "", ET.tostring(answer)


def row(service: Service, account: Account) -> list[list[str]]:
    """What is kept about an account that waits."""
    return sql(service, f"SELECT words FROM waiting_accounts WHERE username = '{account.name}'")


def admit(service: Service, account: Account) -> None:
    """Somebody lets in an account that waits."""
    run_in_erlang(service, _ADMIT, account.name, account.domain)


def words_of(answer: ET.Element) -> str:
    """Why the server refuses, as it says it."""
    return answer.findtext(".//{urn:ietf:params:xml:ns:xmpp-stanzas}text", "")


async def refused_login(service: Service, account: Account) -> str:
    """Why somebody does not get in, or ""."""
    try:
        async with login(service, account):
            return ""
    except clients.Refused as refused:
        return str(refused)


async def announced(*clients: Client) -> None:
    """Each of them is told that somebody waits, in both languages."""
    for client in clients:
        message = await client.messages.get(lambda stanza: ARRIVED in stanza.findtext(BODY, ""))
        bodies = {
            body.get("{http://www.w3.org/XML/1998/namespace}lang"): body.text or "" for body in message.iter(BODY)
        }
        assert set(bodies) == {"en", "de"}
        assert "wartet auf Freischaltung" in bodies["de"]


async def announcements(client: Client) -> int:
    """How many such messages are there, which are taken out."""
    found = client.messages.all(lambda stanza: ARRIVED in stanza.findtext(BODY, ""))
    for _ in found:
        await announced(client)
    return len(found)


async def waiting_form(client: Client) -> ET.Element:
    """The list that is shown to somebody who decides."""
    return await ask(client, f"{NODE}waiting")
