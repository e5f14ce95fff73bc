# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of messages that wait for the database are written by one statement, and each of them as if it were alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..kit.erlang import HOLD, refusing, run_in_erlang
from ..kit.service import Account, Register, Service, sql

ROWS = 50
WORKER = "whereis(ejabberd_sql_xmpp_0)"
# Stores so many messages at once while the database's process stands still; then it goes on, or is killed. Prints how
# many were in a statement and how many waited, and whether each was taken. One has a character that ends a statement.
STORE = """run([Host, Name, Count, Bad, Then]) ->
    Server = list_to_binary(Host),
    Peer = jid:decode(<<"peer@", Server/binary>>),
    Keys = [rpc:async_call(node(), mod_mam_sql, store, row(Number, Server, list_to_binary(Name), Peer, Bad))
            || Number <- lists:seq(1, list_to_integer(Count))],
    Sizes = sizes(list_to_integer(Count)),
    case Then of
        "go" -> held ! go;
        "kill" -> exit(whereis(ejabberd_sql_xmpp_0), kill)
    end,
    io:format("~p ~p", tuple_to_list(Sizes)),
    [io:format(" ~s", [case rpc:yield(Key) of ok -> taken; {error, _} -> refused end]) || Key <- Keys],
    [held ! go || Then =:= "kill"].

row(Number, Server, Name, Peer, Bad) ->
    Nick = case integer_to_list(Number) of
               Bad -> <<"a", 0>>;
               _ -> <<"it's me">>
           end,
    Body = {xmlel, <<"body">>, [], [{xmlcdata, <<"text'); ", (integer_to_binary(Number))/binary>>}]},
    [{xmlel, <<"message">>, [], [Body]}, Server, {Name, Server}, chat, Peer, Nick, recv, Number, <<>>, false].

sizes(Count) ->
    {_, Tables} = sys:get_state(xmpp_rows),
    Found = [{length(Rows), queue:len(Waiting)} || {Waiting, {_, _, Rows}} <- maps:values(Tables)],
    case Found of
        [{Under, Waiting}] when Under + Waiting =:= Count -> {Under, Waiting};
        _ -> timer:sleep(20), sizes(Count)
    end.
"""


@pytest.fixture
def alice(register: Register) -> Account:
    return register(1)[0]


def stored(service: Service, account: Account) -> list[list[object]]:
    return sql(service, f"SELECT txt, nick FROM archive WHERE username = '{account.name}' ORDER BY timestamp")


def store(service: Service, account: Account, bad: int = 0, then: str = "go") -> list[str]:
    """Whether the database took each, which all waited for the same statement."""
    run_in_erlang(service, HOLD, account.jid, WORKER)
    under_way, waiting, *taken = run_in_erlang(
        service, STORE, service.domain, account.name, str(ROWS), str(bad), then
    ).split()
    assert int(under_way) <= 2
    assert int(under_way) + int(waiting) == ROWS
    return taken


def row(number: int) -> list[object]:
    return [f"text'); {number}", "it's me"]


def test_all_are_there(service: Service, alice: Account) -> None:
    assert store(service, alice) == ["taken"] * ROWS
    assert stored(service, alice) == [row(number) for number in range(1, ROWS + 1)]


@pytest.mark.parametrize("bad", [1, 7, ROWS])
def test_row_that_is_refused_is_no_fault_of_the_others(service: Service, alice: Account, bad: int) -> None:
    taken = store(service, alice, bad)
    assert taken == ["refused" if number == bad else "taken" for number in range(1, ROWS + 1)]
    assert stored(service, alice) == [row(number) for number in range(1, ROWS + 1) if number != bad]


@pytest.fixture
def refuses(service: Service) -> Iterator[None]:
    with refusing(service, "PRAGMA query_only = ON", "PRAGMA query_only = OFF"):
        yield


@pytest.mark.usefixtures("refuses")
def test_database_that_refuses_is_told_to_all(service: Service, alice: Account) -> None:
    assert store(service, alice) == ["refused"] * ROWS
    assert stored(service, alice) == []


def test_connection_that_ends_is_told_to_those_who_wait(service: Service, alice: Account) -> None:
    """It is started anew, and takes what comes then."""
    taken = store(service, alice, then="kill")
    assert taken.count("taken") == len(stored(service, alice))
    assert taken[0] == "refused"
    assert store(service, alice) == ["taken"] * ROWS


def test_options_of_the_connection_are_set(service: Service) -> None:
    """No flush for each row, and no stop every thousand pages: ejabberd has no option for either."""
    script = """run([Host]) ->
        [{selected, _, [[<<"1">>]]}, {selected, _, [[<<"20000">>]]}] =
            [ejabberd_sql:sql_query(list_to_binary(Host), Statement)
             || Statement <- [<<"PRAGMA synchronous">>, <<"PRAGMA wal_autocheckpoint">>]].
    """
    service.host.check_output("systemctl restart ejabberd")
    service.wait_until_ready()
    run_in_erlang(service, script, service.domain)
