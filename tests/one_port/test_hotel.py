# SPDX-License-Identifier: GPL-3.0-or-later
"""What people do in a network that lets out nothing but port 443."""

from __future__ import annotations

import secrets

from ..kit.clients import fresh_text, login
from ..kit.newcomer import exists, hand_in_plain, plain_form, read_picture, reset_limits
from ..kit.ports import ONE_PORT
from ..kit.rooms import PRIVATE, enter, made_room
from ..kit.service import Account, Register, Service
from ..kit.turn import credentials_of, external_services, relay, talk
from ..kit.uploads import ask_slot
from ..kit.web import login_over_websocket

APP = {"direct_tls": True, "port": ONE_PORT}


async def test_people_write_and_share_files(hotel: Service, register: Register) -> None:
    """By an app with direct TLS (XEP-0368): to one another, in a room, and a file."""
    alice, bob = register(2)
    text, said, file = fresh_text(), fresh_text(), secrets.token_bytes(300_000)
    async with login(hotel, alice, **APP) as one, login(hotel, bob, **APP) as other:
        await one.online()
        await other.online()
        one.say(bob.jid, text)
        await other.hear(text)
        async with made_room(one, **PRIVATE | {"membersonly": "0"}) as room:
            assert (await enter(other, room, "guest")).get("type") is None
            one.say(room, said, kind="groupchat")
            await other.hear(said)
        slot = await ask_slot(one, "picture.jpg", len(file))
        assert (await hotel.fetch("PUT", slot.put, data=file)).status == 201
        assert (await hotel.fetch("GET", slot.get)).body == file


async def test_people_call(hotel: Service, register: Register) -> None:
    """Both are in such a network: what they learn of relays (XEP-0215) is enough for sound to pass both ways."""
    (alice,) = register(1)
    async with login(hotel, alice, **APP) as client:
        offered = {
            (entry.get("type"), entry.get("transport"), entry.get("port"), entry.get("host"))
            for entry in await external_services(client)
        }
        credentials = await credentials_of(client)
    assert ("turns", "tcp", str(ONE_PORT), hotel.name("turn")) in offered
    assert ("turn", "udp", "3478", hotel.name("turn")) in offered, "others go on"
    async with (
        relay(hotel, credentials, "tls", port=ONE_PORT) as caller,
        relay(hotel, credentials, "tls", port=ONE_PORT) as called,
    ):
        await talk(caller, called)


async def test_people_come_by_a_browser(hotel: Service, register: Register) -> None:
    (alice,) = register(1)
    await login_over_websocket(hotel, alice)


async def test_people_create_an_account(hotel: Service, guest: Account) -> None:
    reset_limits(hotel)  # other tests flood the registration
    challenge = await plain_form(hotel)
    digits = read_picture(hotel, challenge)
    assert "successfully" in await hand_in_plain(hotel, guest, id=challenge, key=digits)
    assert exists(hotel, guest)
