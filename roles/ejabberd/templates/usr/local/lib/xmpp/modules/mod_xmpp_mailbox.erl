%% SPDX-License-Identifier: GPL-3.0-or-later
%% Deliver what is put into a mailbox (offline messages) while its owner comes online. ejabberd looks for sessions, then stores; whoever has come online
%% in between has emptied the mailbox already, and gets the message at the next login only. On a busy host, which stores slowly, that happens.
%% Hooks: offline_message_hook after mod_offline (50), c2s_handle_info. Without this module such a message waits until the next login.
-module(mod_xmpp_mailbox).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([stored/1, look/2]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(offline_message_hook, Host, ?MODULE, stored, 60),
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, look, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_offline, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

stored({offlined, Packet} = Acc) ->
    {User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
    case lists:max([{-1, <<>>} | ejabberd_sm:get_user_present_resources(User, Server)]) of
        {Priority, Resource} when Priority >= 0 -> ejabberd_sm:get_session_pid(User, Server, Resource) ! ?MODULE;
        _ -> nobody
    end,
    Acc;
stored(Acc) ->
    Acc.

%% As if it had come online now.
look(#{pres_last := Presence} = State, ?MODULE) ->
    mod_offline:c2s_self_presence({Presence, maps:remove(pres_last, State)}),
    {stop, State};
look(State, _Info) ->
    State.
