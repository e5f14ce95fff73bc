%% SPDX-License-Identifier: GPL-3.0-or-later
%% Tell xmpp_websocket which connections are logged in: they are not limited together with those that are not.
%% Hook: c2s_auth_result, since a session may also be resumed (XEP-0198). Without this module all connections of an address count as not logged in.
-module(mod_xmpp_websocket).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([judged/3]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(c2s_auth_result, Host, ?MODULE, judged, 50).

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [].
mod_options(_Host) -> [].
mod_doc() -> #{}.

judged(#{ip := Peer} = State, true, _User) ->
    xmpp_websocket:logged_in(Peer),
    State;
judged(State, _Result, _User) ->
    State.
