# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements of an account that made the database slow wait while it is free for others, and no longer than that."""

from __future__ import annotations

import pytest

from ..kit.erlang import run_in_erlang
from ..kit.service import Service

SLOW, PAUSE = 5, 2  # seconds: of the slow statement, and of the longest pause after it
# What an account's next statement takes in milliseconds, alone, and after one that took so many seconds.
TURNS = """run([Domain, Seconds]) ->
    Host = list_to_binary(Domain),
    xmpp_fair:belongs(self(), turns, all),
    Now = fun() -> erlang:monotonic_time(millisecond) end,
    Select = fun() -> {selected, _, _} = ejabberd_sql:sql_query(Host, [<<"SELECT 1">>]) end,
    Ask = fun() -> Began = Now(), Select(), Now() - Began end,
    Alone = Ask(),
    {atomic, ok} = ejabberd_sql:sql_transaction(Host, fun() -> timer:sleep(1000 * list_to_integer(Seconds)) end),
    io:format("~b ~b", [Alone, Ask()]).
"""


@pytest.mark.parametrize("seconds", [1, SLOW])
def test_pause_is_no_longer_than_two_seconds(service: Service, seconds: int) -> None:
    """Where the whole machine stood still, or the log was emptied, it is not made worse for who had to wait."""
    alone, later = (
        int(figure) / 1000 for figure in run_in_erlang(service, TURNS, service.domain, str(seconds)).split()
    )
    assert alone < PAUSE
    assert PAUSE - 0.5 < later < PAUSE + SLOW / 2
