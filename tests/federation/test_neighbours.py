# SPDX-License-Identifier: GPL-3.0-or-later
"""People of different servers do together what people of one server do: write, meet in rooms, send files, call. And two
domains of one server are in nobody's way."""

from __future__ import annotations

import itertools
import secrets

import pytest

from ..kit.clients import fresh_text, login
from ..kit.erlang import run_in_erlang
from ..kit.rooms import PUBLIC, enter, made_room
from ..kit.service import Service
from ..kit.turn import Transport, credentials_of, relay, talk
from ..kit.uploads import ask_slot
from .between import Register, assert_talk

PAIRS = list(itertools.permutations(["alpha", "beta", "gamma"], 2))
APART = [("alpha", "beta"), ("beta", "alpha"), ("alpha", "gamma"), ("gamma", "alpha")]

# One domain's transaction has the database's lock for a second, while somebody registers at the other one.
TRANSACTION = """run([Domain]) ->
    Host = list_to_binary(Domain),
    Asker = self(),
    spawn_link(fun() ->
        Asker ! {done, ejabberd_sql:sql_transaction(Host, fun() ->
            {updated, 0} = ejabberd_sql:sql_query_t([<<"DELETE FROM motd WHERE username = ''">>]),
            Asker ! begun,
            timer:sleep(1000),
            ended
        end)}
    end),
    receive begun -> ok end,
    [Other] = ejabberd_option:hosts() -- [Host],
    io:format("~0tp", [ejabberd_auth:try_register(<<"meanwhile">>, Other, <<"of-no-account-9f3k">>)]),
    ejabberd_auth:remove_user(<<"meanwhile">>, Other),
    receive {done, Result} -> {atomic, ended} = Result end.
"""

CONNECTIONS = """run([]) ->
    [io:format("~s ", [Name]) || Name <- registered(), lists:prefix("ejabberd_sqlite_", atom_to_list(Name))].
"""


@pytest.fixture
def near(request: pytest.FixtureRequest) -> Service:
    """The service of the one who begins."""
    service: Service = request.getfixturevalue(request.param)
    return service


@pytest.fixture
def far(request: pytest.FixtureRequest) -> Service:
    """The service of the other."""
    service: Service = request.getfixturevalue(request.param)
    return service


@pytest.mark.parametrize(("near", "far"), PAIRS, indirect=True)
async def test_messages_go_both_ways(near: Service, far: Service, register: Register) -> None:
    alice, bob = register(near), register(far)
    async with login(near, alice) as one, login(far, bob) as other:
        await one.online()
        await other.online()
        await assert_talk(one, other)


@pytest.mark.parametrize(("near", "far"), APART, indirect=True)
async def test_room_is_open_to_the_neighbours(near: Service, far: Service, register: Register) -> None:
    alice, bob = register(near), register(far)
    async with login(near, alice) as owner, login(far, bob) as guest, made_room(owner, **PUBLIC) as room:
        presence = await enter(guest, room, "guest")
        assert presence.get("type") is None
        for sender, receiver in ((owner, guest), (guest, owner)):
            text = fresh_text()
            sender.say(room, text, kind="groupchat")
            heard = await receiver.hear(text)
            assert heard.get("type") == "groupchat"


@pytest.mark.parametrize(("near", "far"), APART, indirect=True)
async def test_file_reaches_the_neighbour(near: Service, far: Service, register: Register) -> None:
    """It stays on the sender's server; the other learns its address from a message, and fetches it there."""
    alice, bob = register(near), register(far)
    data = secrets.token_bytes(100_000)
    async with login(near, alice) as sender, login(far, bob) as receiver:
        await receiver.online()
        slot = await ask_slot(sender, "picture.jpg", len(data))
        assert (await near.fetch("PUT", slot.put, data=data)).status == 201
        sender.say(bob.jid, slot.get)
        await receiver.hear(slot.get)
        assert (await near.fetch("GET", slot.get)).body == data


@pytest.mark.parametrize("second", ["udp", "tls"])
@pytest.mark.parametrize("first", ["udp", "tls"])
async def test_call_from_relay_to_relay(
    alpha: Service, beta: Service, register: Register, first: Transport, second: Transport
) -> None:
    """Each reaches only its own server; audio and video go from one relay to the other."""
    alice, bob = register(alpha), register(beta)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        keys = await credentials_of(one), await credentials_of(other)
    async with relay(alpha, keys[0], first) as caller, relay(beta, keys[1], second) as called:
        assert (caller.address[0], called.address[0]) == ("192.31.196.1", "192.175.48.1")
        await talk(caller, called)


@pytest.mark.parametrize("near", ["beta", "gamma"], indirect=True)
def test_domain_waits_while_the_other_writes(near: Service) -> None:
    """SQLite lets one connection write at a time, and the other's registration failed at once."""
    assert run_in_erlang(near, TRANSACTION, near.domain) == "ok"


def test_domains_write_by_one_connection(beta: Service) -> None:
    assert run_in_erlang(beta, CONNECTIONS).split() == ["ejabberd_sqlite_xmpp"]
