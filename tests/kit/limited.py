# SPDX-License-Identifier: GPL-3.0-or-later
"""Limited accounts (xmpp_limited), and what goes to servers elsewhere, none of which need be there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from .circles import create
from .erlang import run_in_erlang
from .service import Account, Service

# What goes to this server elsewhere, without the number of the stanza, on its last way.
_ANSWERS = """run([Server | Stanzas]) ->
    Self = self(),
    Catch = fun(Packet) when element(1, Packet) =:= drop -> Packet;
               (Packet) ->
        case jid:tolower(xmpp:get_to(Packet)) of
            {_, Host, _} -> [Self ! {said, Packet} || Host =:= list_to_binary(Server)];
            _ -> ok
        end,
        Packet
    end,
    ejabberd_hooks:add(filter_packet, global, Catch, 99),
    [ejabberd_router:route(xmpp:decode(fxml_stream:parse_element(list_to_binary(Stanza)), <<"jabber:client">>, []))
     || Stanza <- Stanzas],
    Read = fun Read() -> receive {said, Packet} -> [Packet | Read()] after 500 -> [] end end,
    [io:format("~s~n", [fxml:element_to_binary(xmpp:encode(Packet))]) || Packet <- Read()],
    ejabberd_hooks:delete(filter_packet, global, Catch, 99).
"""
# Nothing goes to this server, so no error comes back that it is not there.
_SILENCE = """run([Server]) ->
    Name = list_to_binary(Server),
    Silence = fun(Packet) ->
        case Packet =/= drop andalso jid:tolower(xmpp:get_to(Packet)) of
            {_, Name, _} -> drop;
            _ -> Packet
        end
    end,
    persistent_term:put(silence, Silence),
    ejabberd_hooks:add(filter_packet, global, Silence, 100).
"""
_SPEAK = """run([]) ->
    ejabberd_hooks:delete(filter_packet, global, persistent_term:get(silence), 100),
    persistent_term:erase(silence).
"""
# As a reload of the configuration does it.
_SET = """run([Host | Addresses]) ->
    Accounts = [jid:decode(list_to_binary(Address)) || Address <- Addresses],
    gen_mod:update_module(list_to_binary(Host), mod_xmpp_limited, #{accounts => Accounts}).
"""
LISTED = "tim"  # molecule/inventory/group_vars/whole.yml


@pytest.fixture
def tim(service: Service) -> Iterator[Account]:
    """The account whose name the setting lists, made just now."""
    (account,) = create(service, LISTED)
    yield account
    service.unregister([account])


@contextlib.contextmanager
def limited(service: Service, account: Account) -> Iterator[None]:
    """The setting lists this account as well."""
    listed = f"{LISTED}@{service.domain}"
    run_in_erlang(service, _SET, service.domain, listed, account.jid)
    try:
        yield
    finally:
        run_in_erlang(service, _SET, service.domain, listed)


def answers(service: Service, server: str, *stanzas: str) -> str:
    """What goes to a server elsewhere when these stanzas have come in, a line each."""
    return run_in_erlang(service, _ANSWERS, server, *stanzas)


@contextlib.contextmanager
def silent(service: Service, server: str) -> Iterator[None]:
    """A server elsewhere that takes all, and says nothing by itself."""
    run_in_erlang(service, _SILENCE, server)
    try:
        yield
    finally:
        run_in_erlang(service, _SPEAK)
