# SPDX-License-Identifier: GPL-3.0-or-later
"""What a room passes on for one person to another: invitations, and the answers of those who decline."""

from __future__ import annotations

import secrets

import pytest

from ..kit.floods import ELSEWHERE, FLOOD, REFILL, bought
from ..kit.limited import answers, silent
from ..kit.quotas import people
from ..kit.raw_rooms import MUC, left_room, made_room
from ..kit.rooms import USER
from ..kit.service import Register, Service, sql
from ..kit.sessions import CONSTRAINT, came, came_through, logged_in, online
from ..kit.strangers import elsewhere
from ..kit.stream import CLIENT

WORDS = 60  # of one stranger to one person at once
INVITED = 300  # by one account at once
FORGED = {
    "the service": "<invite from='{domain}'/>",
    "the recipient's contact": "<invite from='{friend}'/>",
    "nobody": "</x><x xmlns='urn:x'><invite from='@'/>",
    "nothing": "",
}


@pytest.mark.attack("writing through a room to people who are not in it, by declining or sending invitations")
@pytest.mark.parametrize("forged", FORGED)
def test_who_declines_is_a_stranger_like_all_others(service: Service, register: Register, forged: str) -> None:
    """Nor does anything else of the message go on."""
    mallory, alice, friend = register(3)
    contact = {"localuser": alice.name, "localhost": service.domain, "user": friend.name, "host": service.domain}
    service.api(("add_rosteritem", {**contact, "nick": "friend", "groups": "", "subs": "both"}))
    inside = FORGED[forged].format(domain=service.domain, friend=friend.jid)
    answer = f"<decline to='{alice.jid}'><reason>buy</reason></decline>"
    words = f"<body>cheap</body><x xmlns='{MUC}#user'>{answer}{inside}</x>"
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as receiver:
        own = online(attacker)
        address = online(receiver)
        room = left_room(attacker, service)
        attacker.send(f"<message to='{room}' type='chat'>{words}</message>" * FLOOD)
        came_through(attacker, room)
        arrived = [one for one in came(receiver, address) if one.tag == f"{CLIENT}message"]
        assert 1 <= bought(arrived) <= WORDS + REFILL
        for one in arrived:
            assert one.get("type", "normal") == "normal"
            assert [child.tag for child in one] == [f"{USER}x"]
            assert [(child.tag, child.get("from")) for child in one[0]] == [(f"{USER}decline", own)]
            assert one[0][0].findtext(f"{USER}reason") == "buy"


@pytest.mark.attack("writing through a room to people who are not in it, by declining or sending invitations")
@pytest.mark.parametrize("way", ["decline", "invite"])
def test_room_is_no_relay_between_other_servers(service: Service, register: Register, way: str) -> None:
    (alice,) = register(1)
    stranger, target = elsewhere(), f"{secrets.token_hex(4)}.example"
    with logged_in(service, alice) as owner, silent(service, stranger.partition("@")[2]):
        online(owner)
        room = made_room(owner, service)
        sender = f"from='{stranger}/app' to='{room}"
        entered = [f"<presence {sender}/guest'><x xmlns='{MUC}'/></presence>"] if way == "invite" else []
        asks = [
            f"<message {sender}'><x xmlns='{MUC}#user'><{way} to='u{number}@{target}'/></x></message>"
            for number in range(ELSEWHERE + 30)
        ]
        said = answers(service, target, *entered, *asks).splitlines()
        assert 1 <= len(said) <= ELSEWHERE + REFILL // 10


@pytest.mark.attack("creating or growing rooms without limit")
def test_invitations_do_not_grow_a_room_without_limit(service: Service, register: Register) -> None:
    """Whoever is invited to a room for members is one, and the room is stored again for each."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        room = made_room(attacker, service, persistentroom="1", membersonly="1")

        def is_refused(count: int, name: str) -> bool:
            invited = "".join(f"<invite to='{name}{number}@{service.domain}'/>" for number in range(count))
            attacker.send(f"<message to='{room}'><x xmlns='{MUC}#user'>{invited}</x></message>")
            return any(one.find(CONSTRAINT) is not None for one in came_through(attacker, room) + came(attacker, own))

        reason = "x" * 1000
        for _ in range(2):
            items = "".join(
                f"<item affiliation='member' jid='{who}'><reason>{reason}</reason></item>" for who in people(200)
            )
            assert attacker.query("set", f"<query xmlns='{MUC}#admin'>{items}</query>", room).get("type") == "result"
        assert is_refused(150, "u" * 900), "the room is full"
        assert not is_refused(1, "somebody")
        assert is_refused(INVITED + 1, "a"), "at once"
        assert not is_refused(INVITED // 3, "b")
        assert is_refused(INVITED * 2 // 3, "c"), "one after the other"
    name = room.partition("@")[0]
    written = sql(
        service, f"SELECT instr(opts, 'somebody') > 0, instr(opts, 'uuu') FROM muc_room WHERE name = '{name}'"
    )
    assert written == [[1, 0]]


def test_invitation_is_declined(service: Service, register: Register) -> None:
    """As apps do it."""
    alice, bob = register(2)
    with logged_in(service, alice) as owner, logged_in(service, bob) as guest:
        own = online(owner)
        address = online(guest)
        room = made_room(owner, service)
        owner.send(f"<message to='{room}'><x xmlns='{MUC}#user'><invite to='{bob.jid}'/></x></message>")
        came_through(owner, room)
        assert [one.find(f"{USER}x/{USER}invite[@from='{own}']") is not None for one in came(guest, address)] == [True]
        answer = f"<decline to='{own}'><reason>no time</reason></decline>"
        guest.send(f"<message to='{room}' id='no'><x xmlns='{MUC}#user'>{answer}</x></message>")
        came_through(guest, room)
        (declined,) = [one for one in came(owner, own) if one.tag == f"{CLIENT}message"]
        assert (declined.get("from"), declined.get("id")) == (room, "no")
        assert declined.findtext(f"{USER}x/{USER}decline[@from='{address}']/{USER}reason") == "no time"
