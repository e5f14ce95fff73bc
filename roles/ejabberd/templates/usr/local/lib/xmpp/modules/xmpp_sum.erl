%% SPDX-License-Identifier: GPL-3.0-or-later
%% Estimate how much somebody has of something, without counting it each time. What is added is added to an estimate in memory. It is counted
%% anew when the estimate passes the limit, and when there is none yet (after a start).
-module(xmpp_sum).
-export([new/1, fits/6, delete/2]).

-define(AGAIN, 2).  %% seconds until it is counted again for the same one who asks: nobody makes the database count without end, nor keeps others out

new(Table) -> xmpp_token_bucket:new(Table).

%% Count() is {ok, Number}, or anything else where it cannot be known; then nobody is refused.
fits(Table, Key, Who, Weight, Limit, Count) ->
    case ets:lookup(Table, Key) of
        [{_, Sum, _}] when Sum + Weight =< Limit ->
            ets:update_counter(Table, Key, {2, Weight}, {Key, 0, now_ms()}),
            true;
        Known ->
            case Known =/= [] andalso xmpp_token_bucket:remembers(Table, {counted, Key, Who}) of
                true -> false;
                false ->
                    xmpp_token_bucket:remember(Table, {counted, Key, Who}, ?AGAIN),
                    count(Table, Key, Weight, Limit, Count())
            end
    end.

count(Table, Key, Weight, Limit, {ok, Sum}) ->
    Fits = Sum + Weight =< Limit,
    ets:insert(Table, {Key, Sum + case Fits of true -> Weight; false -> 0 end, now_ms()}),
    Fits;
count(_Table, _Key, _Weight, _Limit, _Unknown) ->
    true.

delete(Table, Key) ->
    ets:delete(Table, Key).

now_ms() -> erlang:monotonic_time(millisecond).
