# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs inside ejabberd, as only root may let it."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from .service import Service

# As root may: a hidden node beside ejabberd's own, so that what follows can call into it.
_NODE = """#!/usr/bin/env escript
%%! -kernel inet_dist_use_interface {127,0,0,1}
main(Arguments) ->
    {ok, _} = net_kernel:start('digits@localhost', #{name_domain => shortnames, hidden => true, dist_listen => false}),
    run(Arguments).
"""
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
# Statements on ejabberd's own connection to the database, which is the only one that writes.
STATEMENT = """run([Host | Statements]) ->
    [{updated, _} = rpc:call(ejabberd@localhost, ejabberd_sql, sql_query,
                             [list_to_binary(Host), [list_to_binary(Statement)]])
     || Statement <- Statements].
"""
# What was refused is history, as after a start of ejabberd.
CLEAR_REFUSAL = "run([]) -> true = rpc:call(ejabberd@localhost, ets, delete, [xmpp_writer, last])."
# Nobody has guessed wrong.
FORGIVE = """run([]) ->
    Wrong = [{{'_', '$1'}, [{is_integer, '$1'}], [true]}],
    true = is_integer(rpc:call(ejabberd@localhost, ets, select_delete, [mod_xmpp_login_throttle, Wrong])).
"""


def run_in_erlang(service: Service, script: str, *arguments: str) -> str:
    """What the function run/1 of this script says, which may call into ejabberd.

    Each call starts an Erlang, which takes longer than what it does: one call for many things is better than many.
    """
    path = "/run/conexizan-script"
    write = f"cd / && printf %s {shlex.quote(_NODE + script)} > {path}"
    run = f"HOME=/var/lib/ejabberd runuser -u ejabberd -- escript {path} {shlex.join(arguments)}"
    said: str = service.host.check_output(f"{write} && {run}; status=$?; rm {path}; exit $status")
    return said


@contextlib.contextmanager
def refusing(service: Service, refuse: str, allow: str) -> Iterator[None]:
    """ejabberd's connection refuses what the first statement says, until the second one is executed."""
    run_in_erlang(service, STATEMENT, service.domain, refuse)
    try:
        yield
    finally:
        run_in_erlang(service, STATEMENT, service.domain, allow)
        run_in_erlang(service, CLEAR_REFUSAL)
