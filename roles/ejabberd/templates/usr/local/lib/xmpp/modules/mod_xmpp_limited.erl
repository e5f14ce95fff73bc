%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limited accounts (a child's, a device's) reach accounts of this service only, of all its domains, and are reached by these only.
%% - What such an account sends to somebody elsewhere is refused; to push servers (XEP-0357) goes what wakes up its app.
%% - What comes from elsewhere is handled as if it went to an account that does not exist, so that nobody can tell the two apart: it is addressed to a
%%   name that no account has and nobody can guess, and the answer bears the right one again, as it was typed.
%% - Rooms are a way around both. A limited account takes part in a room of this service only if that is for members (or its own), and nobody from
%%   elsewhere is in it or belongs to it; and nobody from elsewhere enters a room that a limited account is in, subscribes to or owns.
%% - Nodes of the domain (XEP-0060) can be published at from elsewhere, so a limited account does not reach them, nor they it. It invites nobody (access
%%   rule invite), also not to its contacts (XEP-0379), and whoever has such an invitation from before is handled as all others elsewhere.
%% - Components (xmpp_components) may lead anywhere, so they count as elsewhere.
%% Nothing is stored. In memory: the names of the setting, and what is put before such a name.
%% Hooks: user_send_packet and s2s_receive_packet before all others that count or store; adhoc_local_commands before mod_invites; filter_packet;
%% muc_filter_presence, muc_filter_message, muc_process_iq; ejabberd_started.
%% Without this module no account is limited.
-module(mod_xmpp_limited).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([begins/0, send/1, receive_packet/1, filter/1, command/4, enter/3, say/3, ask/2]).

%% Elements of ejabberd's record of an address: the name as it was typed, and as it is compared.
-define(USER, 2).
-define(LUSER, 5).
-define(MUC_OWNER, <<"http://jabber.org/protocol/muc#owner">>).
-define(INVITE, <<"urn:xmpp:invite#invite">>).
-define(SUBSCRIPTIONS, <<"urn:xmpp:mucsub:0">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_start:is_first(Host) andalso remember(Host),
        hooks(add, Host),
        xmpp_start:is_first(Host) andalso begins()
    end).

stop(Host) ->
    hooks(delete, Host),
    xmpp_start:is_first(Host) andalso [persistent_term:erase(Key) || Key <- [?MODULE, {?MODULE, nobody}]],
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, send, 5),
    ejabberd_hooks:Do(s2s_receive_packet, Host, ?MODULE, receive_packet, 5),
    ejabberd_hooks:Do(adhoc_local_commands, Host, ?MODULE, command, 35),
    ejabberd_hooks:Do(muc_filter_presence, Host, ?MODULE, enter, 20),
    ejabberd_hooks:Do(muc_filter_message, Host, ?MODULE, say, 20),
    ejabberd_hooks:Do(muc_process_iq, Host, ?MODULE, ask, 9),
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(filter_packet, ?MODULE, filter, 45),
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(ejabberd_started, ?MODULE, begins, 60),
    ok.

reload(Host, _New, _Old) ->
    xmpp_start:is_first(Host) andalso begin remember(Host), begins() end,
    ok.

depends(_Host, _Opts) -> [{mod_muc, hard}, {mod_pubsub, hard}, {mod_xmpp_push, hard}].
mod_options(_Host) -> [{accounts, []}].
mod_opt_type(accounts) -> econf:list(econf:jid()).
mod_doc() -> #{}.

%% Every packet is compared with them.
remember(Host) ->
    Addresses = [jid:tolower(JID) || JID <- gen_mod:get_module_opt(Host, ?MODULE, accounts)],
    nobody() =/= <<>> orelse persistent_term:put({?MODULE, nobody}, prefix()),
    persistent_term:put(?MODULE, maps:from_list([{{User, Server}, limited} || {User, Server, _} <- Addresses])).

%% No name of an account can have a plus (access rule register). The rest keeps others from asking for such a name, whose answers tell who is limited.
prefix() -> <<"nobody+", (string:lowercase(binary:encode_hex(crypto:strong_rand_bytes(12))))/binary, "+">>.

nobody() -> persistent_term:get({?MODULE, nobody}, <<>>).

is_limited({User, Server, _}) -> is_map_key({User, Server}, persistent_term:get(?MODULE, #{})).

is_ours(Server) -> mod_xmpp_components:is_ours(Server).

%% ---------------------------------------------------------------------- between the account and other servers
send({drop, _} = Acc) -> Acc;
send({Packet, State} = Acc) ->
    case is_limited(whom(xmpp:get_from(Packet))) andalso goes_out(Packet) of
        false -> Acc;
        true ->
            Answer = case is_answer(xmpp:get_type(Packet)) of
                         true -> State;
                         false -> ejabberd_c2s:send(State, refusal(Packet, outside))  %% not by the router, as if it came from elsewhere
                     end,
            {stop, {drop, Answer}}
    end.

is_answer(Type) -> lists:member(Type, [error, result, unavailable, unsubscribe, unsubscribed, subscribed]).

goes_out(Packet) ->
    {_, Server, _} = To = whom(xmpp:get_to(Packet)),
    not may_go(To, Packet) orelse lists:member(Server, nodes_of_domains())
        orelse lists:any(fun(Named) -> not may_go(whom(Named), Packet) end, xmpp_mediated:reached(Packet)).

may_go({<<>>, <<>>, _}, _Packet) -> true;
may_go({_, Server, _}, Packet) -> is_ours(Server) orelse is_push(Server, Packet).

is_push(Server, Packet) ->
    lists:member(Server, gen_mod:get_module_opt(hd(ejabberd_option:hosts()), mod_xmpp_push, servers)) andalso mod_xmpp_push:is_push(Packet).

nodes_of_domains() ->
    lists:append([gen_mod:get_module_opt_hosts(Host, mod_pubsub) || Host <- ejabberd_option:hosts()]).

people(Packet, Name, Attribute) -> [whom(JID) || JID <- xmpp_mediated:people(Packet, Name, Attribute)].

%% The same by invitations, which lead to contacts (mod_invites answers them before they are routed).
command(Acc, From, _To, Request) ->
    {xmlel, _, Attrs, _} = xmpp:encode(Request),
    case fxml:get_attr_s(<<"node">>, Attrs) =:= ?INVITE andalso is_limited(whom(From)) of
        true -> {stop, {error, xmpp:err_not_allowed()}};
        false -> Acc
    end.

receive_packet({drop, _} = Acc) -> Acc;
receive_packet({Packet, State}) ->
    case filter(Packet) of
        drop -> {stop, {drop, State}};
        Judged -> {Judged, State}
    end.

%% Of all packets, those of servers and rooms as well.
filter(drop) -> drop;
filter(Packet) ->
    {From, To} = {whom(xmpp:get_from(Packet)), whom(xmpp:get_to(Packet))},
    try
        case {is_limited(From), is_limited(To)} of
            {false, false} -> answer(Packet, From);
            {true, _} ->
                case may_go(To, Packet) of
                    true -> Packet;
                    false -> drop  %% what the server sends by itself, to contacts from before
                end;
            {false, true} -> judge(Packet, From)
        end
    catch
        _:_ -> drop  %% passed over, it would let the packet through
    end.

%% Whoever publishes at a node can be anywhere, and somebody here can subscribe the account to it.
judge(Packet, {_, Server, _}) ->
    case is_ours(Server) of
        true when element(1, Packet) =:= message ->
            Invites = people(Packet, <<"invite">>, <<"from">>) ++ people(Packet, <<"decline">>, <<"from">>),
            case not lists:member(Server, nodes_of_domains()) andalso lists:all(fun({_, From, _}) -> is_ours(From) end, Invites) of
                true -> Packet;
                false -> drop
            end;
        true -> Packet;
        false ->
            case is_push(Server, Packet) of
                true -> Packet;
                false -> xmpp:set_to(Packet, as_nobody(xmpp:get_to(Packet)))
            end
    end.

%% What is said about nobody is said about the account that was asked for.
answer(Packet, {User, Server, _}) ->
    Name = somebody(User),
    case Name =/= User andalso is_limited({Name, Server, <<>>}) of
        true ->
            JID = xmpp:get_from(Packet),
            xmpp:set_from(Packet, setelement(?LUSER, setelement(?USER, JID, somebody(element(?USER, JID))), Name));
        false -> Packet
    end.

%% Capitals and the like stay as they are: an error about an account that does not exist repeats its address as it was typed.
as_nobody(JID) ->
    lists:foldl(fun(Part, Changed) -> setelement(Part, Changed, <<(nobody())/binary, (element(Part, JID))/binary>>) end, JID, [?USER, ?LUSER]).

%% By bytes: what is typed can begin with a sign that joins the last one before it.
somebody(User) ->
    {Nobody, Size} = {nobody(), byte_size(nobody())},
    case User of
        <<Nobody:Size/binary, Name/binary>> -> Name;
        _ -> User
    end.

%% ---------------------------------------------------------------------- rooms of this service
enter(drop, _Room, _Nick) -> drop;
enter(Packet, Room, _Nick) ->
    case xmpp:get_type(Packet) of
        available -> said(Packet, Room);
        _ -> Packet
    end.

say(drop, _Room, _Nick) -> drop;
say(Packet, Room, _Nick) -> said(Packet, Room).

said(Packet, Room) ->
    case wrong(whom(xmpp:get_from(Packet)), Room) of
        false -> Packet;
        Why ->
            ejabberd_router:route(refusal(Packet, Why)),
            {stop, drop}
    end.

%% An owner can always make the room one for members, or end it. What somebody elsewhere may ask, the room knows, unless a limited account owns it.
ask(IQ, Room) when element(1, IQ) =:= iq ->
    {_, Server, _} = From = whom(xmpp:get_from(IQ)),
    Asked = [xmpp:get_ns(El) || El <- xmpp:get_els(IQ)],
    Matters = case is_ours(Server) of
                  true -> not (lists:member(?MUC_OWNER, Asked) andalso is_owner(From, Room));
                  false -> lists:member(?SUBSCRIPTIONS, Asked) orelse is_owned(Room)
              end,
    case Matters andalso wrong(From, Room) of
        false -> IQ;
        Why -> refusal(IQ, Why)
    end;
ask(Acc, _Room) ->
    Acc.

%% What is not understood is refused: the hook of one that fails is passed over.
is_owned(Room) ->
    try lists:any(fun is_limited/1, owners(Room)) catch _:_ -> true end.

wrong(From, Room) ->
    try is_wrong(From, Room) catch
        _:_ -> case is_limited(From) of true -> open_room; false -> own_room end
    end.

is_wrong({_, Server, _} = From, Room) ->
    case {is_limited(From), is_ours(Server)} of
        {true, _} ->
            case {is_for_members(Room) orelse is_owner(From, Room), lists:any(fun is_elsewhere/1, inside(Room) ++ belonging(Room))} of
                {_, true} -> others_inside;
                {false, _} -> open_room;
                _ -> false
            end;
        {false, true} -> false;
        {false, false} ->
            case lists:any(fun is_limited/1, inside(Room) ++ owners(Room)) of
                true -> own_room;
                false -> false
            end
    end.

is_elsewhere({_, Server, _}) -> not is_ours(Server).

%% Parts of a room's state, as ejabberd's record has them: who is in it or subscribes to it, and who has which place.
inside(Room) ->
    lists:append([maps:keys(Part) || Part <- tuple_to_list(Room), is_map(Part), is_users(Part)])
        ++ lists:append([maps:keys(element(2, Part)) || Part <- tuple_to_list(Room), is_tuple(Part), element(1, Part) =:= muc_subscribers]).

is_users(Map) ->
    case maps:next(maps:iterator(Map)) of
        {_, User, _} when is_tuple(User) -> element(1, User) =:= user;
        _ -> false
    end.

owners(Room) -> [Who || {Who, owner} <- places(Room)].
belonging(Room) -> [Who || {Who, Kind} <- places(Room), lists:member(Kind, [owner, admin, member])].
is_owner({User, Server, _}, Room) -> lists:member({User, Server, <<>>}, owners(Room)).

places(Room) ->
    [{Who, Kind} || Part <- tuple_to_list(Room), is_map(Part), {{_, _, <<>>} = Who, Place} <- maps:to_list(Part), Kind <- [kind(Place)], is_atom(Kind)].

kind({Kind, Reason}) when is_binary(Reason) -> Kind;
kind(Kind) -> Kind.

is_for_members(Room) ->
    [Values] = [tl(tuple_to_list(Part)) || Part <- tuple_to_list(Room), is_tuple(Part), element(1, Part) =:= config],
    All = mod_muc_room:config_fields(),  %% some that are none, then those of the record
    lists:member({members_only, true}, lists:zip(lists:nthtail(length(All) - length(Values), All), Values)).

%% Whoever becomes limited leaves the rooms that do not fit.
begins() ->
    spawn(fun() ->
        [attempt(fun() -> leave(Room) end) || Host <- ejabberd_option:hosts(), Service <- gen_mod:get_module_opt_hosts(Host, mod_muc),
                                              {_, _, Room} <- mod_muc:get_online_rooms(Service)]
    end),
    ok.

attempt(Do) ->
    try Do() catch _:_ -> ok end.  %% the room has ended meanwhile

leave(Room) ->
    {ok, State} = mod_muc_room:get_state(Room),
    [begin
         JID = jid:make(User, Server),
         mod_muc_room:change_item(Room, JID, role, none, <<>>),
         mod_muc_room:unsubscribe(Room, JID)
     end || {User, Server, _} = Who <- lists:usort([jid:remove_resource(One) || One <- inside(State)]), is_limited(Who), wrong(Who, State) =/= false].

%% ----------------------------------------------------------------------
refusal(Packet, Why) ->
    Lang = xmpp_language:choose(xmpp:get_lang(Packet)),
    {English, German} = text(Why),
    xmpp:make_error(Packet, xmpp:err_not_allowed(case Lang of <<"de">> -> German; _ -> English end, Lang)).

text(outside) ->
    {<<"This account reaches people of this service only.">>, <<"Dieses Konto erreicht nur Leute dieses Dienstes.">>};
text(others_inside) ->
    {<<"Somebody of another server is in this room or belongs to it. This account reaches people of this service only.">>,
     <<"Jemand von einem anderen Server ist in diesem Raum oder gehört dazu. Dieses Konto erreicht nur Leute dieses Dienstes."/utf8>>};
text(open_room) ->
    {<<"This account can be in rooms for members only.">>, <<"Dieses Konto kann nur in Räumen sein, die nur für Mitglieder sind."/utf8>>};
text(own_room) ->
    {<<"This room is for people of its own server.">>, <<"Dieser Raum ist nur für Leute dieses Servers."/utf8>>}.

whom(undefined) -> {<<>>, <<>>, <<>>};
whom(JID) -> jid:tolower(JID).
