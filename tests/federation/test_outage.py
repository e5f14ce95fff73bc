# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is away for a while costs nobody a message: each arrives, or comes back to its sender as unsent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from ..kit.clients import Client, fresh_text, login
from ..kit.erlang import run_in_erlang
from ..kit.service import Account, Service
from .between import CLIENT, Register, assert_reaches, assert_talk, bounced, condition, part, refusal

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("apart")]

SECONDS_TO_RECOVER = 30
# Ends connections to other servers as if nobody had used them for long, when somebody has found them already for this
# stanza; ejabberd does not notice the end.
_END = """run([Stanza]) ->
    ok = sys:suspend(ejabberd_s2s),
    Packet = xmpp:decode(fxml_stream:parse_element(list_to_binary(Stanza)), <<"jabber:client">>, [ignore_els]),
    [_ | _] = Ends = [{Process, erlang:monitor(process, Process)} || {s2s, _, Process} <- ets:tab2list(s2s)],
    [begin Process ! timeout, ejabberd_s2s_out:route(Process, Packet) end || {Process, _} <- Ends],
    [receive {'DOWN', End, process, _, _} -> ok end || {_, End} <- Ends].
"""
_NOTICE = "run([]) -> ok = sys:resume(ejabberd_s2s)."


@contextlib.contextmanager
def stopped(service: Service) -> Iterator[None]:
    """ejabberd is not running."""
    try:
        service.host.check_output("systemctl stop ejabberd")
        yield
    finally:
        service.host.check_output("systemctl start ejabberd")
        service.wait_until_ready()


@contextlib.contextmanager
def killed(service: Service) -> Iterator[None]:
    """ejabberd ended in the middle of a word, and stays away. (What is on its way to it at that moment is gone.)"""
    try:
        service.host.check_output("systemctl mask --runtime ejabberd && systemctl kill --signal=KILL ejabberd")
        service.host.check_output("timeout 10 sh -c 'while pgrep -x beam.smp; do sleep 0.1; done'")
        yield
    finally:
        service.host.check_output("systemctl unmask --runtime ejabberd && systemctl start ejabberd")
        service.wait_until_ready()


@contextlib.contextmanager
def unplugged(service: Service) -> Iterator[None]:
    """Nothing gets through between servers; nobody is told."""
    rules = "table inet unplugged { chain input { type filter hook input priority -200; tcp dport { 5269, 5270 } drop; "
    rules += "tcp sport { 5269, 5270 } drop; }; }"
    service.host.check_output(f"nft '{rules}'")
    try:
        yield
    finally:
        service.host.check_output("nft delete table inet unplugged")


@pytest.mark.parametrize(("how", "seconds"), [(stopped, 60), (killed, 8), (unplugged, 8)])
async def test_no_message_is_lost(
    alpha: Service,
    beta: Service,
    register: Register,
    how: Callable[[Service], contextlib.AbstractContextManager[None]],
    seconds: int,
) -> None:
    alice, bob = register(alpha), register(beta)
    sent: list[str] = []

    def say(sender: Client) -> None:
        sent.append(fresh_text())
        sender.say(bob.jid, sent[-1])

    async with login(alpha, alice) as one:
        await one.online()
        async with login(beta, bob) as other:
            await other.online()
            await assert_talk(one, other)
        with how(beta):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                say(one)
                await asyncio.sleep(1)  # what people write in the meantime
        await reached(one, beta, bob, sent)


async def reached(sender: Client, service: Service, receiver: Account, sent: list[str]) -> None:
    """Goes on writing until the other is reached again; then each message must be here or there, not in both."""
    deadline = time.monotonic() + SECONDS_TO_RECOVER
    async with login(service, receiver) as other:
        await other.online()

        def arrived() -> set[str]:
            return {stanza.findtext(f"{CLIENT}body", "") for stanza in other.messages.all(lambda _: True)}

        def returned() -> set[str]:
            errors = sender.messages.all(lambda stanza: stanza.get("type") == "error")
            return {stanza.findtext(f"{CLIENT}body", "") for stanza in errors}

        last = ""
        while last not in arrived():
            assert time.monotonic() < deadline, f"not reached again within {SECONDS_TO_RECOVER} seconds"
            last = fresh_text()
            sent.append(last)
            sender.say(receiver.jid, last)
            await asyncio.sleep(1)  # before the next message, as people do
        assert set(sent) == arrived() | returned()
        assert not arrived() & returned()


@contextlib.contextmanager
def without(family: str, *services: Service) -> Iterator[None]:
    """Servers do not reach each other by this Internet protocol."""
    rules = "chain input { type filter hook input priority -200; "
    rules += f"meta nfproto {family} tcp dport {{ 5269, 5270 }} reject with tcp reset; }};"
    try:
        for service in services:
            service.host.check_output(f"nft 'table inet without {{ {rules} }}'")
        part(*services)
        yield
    finally:
        for service in services:
            service.host.check_output("nft destroy table inet without")
        part(*services)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_one_internet_protocol_is_enough(alpha: Service, beta: Service, register: Register, family: str) -> None:
    alice, bob = register(alpha), register(beta)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        await one.online()
        await other.online()
        with without(family, alpha, beta):
            await assert_talk(one, other)


async def test_new_connections_lose_nothing(alpha: Service, beta: Service, register: Register) -> None:
    """Each message needs a connection of its own. (TLS failed for one in ten: docs/decisions/federation.md.)"""
    alice, bob = register(alpha), register(beta)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        for client in (one, other):
            await client.online()
        for _ in range(20):
            await asyncio.to_thread(alpha.api, ("stop_s2s_connections", {}))
            await assert_reaches(one, other)


def stanza_of(sender: Client, to: str, text: str) -> str:
    start = f"<message xmlns='jabber:client' from='{sender.boundjid}' to='{to}' type='chat'>"
    return f"{start}<body>{text}</body></message>"


@contextlib.contextmanager
def ended_unnoticed(service: Service, message: str) -> Iterator[None]:
    """All connections to other servers have ended, this stanza in their hands; ejabberd does not know it yet."""
    try:
        run_in_erlang(service, _END, message)
        yield
    finally:
        run_in_erlang(service, _NOTICE)


@pytest.mark.parametrize("who_opens", ["one", "other"])
async def test_end_of_a_connection_loses_nothing(
    alpha: Service, beta: Service, register: Register, who_opens: str
) -> None:
    """Neither what is routed to a connection that ends, nor what is sent before ejabberd has noticed the end."""
    alice, bob = register(alpha), register(beta)
    async with login(alpha, alice) as one, login(beta, bob) as other:
        for client in (one, other):
            await client.online()
        part(alpha, beta)
        both = {"one": (one, other), "other": (other, one)}[who_opens]
        await assert_reaches(*both)
        await assert_reaches(*reversed(both))  # by the same connection (XEP-0288)
        late, sent = fresh_text(), fresh_text()
        with ended_unnoticed(alpha, stanza_of(one, bob.jid, late)):
            one.say(bob.jid, sent)
            returned = await bounced(one, late)
        assert condition(returned) == "remote-server-timeout"
        await other.hear(sent)


async def test_end_of_a_failed_connection_loses_nothing(alpha: Service, register: Register) -> None:
    """Messages are returned for a while when a server is not reached; also those at the end of that while."""
    nobody = "nobody@nowhere.test"
    async with login(alpha, register(alpha)) as one:
        await one.online()
        part(alpha)
        expected = await refusal(one, nobody)
        late, sent = fresh_text(), fresh_text()
        with ended_unnoticed(alpha, stanza_of(one, nobody, late)):
            one.say(nobody, sent)
            assert condition(await bounced(one, late)) == expected
        assert condition(await bounced(one, sent)) == expected
