%% SPDX-License-Identifier: GPL-3.0-or-later
%% Rooms of ours are no weapon. Nobody is subscribed to one by somebody else (MUC/Sub): an owner can allow subscriptions in any room, and what
%% a room says to its subscribers is not judged. Nobody floods a room: each says and enters only so much in a while.
%% Hooks: muc_process_iq, muc_filter_message, muc_filter_presence. Without this module ejabberd lets moderators subscribe anybody, and
%% nothing limits what one occupant says.
-module(mod_xmpp_rooms).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([guard_subscription/2, say/3, enter/3]).

%% {at once, seconds until one more is possible}
-define(MESSAGES, {60, 1}).    %% of one person to one room
-define(PRESENCES, {30, 3}).   %% the same: entering, and every change of a status

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_rate:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(muc_process_iq, Host, ?MODULE, guard_subscription, 10),
    ejabberd_hooks:Do(muc_filter_message, Host, ?MODULE, say, 30),
    ejabberd_hooks:Do(muc_filter_presence, Host, ?MODULE, enter, 30),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_muc, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

guard_subscription(IQ, _Room) when element(1, IQ) =:= iq ->
    Self = bare(xmpp:get_from(IQ)),
    Others = [Address || {xmlel, <<"subscribe">>, _, _} = Subscribe <- fxml:get_subtags(xmpp:encode(IQ), <<"subscribe">>),
                         Address <- [fxml:get_tag_attr_s(<<"jid">>, Subscribe)], Address =/= <<>>, bare(jid:decode(Address)) =/= Self],
    case Others of
        [] -> IQ;
        _ -> xmpp:make_error(IQ, xmpp:err_forbidden(<<"Only your own address can be subscribed.">>, xmpp:get_lang(IQ)))
    end;
guard_subscription(Acc, _Room) ->
    Acc.

say(drop, _Room, _Nick) -> drop;
say(Packet, _Room, _Nick) ->
    limit(Packet, messages, ?MESSAGES).

%% Whoever leaves is let go.
enter(drop, _Room, _Nick) -> drop;
enter(Packet, _Room, _Nick) ->
    case xmpp:get_type(Packet) of
        available -> limit(Packet, presences, ?PRESENCES);
        _ -> Packet
    end.

limit(Packet, Kind, {Size, Seconds}) ->
    Key = {Kind, bare(xmpp:get_from(Packet)), bare(xmpp:get_to(Packet))},
    case xmpp_rate:used_up(?MODULE, Key, Size, Seconds) of
        true ->
            Text = <<"This is more than one person may send to a room. Please wait a moment.">>,
            ejabberd_router:route_error(Packet, xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet))),
            {stop, drop};
        false ->
            xmpp_rate:use(?MODULE, Key, Seconds),
            Packet
    end.

bare(JID) -> jid:tolower(jid:remove_resource(JID)).
