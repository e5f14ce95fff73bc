# SPDX-License-Identifier: GPL-3.0-or-later
"""An acknowledgement (XEP-0198) comes when a message is stored, not when it is on its way."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Literal

import pytest

from .clients import login
from .newcomer import run_in_erlang
from .service import Account, Service
from .stream import CLIENT, Stream, connected

Register = Callable[[int], list[Account]]
Keeper = Literal["session", "room", "disk"]

SM = "urn:xmpp:sm:3"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
# Whoever is to store it: the session of the recipient, the room, or what flushes to the disk.
KEEPERS: dict[Keeper, str] = {
    "session": "element(2, hd(ejabberd_sm:get_session_sids(Name, Host)))",
    "room": "element(2, mod_muc:find_online_room(Name, Host))",
    "disk": "whereis(gen_mod:get_module_proc(Host, mod_xmpp_ack))",
}
# It stands still as long as another process of ejabberd wants it to.
HOLD = """run([Address, Keeper]) ->
    [Name, Host] = binary:split(list_to_binary(Address), <<"@">>),
    {ok, Tokens, _} = erl_scan:string(
        "register(held, self()), erlang:suspend_process(" ++ Keeper ++ "), Asker ! held, receive go -> ok end."),
    {ok, Code} = erl_parse:parse_exprs(Tokens),
    spawn(ejabberd@localhost, erl_eval, exprs, [Code, [{'Name', Name}, {'Host', Host}, {'Asker', self()}]]),
    receive held -> ok end.
"""
RELEASE = "run([]) -> go = rpc:call(ejabberd@localhost, erlang, send, [held, go])."


@contextlib.contextmanager
def held(service: Service, keeper: Keeper, address: str) -> Iterator[None]:
    run_in_erlang(service, HOLD, address, KEEPERS[keeper])
    try:
        yield
    finally:
        run_in_erlang(service, RELEASE)


def until(stream: Stream, tag: str) -> dict[str, str]:
    """The attributes of the next element of this name."""
    while (element := stream.read()).tag != tag:
        pass
    return element.attrib


@contextlib.contextmanager
def logged_in(service: Service, account: Account) -> Iterator[Stream]:
    with connected(service) as stream:
        stream.starttls()
        stream.scram("SCRAM-SHA-512-PLUS", account)
        yield stream


@contextlib.contextmanager
def session(service: Service, account: Account) -> Iterator[Stream]:
    """Logged in and online, with stream management."""
    with logged_in(service, account) as stream:
        stream.bind()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        until(stream, f"{{{SM}}}enabled")
        stream.send("<presence/>")
        until(stream, f"{CLIENT}presence")
        yield stream


def acknowledged(stream: Stream) -> int:
    stream.send(f"<r xmlns='{SM}'/>")
    return int(until(stream, f"{{{SM}}}a")["h"])


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_acknowledgement_waits_for_who_stores(service: Service, register: Register, keeper: Keeper) -> None:
    """A request is answered in the meantime with the count of what is safe, and the rest of the server goes on."""
    alice, bob = register(2)
    text = f"text {secrets.token_hex(12)}"
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    to, kind = (room, "groupchat") if keeper == "room" else (bob.jid, "chat")
    with session(service, alice) as stream, session(service, bob):
        stream.send(f"<presence to='{room}/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        until(stream, f"{CLIENT}presence")
        stream.query("set", f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>", room)
        before = acknowledged(stream)
        with held(service, keeper, f"@{service.domain}" if keeper == "disk" else to):
            stream.send(f"<message to='{to}' type='{kind}'><body>{text}</body></message>")
            assert acknowledged(stream) == before, "acknowledged before it was stored"
        assert acknowledged(stream) == before + 1
    async with login(service, alice if keeper == "room" else bob) as client:
        assert text in await client.archive(room if keeper == "room" else None)


def test_request_is_answered_in_order_and_each(service: Service, register: Register) -> None:
    """Many at once: as many answers, and none goes back behind the one before."""
    alice, bob = register(2)
    with session(service, alice) as stream, session(service, bob):
        for _ in range(50):
            stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message><r xmlns='{SM}'/>")
        counts = [int(until(stream, f"{{{SM}}}a")["h"]) for _ in range(50)]
    assert counts == sorted(counts)
    assert counts[-1] - counts[0] <= 49
    assert counts[-1] == 51  # and one presence


@pytest.mark.parametrize("waiting", [False, True], ids=["at once", "with an answer on its way"])
def test_who_comes_back_is_told_the_count(service: Service, register: Register, waiting: bool) -> None:
    alice, bob = register(2)
    with session(service, bob):
        with logged_in(service, alice) as stream:
            stream.bind()
            stream.send(f"<enable xmlns='{SM}' resume='true'/>")
            name = until(stream, f"{{{SM}}}enabled")["id"]
            stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message>")
            if waiting:
                stream.send(f"<r xmlns='{SM}'/>")
        with logged_in(service, alice) as stream:
            stream.send(f"<resume xmlns='{SM}' h='0' previd='{name}'/>")
            assert until(stream, f"{{{SM}}}resumed")["h"] == "1"
            assert acknowledged(stream) == 1


def test_who_comes_back_sends_again_what_is_not_safe(service: Service, register: Register) -> None:
    alice, bob = register(2)
    message = f"<message to='{bob.jid}' type='chat'><body>text</body></message>"
    with session(service, bob), logged_in(service, alice) as stream, logged_in(service, alice) as back:
        stream.bind()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        name = until(stream, f"{{{SM}}}enabled")["id"]
        stream.send(message)
        assert acknowledged(stream) == 1
        with held(service, "session", bob.jid):
            stream.send(message)
            back.send(f"<resume xmlns='{SM}' h='0' previd='{name}'/>")
            assert until(back, f"{{{SM}}}resumed")["h"] == "1"
            back.send(message)
            assert acknowledged(back) == 1
        assert acknowledged(back) == 2
