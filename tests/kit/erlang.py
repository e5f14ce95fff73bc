# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs inside ejabberd, as only root may let it.

It is asked by erl_call, a small program that comes with Erlang: to start an Erlang that calls into ejabberd's takes
longer than what most of the tests ask for.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator

from .service import Service

# Interprets the functions of a script, as escript does, and calls run/1 of them.
_RUN = """
Parse = fun Parse(Text, Line) ->
    case erl_scan:tokens([], Text, Line) of
        {done, {ok, Tokens, Next}, Rest} ->
            {ok, Form} = erl_parse:parse_form(Tokens),
            [Form | Parse(Rest, Next)];
        {more, _} ->
            "" = string:trim(Text),
            []
    end
end,
Run = fun() ->
    Functions = maps:from_list([{{Name, Arity}, Clauses} || {function, _, Name, Arity, Clauses} <- Parse(Script, 1)]),
    Call = fun Call(Name, Given) ->
        Clauses = maps:get({Name, length(Given)}, Functions),
        {Body, Bindings} = erl_eval:match_clause(Clauses, Given, erl_eval:new_bindings(), {value, Call}),
        {value, Value, _} = erl_eval:exprs(Body, Bindings, {value, Call}),
        Value
    end,
    Call(run, [Arguments])
end,
try Run() of
    _ -> io:put_chars(End)
catch
    Class:Reason:Stack -> io:format("~p ~p~n~p", [Class, Reason, Stack])
end.
"""
# Follows what a script has said, if it came to its end.
_END = "\nand all went well"
# It stands still as long as another process wants it to.
HOLD = """run([Address, Keeper]) ->
    [Name, Host] = binary:split(list_to_binary(Address), <<"@">>),
    {ok, Tokens, _} = erl_scan:string(Keeper ++ "."),
    {ok, Code} = erl_parse:parse_exprs(Tokens),
    {value, Process, _} = erl_eval:exprs(Code, [{'Name', Name}, {'Host', Host}]),
    Asker = self(),
    spawn(fun() ->
        register(held, self()),
        erlang:suspend_process(Process),
        Asker ! held,
        receive go -> ok end
    end),
    receive held -> ok end.
"""
RELEASE = "run([]) -> held ! go."
# Statements on ejabberd's own connection to the database, which is the only one that writes.
STATEMENT = """run([Host | Statements]) ->
    [{updated, _} = ejabberd_sql:sql_query(list_to_binary(Host), [list_to_binary(Statement)])
     || Statement <- Statements].
"""
# What was refused is history, as after a start of ejabberd.
CLEAR_REFUSAL = "run([]) -> ets:delete(xmpp_writer, last)."
# Nobody has guessed wrong.
FORGIVE = """run([]) ->
    Wrong = [{{'_', '$1'}, [{is_integer, '$1'}], [true]}],
    ets:select_delete(mod_xmpp_login_throttle, Wrong).
"""


def run_in_erlang(service: Service, script: str, *arguments: str) -> str:
    """What the function run/1 of this script says, in a process of ejabberd."""
    assert all(text.isascii() for text in (script, *arguments))
    # Strings are written in JSON as they are in Erlang.
    given = {"Script": f"{script}\n", "Arguments": arguments, "End": _END}
    text = "".join(f"{name} = {json.dumps(value)},\n" for name, value in given.items()) + _RUN
    ask = "erl_call -R -sname ejabberd@localhost -e -fetch_stdout -no_result_term"
    said: str = service.host.check_output(
        f"cd / && printf %s {shlex.quote(text)} | HOME=/var/lib/ejabberd runuser -u ejabberd -- {ask}"
    )
    assert said.endswith(_END), said
    return said.removesuffix(_END)


@contextlib.contextmanager
def refusing(service: Service, refuse: str, allow: str) -> Iterator[None]:
    """ejabberd's connection refuses what the first statement says, until the second one is executed."""
    run_in_erlang(service, STATEMENT, service.domain, refuse)
    try:
        yield
    finally:
        run_in_erlang(service, STATEMENT, service.domain, allow)
        run_in_erlang(service, CLEAR_REFUSAL)
