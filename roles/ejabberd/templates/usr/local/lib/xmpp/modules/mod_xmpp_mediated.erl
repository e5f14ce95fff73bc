%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit what a room here passes on for one person to another (XEP-0045 7.8.2): invitations of its occupants, and the answers of those who decline. Both
%% are messages to the room, which it sends to whomever they name, without a look at what is said in rooms otherwise.
%% - Of a message that declines, ejabberd changes the sender of the answer only: all else in it would come from the room, invitations "by" anybody, too.
%%   Nothing but the answer goes on. Anybody may decline, from anywhere: ejabberd does not know whom a room has invited.
%% - An invitation to a room for members makes somebody one, and stores the whole room: so many at once, and no more than a room keeps.
%% - From one other server to another goes little. What people here send is counted by mod_xmpp_outgoing, what comes to them by mod_xmpp_spam.
%% Hook: filter_packet, as the sender can be a session, another server or a component. Without this module a room passes on whatever it is told to.
-module(mod_xmpp_mediated).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([filter/1]).

%% {at once, seconds until one more is possible}
-define(INVITED, {300, 1}).    %% by one account, or by all of another server
-define(RELAYED, {60, 60}).    %% people elsewhere whom all of another server reach through rooms here
-define(RELAYED_OF_ALL, {300, 10}).  %% the same of all servers

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(filter_packet, ?MODULE, filter, 40),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_muc, hard}, {mod_xmpp_rooms, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

filter(drop) -> drop;
filter(Packet) when element(1, Packet) =:= message ->
    try
        case xmpp:get_type(Packet) =/= error andalso is_room(jid:tolower(xmpp:get_to(Packet)))
            andalso {named(Packet, <<"invite">>), named(Packet, <<"decline">>)} of
            false -> Packet;
            {[], []} -> Packet;
            {Invited, Declined} -> judge(Packet, Invited, Declined)
        end
    catch
        _:_ -> refuse(Packet, xmpp:err_internal_server_error())  %% passed over, it would let the packet through
    end;
filter(Packet) ->
    Packet.

named(Packet, Name) -> xmpp_mediated:people(Packet, Name, <<"to">>).

is_room({Room, Service, <<>>}) when Room =/= <<>> ->
    ejabberd_router:is_my_route(Service) andalso not ejabberd_router:is_my_host(Service)
        andalso lists:member(Service, gen_mod:get_module_opt_hosts(ejabberd_router:host_of_route(Service), mod_muc));
is_room(_To) ->
    false.

judge(Packet, Invited, Declined) ->
    {User, Server, _} = jid:tolower(xmpp:get_from(Packet)),
    Elsewhere = [To || To <- Invited ++ Declined, not is_ours(To)],
    {Who, Relayed} = case is_ours(xmpp:get_from(Packet)) of
                         true -> {{User, Server}, []};
                         false ->
                             Site = xmpp_token_bucket:site(Server),
                             {Site, [{{relayed, Site}, length(Elsewhere), ?RELAYED}, {relayed, length(Elsewhere), ?RELAYED_OF_ALL}]}
                     end,
    Lang = xmpp:get_lang(Packet),
    case exceeds([{{invited, Who}, length(Invited), ?INVITED} | Relayed]) of
        true -> refuse(Packet, xmpp:err_resource_constraint(<<"This is more than one person may send through rooms. Please wait a moment.">>, Lang));
        false when Declined =/= [] -> answer(Packet, hd(Declined));
        false ->
            case mod_xmpp_rooms:keeps(room(xmpp:get_to(Packet)), [jid:tolower(To) || To <- Invited]) of
                true -> Packet;
                false -> refuse(Packet, mod_xmpp_rooms:full(Lang))
            end
    end.

is_ours(JID) ->
    {_, Server, _} = jid:tolower(JID),
    mod_xmpp_components:is_ours(Server).

exceeds(All) ->
    Limits = [Limit || {_, Count, _} = Limit <- All, Count > 0],
    case lists:any(fun({Key, Count, {Size, Seconds}}) ->
                       Count > Size orelse xmpp_token_bucket:used_up(?MODULE, Key, Size - Count + 1, Seconds)
                   end, Limits) of
        true -> true;
        false ->
            [xmpp_token_bucket:use(?MODULE, Key, Count * Seconds) || {Key, Count, {_, Seconds}} <- Limits],
            false
    end.

%% Nobody is invited by a room that is not there; what it stores by and by is seen at the next invitation.
room(JID) ->
    {Room, Service, _} = jid:tolower(JID),
    case mod_muc:find_online_room(Room, Service) of
        {ok, Pid} ->
            {ok, State} = mod_muc_room:get_state(Pid),
            State;
        error -> none
    end.

%% To whom, and why.
answer(Packet, To) ->
    {xmlel, Name, Attributes, _} = xmpp:encode(Packet),
    Reasons = [{xmlel, <<"reason">>, [], [{xmlcdata, Text}]} || Text <- lists:sublist(xmpp_mediated:reasons(Packet, <<"decline">>), 1)],
    Decline = {xmlel, <<"decline">>, [{<<"to">>, jid:encode(To)}], Reasons},
    X = {xmlel, <<"x">>, [{<<"xmlns">>, xmpp_mediated:namespace()}], [Decline]},
    Left = xmpp:decode({xmlel, Name, lists:keydelete(<<"type">>, 1, Attributes), [X]}, <<"jabber:client">>, [ignore_els]),
    xmpp:set_meta(Left, xmpp:get_meta(Packet)).

refuse(Packet, Error) ->
    try ejabberd_router:route_error(Packet, Error) catch _:_ -> ok end,
    {stop, drop}.
