%% SPDX-License-Identifier: GPL-3.0-or-later
%% Hide whether an account exists. A login to an unknown name is answered like one with a wrong password: with a salt (RFC 5802) that is always
%% the same for the name, and keys that no password has, derived from a secret of the host. The answer looks like that of an account of this server:
%% the kinds of keys, iterations and lengths of salts are those of its accounts, as often as they have them. PLAIN takes as long as well.
%% ejabberd asks this module first for the keys of an account (auth_method), so that the same work is done for each name. It answers in a login, and to
%% who registers a name that a circle or an invitation keeps for somebody: for everything else in ejabberd, the name does not exist. It is a part of the configuration:
%% without it, ejabberd does not start.
-module(ejabberd_auth_nobody).
-behaviour(ejabberd_auth).
-export([start/1, stop/1, reload/1, store_type/1, plain_password_required/1, use_cache/1]).
-export([get_password/2, which_users_exists/2, set_password_multiple/3]).

-define(ROUNDS, 4096).  %% as ejabberd makes them today
-define(SALT, 16).
-define(FRESH, 3600000).  %% milliseconds until it is looked again what accounts there are
-define(LONGEST, 255).

start(_Host) ->
    ets:whereis(?MODULE) =:= undefined andalso ets:new(?MODULE, [named_table, public]),
    ok.

stop(_Host) -> ok.
reload(Host) -> ets:delete(?MODULE, Host).
store_type(_Host) -> scram.
plain_password_required(_Host) -> true.
use_cache(_Host) -> false.

get_password(User, Host) ->
    {current_stacktrace, Callers} = process_info(self(), current_stacktrace),
    case lists:any(fun logs_in/1, Callers) of
        true ->
            MadeUp = made_up(User, Host),  %% whether it is needed or not
            case ejabberd_auth:user_exists_in_other_modules(?MODULE, User, Host) of
                false -> {nocache, {ok, MadeUp}};
                _ -> {nocache, error}
            end;
        false -> {nocache, kept(Callers, User, Host)}
    end.

%% Of circles only for the first domain, which has them.
kept(Callers, User, Host) ->
    Keepers = [mod_xmpp_invite_reservation] ++ [mod_xmpp_circles || Host =:= hd(ejabberd_option:hosts())],
    Kept = lists:any(fun({Module, Function, _, _}) -> {Module, Function} =:= {mod_register, try_register} end, Callers)
        andalso lists:any(fun(Keeper) -> gen_mod:is_loaded(Host, Keeper) andalso Keeper:is_kept(User, Host) end, Keepers),
    case Kept of
        true -> {ok, made_up(User, Host)};
        false -> error
    end.

logs_in({xmpp_sasl_scram, mech_step, _, _}) -> true;
logs_in({xmpp_sasl_plain, mech_step, _, _}) -> true;
logs_in({xmpp_stream_in, prepare_password_fun_sasl2, _, _}) -> true;
logs_in(_) -> false.

which_users_exists(_Host, _Users) -> [].

%% Nobody gets a new password. Of an account that gets one next, the day is kept.
set_password_multiple(User, Host, _Passwords) ->
    mod_xmpp_account_day:note(User, Host),
    {nocache, {error, not_allowed}}.

made_up(User, Host) ->
    <<Place:32, _/binary>> = bytes(like, User, Host, 4),
    Kinds = kinds(Host),
    Sum = lists:sum([Count || {Count, _} <- Kinds]),
    [{scram, base64:encode(bytes({stored, Hash}, User, Host, length_of(Hash))), base64:encode(bytes({server, Hash}, User, Host, length_of(Hash))),
      base64:encode(bytes({salt, Hash}, User, Host, Salt)), Hash, Rounds}
     || {Hash, Rounds, Salt} <- choose(Place * Sum bsr 32, Kinds)].

choose(Place, [{Count, Keys} | _]) when Place < Count -> Keys;
choose(Place, [{Count, _} | More]) -> choose(Place - Count, More).

length_of(Hash) -> maps:get(size, crypto:hash_info(Hash)).

%% Different for each purpose, name and domain. The secret is Erlang's cookie.
bytes(Purpose, User, Host, Length) ->
    Parts = [crypto:mac(hmac, sha512, atom_to_binary(erlang:get_cookie()), term_to_binary({?MODULE, Purpose, User, Host, Part}))
             || Part <- lists:seq(0, Length div 64)],
    binary:part(iolist_to_binary(Parts), 0, Length).

%% How many accounts have which keys: [{Count, [{Hash, Rounds, Bytes of the salt}]}].
kinds(Host) ->
    Now = erlang:monotonic_time(millisecond),
    case ets:lookup(?MODULE, Host) of
        [{_, At, Kinds}] when Now - At < ?FRESH -> Kinds;
        _ ->
            Kinds = look(Host),
            ets:insert(?MODULE, {Host, Now, Kinds}),
            Kinds
    end.

look(Host) ->
    Columns = [io_lib:format("max(CASE type WHEN ~b THEN ~s ELSE 0 END) AS ~s~b", [Type, Value, Name, Type])
               || {Type, _} <- types(), {Value, Name} <- [{"iterationcount", "i"}, {"length(rtrim(salt, '='))", "s"}]],
    Names = lists:join(", ", [io_lib:format("i~b, s~b", [Type, Type]) || {Type, _} <- types()]),
    Statement = ["SELECT count(*), ", Names, " FROM (SELECT ", lists:join(", ", Columns), " FROM users WHERE server_host = ",
                 xmpp_sql:quote(Host), " GROUP BY username) AS account GROUP BY ", Names, " ORDER BY ", Names],
    {selected, _, Rows} = ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)),
    Found = [{Count, keys(Numbers, types())} || [Count | Numbers] <- [[binary_to_integer(Cell) || Cell <- Row] || Row <- Rows]],
    case [Kind || {_, [_ | _]} = Kind <- Found] of
        [] -> [{1, [{Hash, ?ROUNDS, ?SALT} || {_, Hash} <- types(), lists:member(name(Hash), ejabberd_option:auth_stored_password_types(Host))]}];
        Kinds -> Kinds
    end.

%% As the table of accounts has them.
types() -> [{2, sha}, {3, sha256}, {4, sha512}].

name(sha) -> scram_sha1;
name(sha256) -> scram_sha256;
name(sha512) -> scram_sha512.

keys([0, _ | More], [_ | Types]) -> keys(More, Types);
keys([Rounds, Base64 | More], [{_, Hash} | Types]) -> [{Hash, Rounds, min(?LONGEST, Base64 * 3 div 4)} | keys(More, Types)];
keys([], []) -> [].
