%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limits that are kept in memory and gone with it. A key has a bucket of tokens that gains one each so many seconds; all that is
%% kept of it is the time when it will be full again, and that no longer than it lasts. Keys are kept as checksums, under a secret that
%% each start makes anew. What a flood of keys has no place for is refused: nobody else's limit is forgotten for it.
-module(xmpp_rate).
-export([new/1, used_up/4, use/3, remember/3, remembers/2]).
-export([keep/1]).

-define(KEYS, 100000).
-define(CLEAN, 10000).  %% milliseconds

%% A table that outlives whoever asks for it. Asked for again (a second domain, a reload), it is the same one.
new(Table) ->
    case ets:whereis(Table) of
        undefined -> ok = proc_lib:start(?MODULE, keep, [Table], 5000);
        _ -> ok
    end.

keep(Table) ->
    ets:new(Table, [named_table, public]),
    ets:insert(Table, {secret, crypto:strong_rand_bytes(32)}),
    proc_lib:init_ack(ok),
    clean(Table).

clean(Table) ->
    receive after ?CLEAN -> ok end,
    ets:select_delete(Table, [{{'_', '$1'}, [{'=<', '$1', now_ms()}], [true]}]),  %% no number is more than the secret
    clean(Table).

%% Is no token left in the bucket of this size, or no place for another bucket?
used_up(Table, Key, Size, Seconds) ->
    case full_at(Table, Key) of
        none -> is_full(Table);
        Time -> Time - now_ms() > (Size - 1) * Seconds * 1000
    end.

use(Table, Key, Seconds) ->
    Now = now_ms(),
    From = case full_at(Table, Key) of
               Time when is_integer(Time), Time > Now -> Time;
               _ -> Now
           end,
    ets:insert(Table, {checksum(Table, Key), From + Seconds * 1000}).

%% For so many seconds, if there is a place for it.
remember(Table, Key, Seconds) ->
    (full_at(Table, Key) =/= none orelse not is_full(Table))
        andalso ets:insert(Table, {checksum(Table, Key), now_ms() + Seconds * 1000}).

remembers(Table, Key) ->
    case full_at(Table, Key) of
        none -> false;
        Time -> Time > now_ms()
    end.

full_at(Table, Key) ->
    case ets:lookup(Table, checksum(Table, Key)) of
        [{_, Time}] -> Time;
        [] -> none
    end.

is_full(Table) ->
    ets:info(Table, size) >= ?KEYS.

checksum(Table, Key) ->
    crypto:mac(hmac, sha256, ets:lookup_element(Table, secret, 2), term_to_binary(Key)).

now_ms() ->
    erlang:monotonic_time(millisecond).
