# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to see somebody's presence wait for them, whole (RFC 6121 3.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, login
from ..kit.service import Account, Register, Service

Answer = Literal["subscribed", "unsubscribed"]

REQUESTS = "<requests xmlns='conexizan:requests'/>"
PREAUTH = "<preauth xmlns='urn:xmpp:pars:0' token='1tMFqYDdKhfe2pwp'/>"
# What comes with a request, as it is written, and what is to arrive of it.
EXTENSIONS = {
    "proof of an invitation": (PREAUTH, ["{urn:xmpp:pars:0}preauth"]),
    "several": (
        f"{PREAUTH}<a xmlns='urn:test:a'><b c='&apos;\"'>x &amp; y</b></a>",
        ["{urn:xmpp:pars:0}preauth", "{urn:test:a}a"],
    ),
    "none": ("", []),
    "more than a request needs": (f"<a xmlns='urn:test:a'>{'x' * 5000}</a>", []),
}


def asks(alice: Account) -> Callable[[ET.Element], bool]:
    return lambda stanza: stanza.get("type") == "subscribe" and stanza.get("from") == alice.jid


def ask(client: Client, whom: Account, extensions: str) -> None:
    client.send_raw(f"<presence type='subscribe' to='{whom.jid}'><status>it's me</status>{extensions}</presence>")


def clear_cache(service: Service) -> None:
    """What is in memory of them; the database remains."""
    service.api(("clear_cache", {}))


def tags(request: ET.Element) -> list[str]:
    return [child.tag for child in request if not child.tag.startswith("{jabber:client}")]


@pytest.mark.parametrize("name", EXTENSIONS)
async def test_request_to_somebody_offline_is_whole(service: Service, register: Register, name: str) -> None:
    extensions, expected = EXTENSIONS[name]
    alice, bob = register(2)
    async with login(service, alice) as client:
        ask(client, bob, extensions)
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")
    clear_cache(service)
    for _ in range(2):  # it waits until it is answered
        async with login(service, bob) as client:
            await client.online()
            request = await client.presences.get(asks(alice))
            assert request.findtext("{jabber:client}status") == "it's me"
            assert tags(request) == expected
            if name == "several":
                inner = request.find("{urn:test:a}a/{urn:test:a}b")
                assert inner is not None
                assert (inner.text, inner.get("c")) == ("x & y", "'\"")


async def test_a_newer_request_takes_the_place_of_the_older(service: Service, register: Register) -> None:
    alice, bob = register(2)
    async with login(service, alice) as client:
        ask(client, bob, PREAUTH)
        ask(client, bob, "<a xmlns='urn:test:a'/>")
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")
    clear_cache(service)
    async with login(service, bob) as client:
        await client.online()
        assert tags(await client.presences.get(asks(alice))) == ["{urn:test:a}a"]


@pytest.mark.parametrize("answer", ["subscribed", "unsubscribed"])
async def test_nothing_of_an_answered_request_stays(service: Service, register: Register, answer: Answer) -> None:
    alice, bob = register(2)
    token = f"token-of-{alice.name}"
    async with login(service, alice) as client:
        ask(client, bob, f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>")
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")
    service.checkpoint()
    assert service.stored(token)
    async with login(service, bob) as client:
        await client.online()
        await client.presences.get(asks(alice))
        client.send_presence(pto=alice.jid, ptype=answer)
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")
    service.checkpoint()
    assert not service.stored(token)


def listed(answer: ET.Element) -> dict[str, str]:
    """Who waits for an answer, and what they wrote."""
    return {one.get("jid", ""): one.text or "" for one in answer.iter("{conexizan:requests}request")}


async def test_requests_are_listed_to_whom_they_are_for(service: Service, register: Register) -> None:
    """To nobody else, with what was written, in one line of letters that turn nothing around; until it is answered."""
    alice, bob, carol = register(3)
    async with login(service, alice) as one, login(service, carol) as other, login(service, bob) as client:
        one.send_raw(
            f"<presence type='subscribe' to='{bob.jid}'><status>it&apos;s\n\u202eme {'x' * 500}</status></presence>"
        )
        other.send_raw(f"<presence type='subscribe' to='{bob.jid}'/>")
        for asking in one, other:
            await asking.query("get", "<query xmlns='jabber:iq:roster'/>")
        found = listed(await client.query("get", REQUESTS))
        assert set(found) == {alice.jid, carol.jid}
        assert found[carol.jid] == ""
        assert found[alice.jid].startswith("it's me xxx")
        assert len(found[alice.jid]) == 300
        assert listed(await one.query("get", REQUESTS)) == {}
        with pytest.raises(IqError) as refused:
            await one.query("get", REQUESTS, bob.jid)
        assert refused.value.condition == "not-allowed"
        with pytest.raises(IqError) as refused:
            await one.query("set", REQUESTS)
        assert refused.value.condition == "bad-request"
        client.send_presence_subscription(pto=alice.jid, ptype="subscribed")
        client.send_presence_subscription(pto=carol.jid, ptype="unsubscribed")
        assert listed(await client.query("get", REQUESTS)) == {}
