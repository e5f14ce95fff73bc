%% SPDX-License-Identifier: GPL-3.0-or-later
%% Rate limits (token buckets) in memory. A key has a bucket that gains one token each so many seconds; only the time when it will be full again is
%% stored, and only until then. Keys are stored as checksums with a secret that is new at each start. When the table is full, new keys
%% are refused: nobody else's limit is dropped for them.
%% A table can survive a restart of ejabberd: with a folder, which must be in the memory of the host, it is written there with its secret after each
%% change, and read at the start. If that fails, it begins empty, and the journal says so.
-module(xmpp_token_bucket).
-export([new/1, new/2, save/1, forget/1, used_up/4, wait/4, use/3, remember/3, remembers/2, site/1]).
-export([keep/2]).

-define(KEYS, 100000).
-define(CLEAN, 2000).  %% milliseconds
-define(ESTIMATE, 600_000).  %% ms that a sum holds (xmpp_sum)

new(Table) ->
    new(Table, none).

%% The table outlives its caller. Called again (for a second domain, after a reload), it keeps the existing one.
new(Table, Folder) ->
    case ets:whereis(Table) of
        undefined -> ok = proc_lib:start(?MODULE, keep, [Table, Folder], 5000);
        _ -> ok
    end.

keep(Table, Folder) ->
    ets:new(Table, [named_table, public]),
    ets:insert(Table, {secret, crypto:strong_rand_bytes(32)}),
    Folder =:= none orelse load(Table, filename:join(Folder, Table)),
    proc_lib:init_ack(ok),
    clean(Table, 0).

clean(Table, Saved) ->
    receive after ?CLEAN -> ok end,
    ets:select_delete(Table, [{{'_', '$1'}, [{'=<', '$1', now_ms()}], [true]},  %% no number is more than the secret, or a path
                              {{'_', '_', '$1'}, [{'=<', '$1', now_ms() - ?ESTIMATE}], [true]}]),
    clean(Table, case ets:member(Table, file) andalso erlang:phash2(ets:tab2list(Table)) of
                     Saved -> Saved;
                     New ->
                         save(Table),
                         New
                 end).

%% All keys.
forget(Table) ->
    ets:whereis(Table) =:= undefined orelse begin
        ets:select_delete(Table, [{{'_', '$1'}, [{is_integer, '$1'}], [true]}]),
        save(Table)
    end.

%% Times are kept as what is left of them at a moment since the host started: Erlang counts from its own start, and the clock can jump.
load(Table, File) ->
    ets:insert(Table, {file, File}),
    try
        {ok, Written} = file:read_file(File),
        {At, Secret, Left} = binary_to_term(Written, [safe]),
        Now = now_ms(),
        Gone = max(0, since_boot() - At),
        ets:insert(Table, [{secret, Secret} | [{Checksum, Now + Time - Gone} || {Checksum, Time} <- Left, Time > Gone]])
    catch
        error:{badmatch, {error, enoent}} -> ok;
        _:_ -> logger:critical("~s: ~s cannot be read", [Table, File])
    end,
    save(Table) =:= ok orelse logger:critical("~s is not kept over a restart: ~s cannot be written", [Table, File]).

save(Table) ->
    case ets:lookup(Table, file) of
        [{file, File}] ->
            Now = now_ms(),
            Left = [{Checksum, Time - Now} || {Checksum, Time} <- ets:tab2list(Table), is_integer(Time)],
            New = File ++ "." ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive])),
            case file:write_file(New, term_to_binary({since_boot(), ets:lookup_element(Table, secret, 2), Left})) of
                ok -> file:rename(New, File);
                Error -> Error
            end;
        [] -> ok
    end.

since_boot() ->
    Source = erlang:system_info(os_monotonic_time_source),
    erlang:convert_time_unit(proplists:get_value(time, Source), native, millisecond).

%% True if no token is left in the bucket of this size, or no place for another bucket.
used_up(Table, Key, Size, Seconds) ->
    case full_at(Table, Key) of
        none -> is_full(Table);
        Time -> owed(Time, Size, Seconds) > 0
    end.

%% Seconds until there is a token, 0 if there is one.
wait(Table, Key, Size, Seconds) ->
    case full_at(Table, Key) of
        none -> 0;
        Time -> max(0, ceil(owed(Time, Size, Seconds) / 1000))
    end.

owed(Time, Size, Seconds) ->
    Time - now_ms() - (Size - 1) * Seconds * 1000.

use(Table, Key, Seconds) ->
    Now = now_ms(),
    From = case full_at(Table, Key) of
               Time when is_integer(Time), Time > Now -> Time;
               _ -> Now
           end,
    ets:insert(Table, {checksum(Table, Key), From + round(Seconds * 1000)}).

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

%% Whoever has a domain has any number of names below it: the last two parts of a server's name count.
site(Server) ->
    lists:sublist(lists:reverse(binary:split(Server, <<".">>, [global])), 2).

is_full(Table) ->
    ets:info(Table, size) >= ?KEYS.

checksum(Table, Key) ->
    crypto:mac(hmac, sha256, ets:lookup_element(Table, secret, 2), term_to_binary(Key)).

now_ms() ->
    erlang:monotonic_time(millisecond).
