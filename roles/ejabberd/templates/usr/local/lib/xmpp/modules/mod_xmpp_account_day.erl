%% SPDX-License-Identifier: GPL-3.0-or-later
%% Keep of an account the day on which it was created (UTC), and no time: for playbooks/user.yml -e since=. ejabberd stores the second, never reads it, and
%% with a new password it writes the rows of the account anew, so that an old account would look like a new one. ejabberd_auth_nobody, which
%% ejabberd asks before it does so, notes the day here.
%% A row with a time is from when this module did not run, an earlier version or an older backup, so its day can be that of a new password. The day is
%% then kept with midnight (?UNSURE): this day, or an earlier one. user.yml -e since= deletes no such accounts together with others.
%% Hooks: register_user, set_password. Without this module the second is stored, and the day becomes that of the last change of the password.
-module(mod_xmpp_account_day).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([note/2, created/2, changed/2]).

-define(UNSURE, "date(created_at) || ' 00:00'").  %% 16 characters; a sure day has 10, what ejabberd writes 19

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        hooks(add, Host),
        {updated, _} = sql(Host, ["UPDATE users SET created_at = ", ?UNSURE, " WHERE server_host = ", xmpp_sql:quote(Host), " AND length(created_at) > 16"])
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
    Day = ["CASE WHEN length(created_at) > 10 THEN ", ?UNSURE, " ELSE created_at END"],
    put(?MODULE, case sql(Server, ["SELECT min(", Day, ") FROM users" | of_account(User, Server)]) of
                     {selected, _, [[<<_:10/binary, _/binary>> = Kept]]} -> {User, Server, Kept};
                     _ -> none
                 end).

%% Also called by xep0227, for keys that it adds to an account of its making.
created(User, Server) ->
    sql(Server, ["UPDATE users SET created_at = date(created_at)" | of_account(User, Server)]).

changed(User, Server) ->
    Day = case erase(?MODULE) of
              {User, Server, Kept} -> xmpp_sql:quote(Kept);
              _ -> ?UNSURE
          end,
    sql(Server, ["UPDATE users SET created_at = ", Day | of_account(User, Server)]).

of_account(User, Server) ->
    [" WHERE username = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Server)].

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
