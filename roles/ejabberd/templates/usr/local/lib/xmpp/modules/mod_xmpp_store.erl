%% SPDX-License-Identifier: GPL-3.0-or-later
%% Return a message to its sender, with an error, if the archive did not store it. ejabberd does not check whether the database took a message,
%% calls it archived, and acknowledges it. This module checks at each place where mod_mam stores one; mod_offline checks for itself.
%% It also makes all domains write by one connection (xmpp_writer).
%% Hooks: user_send_packet, user_receive_packet, offline_message_hook, muc_filter_message. Without this module ejabberd behaves as it does by itself.
-module(mod_xmpp_store).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([watch/1, watch_mailbox/1, watch/3, sent/1, received/1, waits/1, said/3]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_writer:take_over(Host),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

%% Around mod_mam's, which are at 88, 49 and 50. (Of two with the same number, the module whose name comes first is first.)
hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, watch, 87),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, sent, 88),
    ejabberd_hooks:Do(user_receive_packet, Host, ?MODULE, watch, 87),
    ejabberd_hooks:Do(user_receive_packet, Host, ?MODULE, received, 88),
    ejabberd_hooks:Do(offline_message_hook, Host, ?MODULE, watch_mailbox, 48),
    ejabberd_hooks:Do(offline_message_hook, Host, ?MODULE, waits, 49),
    ejabberd_hooks:Do(muc_filter_message, Host, ?MODULE, watch, 49),
    ejabberd_hooks:Do(muc_filter_message, Host, ?MODULE, said, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_mam, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

watch({Packet, _} = Acc) ->
    is_for_session(Packet) andalso xmpp_writer:watch(),
    Acc.

watch_mailbox(Acc) ->
    xmpp_writer:watch(),
    Acc.

watch(Packet, _Room, _Nick) ->
    xmpp_writer:watch(),
    Packet.

%% What mod_mam may store in a session. What is said in a room is stored by the room, and comes to each session in it.
is_for_session(Packet) ->
    is_tuple(Packet) andalso element(1, Packet) =:= message andalso xmpp:get_type(Packet) =/= groupchat.

%% Sent by an account here. The error is sent before any acknowledgement.
sent({Packet, State} = Acc) ->
    case is_for_session(Packet) andalso refused(Packet) of
        {Error, Original} -> {stop, {drop, ejabberd_c2s:send(State, xmpp:make_error(Original, Error))}};
        false -> Acc
    end.

received({Packet, State} = Acc) ->
    case is_for_session(Packet) andalso bounced(Packet) of
        true -> {stop, {drop, State}};
        false -> Acc
    end.

%% For somebody who is not online.
waits({_, Packet} = Acc) ->
    case bounced(Packet) of
        true -> {stop, {drop, Packet}};
        false -> Acc
    end.

said(Packet, _Room, _Nick) ->
    case bounced(Packet) of
        true -> {stop, drop};
        false -> Packet
    end.

bounced(Packet) ->
    case refused(Packet) of
        {Error, Original} ->
            ejabberd_router:route_error(Original, Error),
            true;
        false ->
            false
    end.

%% Without the name of an entry that is not there.
refused(Packet) when element(1, Packet) =:= message ->
    xmpp_writer:refused() andalso
        begin
            Text = <<"The server cannot store messages at the moment.">>,
            Els = [El || El <- xmpp:get_els(Packet), not lists:member(xmpp:get_name(El), [<<"archived">>, <<"stanza-id">>])],
            {xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet)), xmpp:set_els(Packet, Els)}
        end;
refused(_Packet) ->
    false.
