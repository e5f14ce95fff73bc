# SPDX-License-Identifier: GPL-3.0-or-later
"""What a limited account can still do, what it cannot, and what becomes of one that is limited later."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import affiliate, login
from ..kit.erlang import run_in_erlang
from ..kit.inviters import COMMANDS, CREATE, command, grow_old
from ..kit.limited import answers, limited, silent
from ..kit.limited import tim as tim
from ..kit.rooms import PRIVATE, PUBLIC, enter, made_room, refusal
from ..kit.service import Account, Register, Service
from ..kit.strangers import elsewhere

# As a reload of the configuration does it.
_PUSH = """run([Host | Servers]) ->
    Names = [list_to_binary(Server) || Server <- Servers],
    gen_mod:update_module(list_to_binary(Host), mod_xmpp_push, #{servers => Names}).
"""
LISTED = "pubsub.site.test"  # molecule/inventory/group_vars/whole.yml


@pytest.fixture
def push_server(service: Service) -> Iterator[str]:
    """One that the setting names, elsewhere."""
    server = elsewhere().partition("@")[2]
    run_in_erlang(service, _PUSH, service.domain, LISTED, server)
    yield server
    run_in_erlang(service, _PUSH, service.domain, LISTED)


@pytest.fixture
def room_elsewhere(service: Service) -> Iterator[str]:
    """On a server that never answers."""
    room = elsewhere().replace("@", "@muc.")
    with silent(service, room.partition("@")[2]):
        yield room


async def test_limited_account_is_woken_up(
    service: Service, register: Register, tim: Account, push_server: str
) -> None:
    """By the server of its app, which it reaches for that alone: the server learns that something is there."""
    (bob,) = register(1)
    async with login(service, tim) as client:
        await client.online()
        enable = f"<enable xmlns='urn:xmpp:push:0' jid='{push_server}' node='tims-phone'/>"
        await client.query("set", enable)
        # It is not refused: there is no such server.
        register_app = f"<command xmlns='{COMMANDS}' node='register-push-fcm' action='execute'/>"
        with pytest.raises(IqError) as lost:
            await client.query("set", register_app, to=push_server)
        assert lost.value.condition.startswith("remote-server")
        client.say(f"somebody@{push_server}", "hello")
        error = await client.messages.get(lambda stanza: stanza.get("type") == "error")
        assert "this service only" in "".join(error.itertext())
    message = f"<message type='chat' from='{bob.jid}/phone' to='{tim.jid}'><body>wake up</body></message>"
    said = answers(service, push_server, message)
    assert "tims-phone" in said
    assert "urn:xmpp:push:0" in said
    assert "wake up" not in said
    assert bob.name not in said


async def test_limited_account_invites_nobody(service: Service, register: Register, tim: Account) -> None:
    """To an account. (To its contacts: test_limited.py.) Others whose account is as old can."""
    (bob,) = register(1)
    grow_old(service, tim, bob)
    async with login(service, tim) as client, login(service, bob) as other:
        assert "Links that you can still make" in "".join((await command(other, CREATE)).itertext())
        with pytest.raises(IqError) as refused:
            await command(client, CREATE)
        assert refused.value.condition in ("forbidden", "not-allowed")
        form = "<x xmlns='jabber:x:data' type='submit'/>"
        with pytest.raises(IqError):
            await command(client, CREATE, form)


@pytest.mark.attack("reaching an account of `xmpp_limited` from another server, or another server from it")
async def test_who_is_limited_later_leaves_the_rooms_that_do_not_fit(
    service: Service, register: Register, room_elsewhere: str
) -> None:
    """A public one here at once; one elsewhere with the next message, which comes back, so the room lets it go."""
    alice, bob = register(2)
    room, server = room_elsewhere, room_elsewhere.partition("@")[2]
    async with login(service, alice) as owner, login(service, bob) as client:
        await owner.online()
        await client.online()
        client.send_raw(f"<presence to='{room}/bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>")

        def says(body: str) -> str:
            to = client.boundjid.full
            return answers(
                service, server, f"<message type='groupchat' from='{room}/x' to='{to}'><body>{body}</body></message>"
            )

        async with made_room(owner, **PUBLIC) as public, made_room(owner, **PRIVATE) as private:
            await affiliate(owner, private, bob.jid, "member")
            for entered in public, private:
                await enter(client, entered, "bob")
            assert says("before") == ""
            await client.hear("before")
            with limited(service, bob):
                await client.presences.get(
                    lambda one: one.get("type") == "unavailable" and one.get("from") == f"{public}/bob"
                )
                (error,) = [ET.fromstring(line) for line in says("after").splitlines()]
                assert (error.get("type"), error.get("to")) == ("error", f"{room}/x")
                assert error.get("from") == client.boundjid.full
                assert refusal(await enter(client, public, "bob")) == "not-allowed"
                owner.say(private, "one of us", "groupchat")
                await client.hear("one of us")
            assert client.messages.all(lambda message: "after" in "".join(message.itertext())) == []
