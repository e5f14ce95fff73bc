# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that wait for somebody (offline messages) reach whoever comes online while they are stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from ..kit.clients import fresh_text, login
from ..kit.erlang import run_in_erlang
from ..kit.service import Register, Service

# Whoever stores a message waits, when it is settled that its receiver is not online.
_HOLD = """run([Host]) ->
    Self = self(),
    spawn(fun() ->
        Wait = fun(Acc) -> storing ! {self(), waits}, receive go -> Acc end end,
        register(storing, self()),
        ejabberd_hooks:add(offline_message_hook, list_to_binary(Host), Wait, 47),
        Self ! added,
        receive
            {Who, waits} ->
                receive {Asker, storing} -> Asker ! yes; go -> self() ! go end,
                receive go -> Who ! go end;
            go ->
                nobody
        end,
        ejabberd_hooks:delete(offline_message_hook, list_to_binary(Host), Wait, 47)
    end),
    receive added -> ok end.
"""
_UNTIL_HELD = "run([]) -> storing ! {self(), storing}, receive yes -> ok end."
_RELEASE = "run([]) -> storing ! go."


@contextlib.contextmanager
def held(service: Service) -> Iterator[None]:
    run_in_erlang(service, _HOLD, service.domain)
    try:
        yield
    finally:
        run_in_erlang(service, _RELEASE)


async def test_message_that_is_stored_while_its_receiver_comes_online_arrives(
    service: Service, register: Register
) -> None:
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice) as one, login(service, bob) as other:
        await one.online()
        with held(service):
            one.say(bob.jid, text)
            await asyncio.to_thread(run_in_erlang, service, _UNTIL_HELD)
            await other.online()
        await other.hear(text)
    assert service.api(("get_offline_count", {"user": bob.name, "host": service.domain})) == [0]
