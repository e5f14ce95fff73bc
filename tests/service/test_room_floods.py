# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody floods a room, or somebody in one."""

from __future__ import annotations

import pytest

from ..kit.floods import FLOOD, LARGE, REFILL, SAYS, bought
from ..kit.raw_rooms import MUC, MUC_OWNER, made_room
from ..kit.service import Register, Service
from ..kit.sessions import CONSTRAINT, came, came_through, logged_in, online, until
from ..kit.stream import CLIENT

SAID = 4 * 1024 * 1024  # bytes that one account says in rooms at once
QUESTIONS = 600  # to people in rooms by one person at once
CHANGES = 300  # of rooms by one person at once


@pytest.mark.attack("flooding a room")
def test_nobody_floods_a_room(service: Service, register: Register) -> None:
    owner, mallory, guest = register(3)
    with (
        logged_in(service, owner) as host,
        logged_in(service, mallory) as attacker,
        logged_in(service, guest) as occupant,
    ):
        online(host)
        online(attacker)
        address = online(occupant)
        room = made_room(host, service)
        for stream, nick in ((attacker, "mallory"), (occupant, "guest")):
            stream.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")
            until(stream, f"{CLIENT}presence")
        attacker.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>" * FLOOD)
        refused = sum(one.find(CONSTRAINT) is not None for one in came_through(attacker, room))
        assert refused >= FLOOD - SAYS - REFILL
        attacker.send(f"<presence to='{room}/mallory'><status>buy</status></presence>" * FLOOD)
        came_through(attacker, room)
        assert bought(came(occupant, address)) <= SAYS + 30 + REFILL


@pytest.mark.attack("flooding a room")
def test_changes_of_rooms_are_limited(service: Service, register: Register) -> None:
    """Each is written down with all of the room, whichever of one's rooms it is."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        rooms = [made_room(attacker, service) for _ in range(2)]
        item = "<item affiliation='member' jid='u{}@b.test'/>"
        change = "<iq to='{}' id='c' type='set'><query xmlns='{}#admin'>" + item + "</query></iq>"
        for first in range(0, CHANGES + 200, 50):
            attacker.send("".join(change.format(rooms[n % 2], MUC, n) for n in range(first, first + 50)))
        answers = [one for room in rooms for one in came_through(attacker, room)] + came(attacker, own)
        refused = sum(one.find(CONSTRAINT) is not None for one in answers)
        assert 100 <= refused <= 200 + len(rooms), "their making is one as well"


@pytest.mark.attack("flooding a room")
def test_nobody_floods_somebody_in_a_room_with_questions(service: Service, register: Register) -> None:
    mallory, alice = register(2)
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as occupant:
        own = online(attacker)
        address = online(occupant)
        room = made_room(attacker, service)
        occupant.send(f"<presence to='{room}/alice'><x xmlns='{MUC}'/></presence>")
        came_through(occupant, room)
        question = f"<iq to='{room}/alice' type='get' id='q'><query xmlns='urn:test'>buy</query></iq>"
        for _ in range(0, QUESTIONS + 100, 50):
            attacker.send(question * 50)
        assert sum(one.find(CONSTRAINT) is not None for one in came(attacker, own)) >= 100 - REFILL
        arrived = came_through(occupant, room) + came(occupant, address)
        assert QUESTIONS <= bought(arrived) <= QUESTIONS + REFILL


@pytest.mark.attack("flooding a room")
def test_much_text_in_rooms_is_limited(service: Service, register: Register) -> None:
    """Rooms keep what was said last in memory: all that one account says, in whichever room, has a limit in bytes."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        online(attacker)
        rooms = [made_room(attacker, service) for _ in range(5)]
        answers = []
        for number in range(SAID // len(LARGE) + 20):
            room = rooms[number % len(rooms)]
            attacker.send(f"<message to='{room}' type='groupchat'><body>{number} {LARGE}</body></message>")
            while not (answer := attacker.read()).findtext(f"{CLIENT}body", "").startswith(f"{number} "):
                pass
            answers.append(answer)
        assert 5 <= sum(one.find(CONSTRAINT) is not None for one in answers) <= 20


def test_new_room_takes_as_many_as_rooms_may_have(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        online(stream)
        room = made_room(stream, service)
        form = stream.query("get", f"<query xmlns='{MUC_OWNER}'/>", room)
        most = form.find(".//{jabber:x:data}field[@var='muc#roomconfig_maxusers']/{jabber:x:data}value")
        assert most is not None
        assert most.text == "1000"
