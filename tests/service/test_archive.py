# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives (XEP-0313) are read in pages that are bounded, and whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Literal

import pytest
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from .clients import Client, Inbox, login
from .service import Account, Service
from .test_rooms import PUBLIC, made_room

Register = Callable[[int], list[Account]]

PAGE = 50  # messages at once
WORDS = [f"{number} of many" for number in range(60)]
RSM = "http://jabber.org/protocol/rsm"

# How a page is asked for: the namespace, what stands in the set of XEP-0059, and how much comes.
PAGES = {
    "large": ("urn:xmpp:mam:2", "<max>250</max>", PAGE),
    "large, from the end": ("urn:xmpp:mam:2", "<max>250</max><before/>", PAGE),
    "two numbers": ("urn:xmpp:mam:2", "<max>250</max><max>200</max>", PAGE),
    "no number": ("urn:xmpp:mam:1", "", PAGE),
    "small": ("urn:xmpp:mam:2", "<max>7</max>", 7),
    "only how many": ("urn:xmpp:mam:2", "<max>0</max>", 0),
    "oldest way": ("urn:xmpp:mam:tmp", "<max>250</max>", PAGE),
    "oldest way, no number": ("urn:xmpp:mam:tmp", "", PAGE),
    "oldest way, a number of something else": ("urn:xmpp:mam:tmp", "<max xmlns='urn:test'>250</max>", PAGE),
}


def asked(namespace: str, inside: str) -> str:
    inside = f"<set xmlns='{RSM}'>{inside}</set>" if inside else ""
    return f"<query xmlns='{namespace}'>{inside}</query>"


def results(client: Client, namespace: str) -> Inbox:
    found = Inbox()
    path = f"{{jabber:client}}message/{{{namespace}}}result"
    client.register_handler(Callback(f"archive {namespace}", MatchXPath(path), found.put))
    return found


@pytest.mark.attack("asking for pages of large messages and not reading them")
async def test_a_page_is_bounded(service: Service, register: Register) -> None:
    """However it is asked for; and it does not say that it is all."""
    alice, bob = register(2)
    async with login(service, alice) as client:
        for word in WORDS:
            client.say(bob.jid, word)
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")  # or the last might still be on their way
        for name, (namespace, inside, expected) in PAGES.items():
            kind: Literal["get", "set"] = "get" if namespace.endswith("tmp") else "set"
            page = results(client, namespace)
            answer = await client.query(kind, asked(namespace, inside))
            assert len(page.all(lambda _: True)) == expected, name
            assert answer.findtext(f".//{{{RSM}}}count") == str(len(WORDS)), name
            assert answer.find(f"{{{namespace}}}fin[@complete='true']") is None, name
            client.remove_handler(f"archive {namespace}")


@pytest.mark.parametrize("of", ["account", "room"])
async def test_an_archive_is_read_page_by_page(service: Service, register: Register, of: str) -> None:
    """An app that asks for more than it gets goes on at the end of each page, and has everything once."""
    alice, bob = register(2)
    async with login(service, alice) as client, contextlib.AsyncExitStack() as stack:
        whose = alice.jid if of == "account" else await stack.enter_async_context(made_room(client, **PUBLIC))
        for word in WORDS:
            client.say(*((bob.jid, word, "chat") if of == "account" else (whose, word, "groupchat")))
        await client.query(
            "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=whose
        )  # they are all there
        found = results(client, "urn:xmpp:mam:2")
        pages, after, complete = 0, "", False
        while not complete:
            answer = await client.query("set", asked("urn:xmpp:mam:2", f"<max>250</max>{after}"), to=whose)
            complete = answer.find("{urn:xmpp:mam:2}fin[@complete='true']") is not None
            after = f"<after>{answer.findtext(f'.//{{{RSM}}}last')}</after>"
            pages += 1
        bodies = [one.findtext(".//{jabber:client}body") for one in found.all(lambda _: True)]
        assert [body for body in bodies if body] == WORDS
        assert pages == 2
