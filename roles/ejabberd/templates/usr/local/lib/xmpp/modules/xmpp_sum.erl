%% SPDX-License-Identifier: GPL-3.0-or-later
%% How much somebody has of something, without counting it each time. What is added is added to an estimate in memory, which is counted anew,
%% from what is really there, when it passes the limit, and when nothing is known yet (after a start).
-module(xmpp_sum).
-export([new/1, fits/5, forget/2]).

-define(AGAIN, 2000).  %% ms until it is counted again: nobody makes the database count without end

new(Table) -> xmpp_rate:new(Table).

%% Count() is {ok, Number}, or anything else where it cannot be known; then nobody is refused.
fits(Table, Key, Weight, Limit, Count) ->
    case known(Table, Key) of
        {Sum, _} when Sum + Weight =< Limit ->
            add(Table, Key, Weight),
            true;
        {_, false} -> false;
        _ ->
            case Count() of
                {ok, Sum} ->
                    Fits = Sum + Weight =< Limit,
                    ets:insert(Table, {Key, Sum + case Fits of true -> Weight; false -> 0 end, now_ms()}),
                    Fits;
                _ -> true
            end
    end.

forget(Table, Key) ->
    ets:delete(Table, Key).

known(Table, Key) ->
    case ets:lookup(Table, Key) of
        [{_, Sum, At}] -> {Sum, now_ms() - At >= ?AGAIN};
        [] -> nothing
    end.

add(Table, Key, Weight) ->
    ets:update_counter(Table, Key, {2, Weight}, {Key, 0, now_ms() - ?AGAIN}).

now_ms() -> erlang:monotonic_time(millisecond).
