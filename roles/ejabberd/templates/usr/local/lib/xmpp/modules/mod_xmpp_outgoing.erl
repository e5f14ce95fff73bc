%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit what one account sends to other servers, so that this server sends no spam and opens no connections without end: an account reaches only so
%% many strangers elsewhere, and only so many servers without a contact of its own. An account that reaches the limit gets an error. The number of
%% servers that this host connects to stays far below the limits of Erlang's VM.
%% It also remembers for a while who was written to, so that mod_xmpp_spam lets answers (IQ) and errors in.
%% Hook: user_send_packet. Without this module outgoing stanzas are not limited, and mod_xmpp_spam counts answers and errors.
-module(mod_xmpp_outgoing).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([send/1, has_asked/2]).

-define(ASKED, mod_xmpp_outgoing_asked).
-define(ANSWER, 120).          %% seconds until nobody waits for an answer any more
%% {at once, seconds until one more is possible}
-define(PEOPLE, {60, 60}).     %% strangers elsewhere that one account reaches
-define(SERVERS, {60, 60}).    %% servers that it reaches strangers on, or asks something
-define(MET, 3600).            %% seconds until somebody counts as reached anew

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE),
        xmpp_token_bucket:new(?ASKED),
        ejabberd_hooks:add(user_send_packet, Host, ?MODULE, send, 20)
    end).

stop(Host) ->
    ejabberd_hooks:delete(user_send_packet, Host, ?MODULE, send, 20).

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_roster, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

has_asked(Who, Whom) ->
    ets:whereis(?ASKED) =/= undefined andalso xmpp_token_bucket:remembers(?ASKED, {Who, Whom}).

send({drop, _} = Acc) -> Acc;
send({Packet, State}) ->
    From = bare(xmpp:get_from(Packet)),
    Type = xmpp:get_type(Packet),
    remember(From, bare(xmpp:get_to(Packet))),
    case lists:any(fun({Kind, To}) -> is_too_much(Kind, From, To) end, reached(element(1, Packet), Type, Packet)) of
        true ->
            Text = <<"This is more than one account may send to strangers on other servers. Please try again later.">>,
            lists:member(Type, [error, result, unavailable, unsubscribe, unsubscribed, subscribed])
                orelse ejabberd_router:route_error(Packet, xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet))),
            {stop, {drop, State}};
        false -> {Packet, State}
    end.

%% One's own account and the services here are never strangers.
remember(From, From) -> ok;
remember(_From, {<<>>, <<>>, _}) -> ok;
remember(From, {User, Server, _} = To) ->
    User =:= <<>> andalso mod_xmpp_components:is_ours(Server) orelse xmpp_token_bucket:remember(?ASKED, {From, To}, ?ANSWER).

%% Whom a stanza reaches elsewhere, and how. Whatever it is, it may open a connection.
reached(message, error, Packet) -> [{connection, xmpp:get_to(Packet)}];
reached(message, _, Packet) -> [{people, To} || To <- [xmpp:get_to(Packet) | xmpp_mediated:reached(Packet)]];  %% and by a room of ours
reached(presence, Type, Packet) when Type =:= available; Type =:= subscribe; Type =:= probe -> [{people, xmpp:get_to(Packet)}];
reached(iq, Type, Packet) when Type =:= get; Type =:= set -> [{servers, xmpp:get_to(Packet)}];
reached(_, _, Packet) -> [{connection, xmpp:get_to(Packet)}].

is_too_much(_Kind, _From, undefined) -> false;
is_too_much(Kind, From, JID) ->
    {_, Server, _} = To = bare(JID),
    case mod_xmpp_components:is_ours(Server) orelse mod_roster:is_subscribed(jid:make(To), jid:make(From)) of
        true -> false;
        false -> exceeds(limits(Kind, From, To)) orelse is_full(From, Server)
    end.

limits(people, From, To) -> [{{people, From, To}, {people, From}, ?PEOPLE} | limits(servers, From, To)];
limits(connection, {_, Host, _} = From, {_, Server, _} = To) ->
    case is_connected(Host, Server) of
        true -> [];
        false -> limits(servers, From, To)
    end;
limits(servers, From, {_, Server, _}) -> [{{server, From, Server}, {servers, From}, ?SERVERS}].

exceeds(Limits) ->
    New = [Limit || {Met, _, _} = Limit <- Limits, not xmpp_token_bucket:remembers(?MODULE, Met)],
    case lists:any(fun({_, Key, {Size, Seconds}}) -> xmpp_token_bucket:used_up(?MODULE, Key, Size, Seconds) end, New) of
        true -> true;
        false ->
            [begin xmpp_token_bucket:use(?MODULE, Key, Seconds), xmpp_token_bucket:remember(?MODULE, Met, ?MET) end || {Met, Key, {_, Seconds}} <- New],
            false
    end.

%% A new connection, when there are many: Erlang has so many ports for everything, logins too.
is_full({_, Host, _}, Server) ->
    Most = erlang:system_info(port_limit) div 8,
    mnesia:table_info(s2s, size) >= Most andalso not is_connected(Host, Server)
        andalso proplists:get_value(active, supervisor:count_children(ejabberd_s2s_out_sup)) >= Most.

is_connected(Host, Server) -> mnesia:dirty_read(s2s, {Host, Server}) =/= [].

bare(undefined) -> {<<>>, <<>>, <<>>};
bare(JID) -> jid:tolower(jid:remove_resource(JID)).
