%% SPDX-License-Identifier: GPL-3.0-or-later
%% Keep of an account the day on which it was created (UTC), and no time: for playbooks/user.yml -e since=. ejabberd stores the second, never reads it, and
%% with a new password it writes the rows of the account anew, so that an old account would look like a new one. ejabberd_auth_nobody, which
%% ejabberd asks before it does so, notes the day here.
%% Hooks: register_user, set_password. Without this module the second is stored, and the day becomes that of the last change of the password.
-module(mod_xmpp_account_day).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([note/2, created/2, changed/2]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        hooks(add, Host),
        %% Those from before there was this module.
        {updated, _} = sql(Host, ["UPDATE users SET created_at = date(created_at) WHERE server_host = ", quote(Host), " AND length(created_at) > 10"])
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(register_user, Host, ?MODULE, created, 50),
    ejabberd_hooks:Do(set_password, Host, ?MODULE, changed, 10),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Of an account whose password is about to be changed, in the process that does it.
note(User, Server) ->
    put(?MODULE, case sql(Server, ["SELECT min(date(created_at)) FROM users" | of_account(User, Server)]) of
                     {selected, _, [[<<_:10/binary>> = Day]]} -> {User, Server, Day};
                     _ -> none
                 end).

created(User, Server) ->
    sql(Server, ["UPDATE users SET created_at = date(created_at)" | of_account(User, Server)]).

changed(User, Server) ->
    case erase(?MODULE) of
        {User, Server, Day} -> sql(Server, ["UPDATE users SET created_at = ", quote(Day) | of_account(User, Server)]);
        _ -> ok
    end.

of_account(User, Server) ->
    [" WHERE username = ", quote(User), " AND server_host = ", quote(Server)].

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).

quote(Text) ->
    ["'", string:replace(Text, "'", "''", all), "'"].
