# SPDX-License-Identifier: GPL-3.0-or-later
"""Circles: members have one another as contacts and a private room, from the first login until they leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..kit.circles import PAIR, QUARTET, bookmarks, circles_restored, contacts, create, set_circles, settled
from ..kit.clients import Client, login
from ..kit.erlang import run_in_erlang
from ..kit.newcomer import (
    ask_for,
    ask_without_form,
    exists,
    newcomer,
    refusal,
    register_without_invitations,
    show_invitation,
)
from ..kit.rooms import USER, enter
from ..kit.rooms import refusal as refused
from ..kit.service import Account, Register, Service, sql
from ..kit.stream import connected

_MAKE = """run([Host, Token, Circle]) ->
    ok = mod_xmpp_invitation_uses:make(list_to_binary(Host), list_to_binary(Token), 1, 1, list_to_binary(Circle)).
"""


@pytest.fixture
def pair(service: Service) -> Iterator[list[Account]]:
    """The accounts whose names the setting lists, made just now."""
    made = create(service, *PAIR["members"])
    settled(service)
    yield made
    service.unregister(made)


async def only_bookmark(client: Client) -> tuple[str, str]:
    """The room that the account has, and its title."""
    ((room, title),) = (await bookmarks(client)).items()
    return room, title


def take(service: Service, token: str, account: Account) -> str:
    """Makes an account by an invitation that needs no picture; returns why not, or ""."""
    with connected(service) as stream:
        stream.starttls()
        return refusal(show_invitation(stream, token)) or refusal(ask_without_form(stream, account))


def in_circles(service: Service) -> list[dict[str, Any]]:
    """Who is in a circle, as the operator is told."""
    rows: list[dict[str, Any]] = json.loads(service.succeed("user", "format=json"))["circles"]
    return rows


def invited_into(service: Service, *words: str) -> str:
    """The token of an invitation, as the operator makes it."""
    link: str = json.loads(service.succeed("invite", *words, "format=json"))["url"]
    assert "quartet" not in link
    assert "pair" not in link
    return link.partition("preauth=")[2]


async def test_members_meet_at_the_first_login(service: Service, register: Register, pair: list[Account]) -> None:
    """As contacts who see each other, and in a room that nobody else gets into, and nobody finds."""
    (stranger,) = register(1)
    async with login(service, pair[0]) as clara, login(service, pair[1]) as robert, login(service, stranger) as other:
        assert await contacts(clara) == {pair[1].jid: {PAIR["title"]}}
        assert await contacts(robert) == {pair[0].jid: {PAIR["title"]}}
        await clara.online()
        await robert.online()
        await clara.presences.get(lambda presence: presence.get("from") == robert.boundjid.full)
        room, title = await only_bookmark(clara)
        assert await only_bookmark(robert) == (room, title)
        assert title == PAIR["title"]
        for client, nick in ((clara, "clara"), (robert, "robert")):
            assert (await enter(client, room, nick)).find(f"{USER}x/{USER}status[@code='100']") is not None, (
                "no address is hidden"
            )
        clara.say(room, "among ourselves", kind="groupchat")
        await robert.hear("among ourselves")
        assert refused(await enter(other, room, "other")) == "registration-required"
        answer = await other.query(
            "get", "<query xmlns='http://jabber.org/protocol/disco#items'/>", to=service.name("muc")
        )
        assert room not in {item.get("jid") for item in answer[0]}
        assert await contacts(other) == {}
        assert await bookmarks(other) == {}


async def test_member_no_longer_and_circle_no_more(service: Service, pair: list[Account]) -> None:
    """Apps that are connected learn it; who is a contact of one's own, or by another circle, stays one."""
    clara, robert = pair
    with circles_restored(service):
        both = [account.name for account in pair]
        set_circles(service, PAIR, QUARTET | {"members": both})
        async with login(service, clara) as client:
            await client.online()
            assert await contacts(client) == {robert.jid: {"Das Paar", "quartet"}}
            rooms = {title: room for room, title in (await bookmarks(client)).items()}
            await enter(client, rooms["Das Paar"], "clara")
            set_circles(service, PAIR | {"members": both[1:]}, QUARTET | {"members": both})
            await client.presences.get(
                lambda presence: (
                    (presence.get("from") or "").startswith(rooms["Das Paar"])
                    and presence.find(f"{USER}x/{USER}status[@code='321']") is not None
                )
            )
            assert await contacts(client) == {robert.jid: {"quartet"}}
            assert await bookmarks(client) == {rooms["quartet"]: "quartet"}
            assert refused(await enter(client, rooms["Das Paar"], "clara")) == "registration-required"
            set_circles(service)
            assert await contacts(client) == {}
            assert await bookmarks(client) == {}
        assert sql(service, "SELECT jid FROM sr_user WHERE grp != 'banned'") == []
        assert sql(service, "SELECT name FROM sr_group WHERE name != 'banned'") == []
        assert sql(service, "SELECT name FROM muc_room WHERE name LIKE 'pair-%' OR name LIKE 'quartet-%'") == []
        assert not [row for row in sql(service, "SELECT itemid FROM pubsub_item") if row[0] in rooms.values()]


async def test_bookmark_that_a_member_removes_stays_away(service: Service, pair: list[Account]) -> None:
    """And a new title reaches the others' apps by itself, without another room."""
    with circles_restored(service):
        async with login(service, pair[0]) as client:
            room, _ = await only_bookmark(client)
            retract = f"<retract node='urn:xmpp:bookmarks:1' notify='true'><item id='{room}'/></retract>"
            await client.query("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{retract}</pubsub>")
            settled(service)
            assert await bookmarks(client) == {}
            set_circles(service, PAIR | {"title": "Zwei"}, QUARTET)
            assert await bookmarks(client) == {}
        async with login(service, pair[1]) as client:
            assert await bookmarks(client) == {room: "Zwei"}
            assert await contacts(client) == {pair[0].jid: {"Zwei"}}


@pytest.mark.attack("joining a circle (`xmpp_circles`) by taking a listed name, or by another's invitation")
@pytest.mark.usefixtures("limits_reset_before")
def test_listed_name_is_for_whom_it_is_meant(service: Service, register: Register) -> None:
    """Neither registration nor an invitation that is not for the name gives it to anybody; it answers as one taken."""
    member = newcomer(PAIR["members"][0])
    (taken,) = register(1)
    anybody = service.api(("generate_invite", {"host": service.domain}))[0]["invite_uri"].partition("preauth=")[2]
    try:
        for token in ("", anybody):
            answers = []
            for account in (member, taken):
                with connected(service) as stream:
                    stream.starttls()
                    assert token == "" or refusal(show_invitation(stream, token)) == ""
                    answer = ask_for(service, stream, account)
                answers.append((refusal(answer), "".join(answer.itertext())))
            assert answers[0] == answers[1]
            assert answers[0][0]
        into = invited_into(service, "circle=quartet")
        assert [take(service, into, account) for account in (member, taken)] == ["conflict", "conflict"]
        assert not exists(service, member)
        token = invited_into(service, "circle=quartet", f"user={member.name}")
        assert take(service, token, newcomer()) == "not-allowed"
        assert take(service, token, member) == ""
    finally:
        service.unregister([member])


@pytest.mark.attack("joining a circle (`xmpp_circles`) by taking a listed name, or by another's invitation")
@pytest.mark.usefixtures("limits_reset_before")
def test_listed_name_is_kept_if_the_database_fails(service: Service) -> None:
    """Also if what else would refuse it is not there."""
    member = newcomer(PAIR["members"][0])
    try:
        register_without_invitations(service, member)
        assert not exists(service, member)
    finally:
        service.unregister([member])


@pytest.mark.attack("joining a circle (`xmpp_circles`) by taking a listed name, or by another's invitation")
def test_invitation_into_a_circle_leads_into_no_other(service: Service) -> None:
    """Whose name is the end of its name: the link of a circle pair-quartet, with the first part of that behind it."""
    token = service.api(("generate_invite", {"host": service.domain}))[0]["invite_uri"].partition("preauth=")[2]
    run_in_erlang(service, _MAKE, service.domain, token, "pair-quartet")
    assert take(service, f"workshop-{token}-pair", newcomer()) == "item-not-found"
    guest = newcomer()
    assert take(service, f"workshop-{token}", guest) == ""
    service.unregister([guest])
    assert sql(service, "SELECT jid FROM sr_user WHERE grp LIKE '%quartet'") == []


async def test_invitation_into_a_circle(service: Service) -> None:
    """Whoever takes it is a member; it outlives what the setting says of others, until the operator removes it."""
    token = invited_into(service, "circle=quartet", "uses=2")
    listed = json.loads(service.succeed("invite", "list=true", "format=json"))["invitations"]
    name = token.removeprefix("workshop-")[:8]
    assert [(one["circle"], one["uses"]) for one in listed if one["invitation"] == name] == [("quartet", 2)]
    guests = [newcomer(), newcomer()]
    try:
        assert [take(service, token, guest) for guest in guests] == ["", ""]
        with circles_restored(service):
            settled(service)
            assert [row for row in in_circles(service) if row["circle"] == "quartet"] == [
                {"circle": "quartet", "address": jid, "invited": True, "missing": False}
                for jid in sorted(guest.jid for guest in guests)
            ]
            async with login(service, guests[0]) as client:
                assert await contacts(client) == {guests[1].jid: {"quartet"}}
                room, _ = await only_bookmark(client)
                await enter(client, room, "guest")
                set_circles(service, PAIR, QUARTET | {"former": [guests[1].name]})
                assert await contacts(client) == {}
                assert await only_bookmark(client) == (room, "quartet")
        settled(service)
        async with login(service, guests[1]) as client:
            assert await contacts(client) == {}, "and back in the setting, the invitation is not good once more"
    finally:
        service.unregister(guests)
    assert sql(service, "SELECT jid FROM sr_user WHERE grp LIKE '%quartet'") == []


async def test_invitation_into_a_circle_that_is_no_more(service: Service) -> None:
    token = invited_into(service, "circle=quartet")
    with circles_restored(service):
        set_circles(service, PAIR)
    assert take(service, token, newcomer()) == "item-not-found"
