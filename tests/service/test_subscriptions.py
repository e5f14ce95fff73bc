# SPDX-License-Identifier: GPL-3.0-or-later
"""Subscriptions to rooms (MUC/Sub) and to nodes flood nobody, and take nothing from anybody."""

from __future__ import annotations

import pytest

from ..kit.floods import SAYS, bought
from ..kit.raw_rooms import MUC, made_room, subscribe
from ..kit.service import Register, Service
from ..kit.sessions import back_online, came, came_through, logged_in, online
from ..kit.strangers import befriended, come_in, elsewhere
from ..kit.stream import CLIENT


@pytest.mark.attack("subscribing somebody else to a room (MUC/Sub)")
@pytest.mark.parametrize("whom", ["somebody here", "somebody elsewhere", "nobody", "with a resource"])
def test_nobody_is_subscribed_to_a_room_by_somebody_else(service: Service, register: Register, whom: str) -> None:
    """Also where the owner has switched it on. One's own address may be named."""
    mallory, alice = register(2)
    victim = {
        "somebody here": alice.jid,
        "somebody elsewhere": elsewhere(),
        "nobody": f"nobody@{service.domain}",
        "with a resource": f"{alice.jid}/app",
    }[whom]
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as receiver:
        online(attacker)
        address = online(receiver)
        room = made_room(attacker, service, allow_subscription="1")
        assert subscribe(attacker, room, victim).find(".//{*}forbidden") is not None
        for _ in range(20):
            attacker.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
        assert subscribe(attacker, room, mallory.jid).get("type") == "result"
        assert bought(came(receiver, address)) == 0


def test_whoever_subscribes_to_a_room_gets_all_that_is_said(service: Service, register: Register) -> None:
    """More than a stranger could send, from several people."""
    owner, other, reader = register(3)
    with (
        logged_in(service, owner) as one,
        logged_in(service, other) as two,
        logged_in(service, reader) as subscriber,
    ):
        online(one)
        online(two)
        address = online(subscriber)
        room = made_room(one, service)
        two.send(f"<presence to='{room}/other'><x xmlns='{MUC}'/></presence>")
        assert subscribe(subscriber, room).get("type") == "result"
        for _ in range(SAYS):
            one.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
            two.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
        for speaker in (one, two):
            came_through(speaker, room)
        assert bought(came(subscriber, address)) == 2 * SAYS


@pytest.mark.attack("spam by any other kind of stanza, by rooms or nodes of one's own")
def test_subscribed_room_takes_no_place_of_contacts(service: Service, register: Register) -> None:
    """Of 1000 messages that wait for somebody who is away, 500 places are for contacts."""
    owner, reader = register(2)
    friend = elsewhere()
    befriended(service, reader, friend)
    come_in(service, friend, reader.jid, *(f"message {number}" for number in range(500)))
    with logged_in(service, owner) as speaker:
        online(speaker)
        room = made_room(speaker, service)
        with logged_in(service, reader) as subscriber:
            subscriber.bind()
            assert subscribe(subscriber, room).get("type") == "result"
        for _ in range(SAYS):
            speaker.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
        came_through(speaker, room)
    (waiting,) = service.api(("get_offline_count", {"user": reader.name, "host": service.domain}))
    assert waiting <= 510, "some are on their way while they are counted"
    come_in(service, friend, reader.jid, "last of a friend")
    with logged_in(service, reader) as back:
        assert "last of a friend" in [one.findtext(f"{CLIENT}body") for one in back_online(back)]
