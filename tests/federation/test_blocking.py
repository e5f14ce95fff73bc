# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator decides which servers to talk to, and is obeyed at once, also by connections that are open already.

What our users send comes back with an error. What the other side's users send is not taken; whether they are told is up
to their server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..kit import rooms
from ..kit.clients import fresh_text, login
from ..kit.erlang import run_in_erlang
from ..kit.service import Service
from .between import Register, assert_talk, deploy, part, refusal

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("apart")]

# Opens a connection that says nothing, when those that have said something are gone.
_CONNECT = """run([From, To]) ->
    until(fun() -> mnesia:dirty_read(s2s, {list_to_binary(From), list_to_binary(To)}) =:= [] end),
    {ok, Process} = ejabberd_s2s:start_connection(jid:make(list_to_binary(From)), jid:make(list_to_binary(To))),
    until(fun() -> map_get(on_route, sys:get_state(Process)) =:= send end).
until(Settled) -> Settled() orelse begin timer:sleep(50), until(Settled) end.
"""

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def change(alpha: Service, beta: Service) -> Iterator[Change]:
    """Reruns site.yml on alpha with other settings; with the inventory's own after the last test.

    So each test begins with the settings of the one before, by which those who are disconnected now can talk.
    """

    def rerun(settings: dict[str, Any]) -> None:
        deploy(alpha, "--tags=firewall,ejabberd", settings=settings)

    yield rerun
    rerun({})
    part(alpha, beta)


@pytest.mark.parametrize(
    ("settings", "blocked"),
    [
        ({"xmpp_federation_block": ["beta.test"]}, "beta"),
        ({"xmpp_federation": "allowlist", "xmpp_federation_allow": ["beta.test"]}, "gamma"),
    ],
    ids=["blocklist", "allowlist"],
)
async def test_blocked_server_is_disconnected_and_others_are_not(
    alpha: Service,
    beta: Service,
    gamma: Service,
    register: Register,
    change: Change,
    settings: dict[str, Any],
    blocked: str,
) -> None:
    """Messages and rooms, both ways; the other domain on the same host talks to us, still, or from then on."""
    cut, talks = (beta, gamma) if blocked == "beta" else (gamma, beta)
    alice, bob, carol = register(alpha), register(cut), register(talks)
    unwanted = fresh_text()
    async with login(alpha, alice) as one, login(cut, bob) as other, login(talks, carol) as third:
        for client in (one, other, third):
            await client.online()
        async with rooms.made_room(other, **rooms.PUBLIC) as theirs, rooms.made_room(one, **rooms.PUBLIC) as ours:
            for client, room in ((one, theirs), (other, ours)):
                assert (await rooms.enter(client, room, "guest")).get("type") is None
            await asyncio.to_thread(change, settings)
            other.say(alice.jid, unwanted)
            other.say(ours, unwanted, kind="groupchat")
            assert await refusal(one, bob.jid) == "forbidden"
            # It would take what we have for it by a connection of its own, too (XEP-0288).
            await asyncio.to_thread(run_in_erlang, cut, _CONNECT, cut.domain, alpha.domain)
            assert await refusal(one, bob.jid) == "forbidden"
            assert rooms.refusal(await rooms.enter(one, theirs, "again")) == "forbidden"
            await assert_talk(one, third)
            assert unwanted not in await one.archive()
            assert unwanted not in await one.archive(ours)


async def test_without_federation_no_door_is_open(
    alpha: Service, beta: Service, register: Register, change: Change
) -> None:
    alice, bob = register(alpha), register(beta)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        for client in (one, other):
            await client.online()
        await assert_talk(one, other)
        await asyncio.to_thread(change, {"xmpp_federation": "off", "xmpp_push_servers": []})
        assert await refusal(one, bob.jid) == "forbidden"
    for port in (5269, 5270):
        with pytest.raises(OSError, match=r"timed out|refused"):
            socket.create_connection((alpha.address, port), timeout=3)
