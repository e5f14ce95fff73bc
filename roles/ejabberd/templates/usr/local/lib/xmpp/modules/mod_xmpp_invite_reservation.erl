%% SPDX-License-Identifier: GPL-3.0-or-later
%% Reserve the name that an invitation is for, while the invitation is valid. ejabberd keeps others with an invitation from registering it;
%% this module keeps those without one from it.
%% Hook: check_register_user. Without this module anybody can register the name in open registration.
-module(mod_xmpp_invite_reservation).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([keep/4]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(check_register_user, Host, ?MODULE, keep, 50).

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_invites, hard}, {mod_register, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Called before an account is made, after the CAPTCHA. All registrations go through mod_register; the operator's commands do not, so
%% the operator can give the name to anybody.
keep(Free, User, Server, _Password) ->
    {current_stacktrace, Callers} = process_info(self(), current_stacktrace),
    Free andalso not (lists:keymember(mod_register, 1, Callers) andalso reserved(jid:nodeprep(User), jid:nameprep(Server))).

%% Not so once the invitation is taken, which ejabberd notes first, nor by one to somebody's contacts (R), or for a new password (T).
reserved(User, Server) ->
    {selected, _, Tokens} = ejabberd_sql:sql_query(
        Server, iolist_to_binary(["SELECT token FROM invite_token WHERE server_host = ", xmpp_sql:quote(Server), " AND account_name = ", xmpp_sql:quote(User),
                                  " AND invitee = '' AND type IN ('A', 'S') AND expires > datetime('now', 'localtime')"])),
    Tokens =/= [].
