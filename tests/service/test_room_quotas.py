# SPDX-License-Identifier: GPL-3.0-or-later
"""An account has so many rooms, and a room keeps so much."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import ADMIN
from ..kit.quotas import FORM, POLICY, REQUEST, is_refused, people
from ..kit.raw_rooms import MUC, MUC_OWNER, made_room, subscribe
from ..kit.service import Account, Register, Service, sql
from ..kit.sessions import came, came_through, logged_in, online
from ..kit.strangers import elsewhere
from ..kit.stream import CLIENT, Stream

OWNED = 300  # rooms of one account
GIVEN = 150  # of these, by others
NEW = 200  # rooms at once
AWAY = 30  # rooms that are left by their last owner here
ROOM = 512 * 1024  # bytes of a room
AT_ONCE = 100  # in one visit to the host: a command line has an end


def with_rooms(service: Service, account: Account, count: int) -> str:
    """So many rooms are owned by an account; returns the first."""
    name = f"q{secrets.token_hex(5)}-"
    options = [{"name": "persistent", "value": "true"}, {"name": "affiliations", "value": f"owner={account.jid}"}]
    where = {"service": service.name("muc"), "host": service.domain, "options": options}
    rooms = [{"room": f"{name}{number}", **where} for number in range(count)]
    for begin in range(0, count, AT_ONCE):
        service.api(*(("create_room_with_opts", room) for room in rooms[begin : begin + AT_ONCE]))
    return f"{name}0@{service.name('muc')}"


@pytest.fixture(scope="module")
def collector(service: Service) -> Iterator[tuple[Account, str]]:
    """An account that owns as many rooms as it may, and one of them."""
    accounts = service.register(1)
    room = with_rooms(service, accounts[0], OWNED)
    yield accounts[0], room
    service.unregister(accounts)  # and the rooms, which nobody is left in


def entered(stream: Stream, room: str, nick: str) -> ET.Element:
    """What comes back when a room is entered: one's own presence, or an error."""
    stream.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")
    while (element := stream.read()).tag != f"{CLIENT}presence" or element.get("from", "") != f"{room}/{nick}":
        pass
    return element


@pytest.mark.attack("creating or growing rooms without limit")
@pytest.mark.parametrize("way", ["presence", "subscription", "configuration"])
def test_account_owns_so_many_rooms(service: Service, collector: tuple[Account, str], way: str) -> None:
    """It still enters those that are there."""
    account, owned = collector
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    with logged_in(service, account) as stream:
        online(stream)
        if way == "presence":
            answer = entered(stream, room, "owner")
        elif way == "subscription":
            answer = subscribe(stream, room)
        else:
            answer = stream.query("get", f"<query xmlns='{MUC_OWNER}'/>", room)
        assert is_refused(answer, str(OWNED)), ET.tostring(answer, "unicode")
        assert entered(stream, owned, "owner").get("type") is None


@pytest.mark.attack("creating or growing rooms without limit")
def test_others_give_an_account_so_many_rooms(service: Service, register: Register) -> None:
    """And have it no more than half of its places: it makes rooms of its own."""
    alice, mallory = register(2)
    with_rooms(service, alice, GIVEN)
    with logged_in(service, mallory) as giver, logged_in(service, alice) as receiver:
        online(giver)
        online(receiver)
        room = made_room(giver, service)
        give = f"<query xmlns='{ADMIN}'><item affiliation='owner' jid='{alice.jid}'/></query>"
        assert is_refused(giver.query("set", give, room), str(GIVEN))
        made_room(receiver, service)
    service.unregister([alice])


@pytest.mark.attack("creating or growing rooms without limit")
def test_few_rooms_are_handed_to_somebody_elsewhere(service: Service, register: Register) -> None:
    """Who is not counted. Whoever moves to another server takes the rooms along; somebody here gets any number."""
    alice, bob = register(2)
    first = with_rooms(service, alice, AWAY + 1)
    rooms = [f"{first.partition('@')[0].removesuffix('0')}{number}" for number in range(AWAY + 1)]
    there = elsewhere()

    def affiliate(stream: Stream, room: str, *entries: tuple[str, str]) -> ET.Element:
        items = "".join(f"<item affiliation='{kind}' jid='{jid}'/>" for jid, kind in entries)
        return stream.query("set", f"<query xmlns='{ADMIN}'>{items}</query>", f"{room}@{service.name('muc')}")

    try:
        with logged_in(service, alice) as stream, logged_in(service, bob) as other:
            online(stream)
            online(other)
            for room in rooms:
                assert affiliate(stream, room, (there, "owner")).get("type") == "result"
            assert affiliate(other, rooms[-1], (alice.jid, "none")).get("type") == "error", "and it does not count"
            for room in rooms[:-1]:
                assert affiliate(stream, room, (alice.jid, "none")).get("type") == "result"
            for kind in ("none", "member"):
                assert is_refused(affiliate(stream, rooms[-1], (alice.jid, kind)), "many rooms")
            assert affiliate(stream, rooms[-1], (bob.jid, "owner"), (alice.jid, "none")).get("type") == "result"
    finally:
        service.api(*(("destroy_room", {"room": room, "service": service.name("muc")}) for room in rooms))


@pytest.mark.attack("creating or growing rooms without limit")
def test_few_rooms_are_made_at_once(service: Service, register: Register) -> None:
    """Also such as end with the last one in them."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as stream:
        own = online(stream)
        name = secrets.token_hex(6)
        for number in range(NEW + 5):
            stream.send(f"<presence to='r{number}-{name}@{service.name('muc')}/x'><x xmlns='{MUC}'/></presence>")
        assert sum(is_refused(one, "many rooms") for one in came(stream, own)) == 5


@pytest.mark.attack("creating or growing rooms without limit")
@pytest.mark.parametrize("kind", ["people", "picture"])
def test_room_keeps_so_much(service: Service, register: Register, kind: str) -> None:
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        online(stream)
        room = made_room(stream, service)
        reason = "x" * 1000
        answers = []
        for _ in range(3):
            members = people(200)
            items = "".join(
                f"<item affiliation='member' jid='{who}'><reason>{reason}</reason></item>" for who in members
            )
            answers.append(stream.query("set", f"<query xmlns='{ADMIN}'>{items}</query>", room))
        if kind == "picture":
            answers = answers[:2]
            picture = f"<PHOTO><TYPE>image/png</TYPE><BINVAL>{'A' * 200_000}</BINVAL></PHOTO>"
            answers.append(stream.query("set", f"<vCard xmlns='vcard-temp'>{picture}</vCard>", room))
        assert [one.get("type") for one in answers[:2]] == ["result", "result"]
        assert is_refused(answers[2], f"{ROOM // 1024} KiB"), ET.tostring(answers[2], "unicode")
        items = "".join(f"<item affiliation='none' jid='{who}'/>" for who in members)
        assert stream.query("set", f"<query xmlns='{ADMIN}'>{items}</query>", room).get("type") == "result"


@pytest.mark.attack("creating or growing rooms without limit")
def test_subject_of_a_room_is_short(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        online(stream)
        room = made_room(stream, service, persistentroom="1")
        stream.send(f"<message to='{room}' type='groupchat'><subject>{'x' * (REQUEST + 1)}</subject></message>")
        assert any(one.find(POLICY) is not None for one in came_through(stream, room))
        long = f"<subject>{'x' * (REQUEST + 1)}</subject><body xmlns='urn:test'/>"  # no body, to ejabberd
        stream.send(f"<message to='{room}' type='groupchat'>{long}</message>")
        assert any(one.find(POLICY) is not None for one in came_through(stream, room))
        stream.send(f"<message to='{room}' type='groupchat'><subject>short</subject></message>")
        assert any(one.findtext(f"{CLIENT}subject") == "short" for one in came_through(stream, room))
    name = room.partition("@")[0]
    assert sql(service, f"SELECT instr(opts, 'xxx') FROM muc_room WHERE name = '{name}'") == [[0]]


def test_ten_devices_are_in_many_rooms(service: Service, register: Register) -> None:
    """Each session in each room counts; 100 were all that ejabberd let in."""
    alice, bob = register(2)
    rooms = 13
    with ExitStack() as stack:
        owner = stack.enter_context(logged_in(service, bob))
        online(owner)
        there = [made_room(owner, service) for _ in range(rooms)]
        for device in range(9):
            stream = stack.enter_context(logged_in(service, alice))
            online(stream)
            for room in there:
                assert entered(stream, room, "alice").get("type") is None, (device, room)


def test_nobody_elsewhere_reserves_nicknames(service: Service) -> None:
    """A server can make up any number of people."""
    sender = elsewhere()
    form = FORM.format("<field var='nick'><value>nick</value></field>")
    stanza = f"<iq type='set' id='x'><query xmlns='jabber:iq:register'>{form}</query></iq>"
    service.api(("send_stanza", {"from": f"{sender}/app", "to": service.name("muc"), "stanza": stanza}))
    assert sql(service, f"SELECT nick FROM muc_registered WHERE jid = '{sender}'") == []
