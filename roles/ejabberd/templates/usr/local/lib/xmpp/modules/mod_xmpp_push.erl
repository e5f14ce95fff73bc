%% SPDX-License-Identifier: GPL-3.0-or-later
%% Allow push notifications (XEP-0357) to servers that the operator's choice (access rule "talk") leaves out, and nothing else: only what push
%% needs goes there and comes from there: the notification and its answer, an app's registration and the queries before it. No message,
%% no presence.
%% ejabberd removes an app's registration when a notification comes back with a permanent error. A failed DNS lookup is not permanent: otherwise
%% such a phone would get no notifications for good after a minute without DNS.
%% Hook: filter_packet. Without this module a restrictive choice of servers blocks push as well.
-module(mod_xmpp_push).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([narrow/1, is_push/1]).

-define(PUBSUB, <<"http://jabber.org/protocol/pubsub">>).
-define(ASKED, [<<"http://jabber.org/protocol/commands">>, <<"http://jabber.org/protocol/disco#info">>,
                <<"http://jabber.org/protocol/disco#items">>, <<"jabber:iq:register">>, <<"urn:xmpp:ping">>]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> xmpp_start:is_first(Host) andalso hooks(add) end).

stop(Host) ->
    xmpp_start:is_first(Host) andalso hooks(delete),
    ok.

%% Of all packets, from rooms as well, once for all domains.
hooks(Do) ->
    ejabberd_hooks:Do(filter_packet, ?MODULE, narrow, 50).

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_push, hard}].
mod_options(_Host) -> [{servers, []}].
mod_opt_type(servers) -> econf:list(econf:domain()).
mod_doc() -> #{}.

narrow(drop) ->
    drop;
narrow(Packet) ->
    {_, From, _} = jid:tolower(xmpp:get_from(Packet)),
    {_, To, _} = jid:tolower(xmpp:get_to(Packet)),
    Servers = gen_mod:get_module_opt(hd(ejabberd_option:hosts()), ?MODULE, servers),
    Allowed = case {lists:member(From, Servers), lists:member(To, Servers)} of
        {false, false} -> true;
        %% Also the error that we answer ourselves to what is refused.
        {true, _} -> xmpp:get_type(Packet) =:= error orelse is_push(Packet) orelse is_talked_to(From);
        {false, true} -> is_push(Packet) orelse is_talked_to(To)
    end,
    case Allowed of
        true -> patient(Packet);
        false ->
            Text = <<"That server is reached to wake up phones only.">>,
            ejabberd_router:route_error(Packet, xmpp:err_forbidden(Text, xmpp:get_lang(Packet))),
            drop
    end.

is_talked_to(Server) -> allow =:= acl:match_rule(global, talk, jid:make(Server)).

is_push(Packet) when element(1, Packet) =:= iq ->
    Answer = lists:member(xmpp:get_type(Packet), [result, error]),
    {User, _, _} = jid:tolower(xmpp:get_from(Packet)),
    Namespaces = [xmpp:get_ns(El) || El <- xmpp:get_els(Packet)],
    Answer orelse Namespaces -- ?ASKED =:= [] orelse (User =:= <<>> andalso Namespaces =:= [?PUBSUB]);
is_push(_) ->
    false.

%% Of what comes back to the domain itself, whose notifications these are.
patient(Packet) when element(1, Packet) =:= iq ->
    case {xmpp:get_type(Packet), jid:tolower(xmpp:get_to(Packet))} of
        {error, {<<>>, _, _}} ->
            case xmpp:get_error(Packet) of
                undefined -> Packet;
                Error ->
                    case lists:member('remote-server-not-found', tuple_to_list(Error)) of
                        true -> xmpp:set_els(Packet, [xmpp:err_remote_server_timeout()]);
                        false -> Packet
                    end
            end;
        _ -> Packet
    end;
patient(Packet) ->
    Packet.
