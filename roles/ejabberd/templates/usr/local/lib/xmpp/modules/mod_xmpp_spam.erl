%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit messages of strangers, and refuse those on a block list. A stranger is who is not among somebody's contacts.
%% In an hour or so, a stranger reaches few people, a whole other server many but not any number, and one person gets only so many messages of
%% strangers. Counters are in memory; of a message, only an invitation to a room of ours is read, or the answer to one. Rooms elsewhere reach who joined them.
%% Every stanza is judged, except those of contacts, the server itself, rooms that were joined or subscribed to, and answers to requests
%% (mod_xmpp_outgoing remembers them).
%% Hooks: sm_receive_packet (addresses without a resource), user_receive_packet (sessions). Without this module nothing is limited.
%% Block lists are lists of checksums of addresses and servers (https://xmppbl.org/). Each is fetched whole, once an hour, by this
%% server: its publisher learns that it is used here, and nothing of who writes to whom.
-module(mod_xmpp_spam).
-behaviour(gen_server).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([receive_packet/1, hear/1, enter_room/3, say_in_room/3, refresh/0]).

-define(NODE, <<"muc_bans_sha256">>).
-define(FIRST, 10).      %% seconds after the start
-define(MUCSUB, <<"urn:xmpp:mucsub:nodes:">>).
-define(AGAIN, 3600).    %% seconds
-define(FAILED, 300).    %% seconds
%% {at once, seconds until one more is possible}
-define(PEOPLE, {60, 180}).            %% that one stranger reaches: a class, a club
-define(PEOPLE_OF_SERVER, {300, 10}).  %% that all strangers of one other server reach
-define(PEOPLE_OF_SERVERS, {600, 5}).  %% that those of all servers reach whose names have the last two parts in common
-define(PEOPLE_OF_ALL, {3000, 1}).     %% that all strangers from elsewhere reach
-define(MESSAGES, {60, 10}).           %% from a stranger to one person who does not answer
-define(MESSAGES_OF_ALL, {200, 20}).   %% from all strangers to one person
-define(OTHERS, {100, 1}).             %% other stanzas from a stranger to one person
-define(OTHERS_OF_ALL, {300, 1}).      %% the same from all strangers
-define(WAITING, 500).                 %% messages for somebody who is away; the other half of the room is for contacts
-define(MET, 3600).                    %% seconds until somebody counts as reached anew

start(Host, Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE),
        hooks(add, Host),
        xmpp_start:is_first(Host) andalso ({ok, _} = gen_mod:start_child(?MODULE, Host, Opts))
    end).

stop(Host) ->
    hooks(delete, Host),
    xmpp_start:is_first(Host) andalso gen_mod:stop_child(?MODULE, Host),
    ok.

%% The lists are fetched once for all domains.
hooks(Do, Host) ->
    ejabberd_hooks:Do(sm_receive_packet, Host, ?MODULE, receive_packet, 40),
    ejabberd_hooks:Do(user_receive_packet, Host, ?MODULE, hear, 10),
    ejabberd_hooks:Do(muc_filter_presence, Host, ?MODULE, enter_room, 40),
    ejabberd_hooks:Do(muc_filter_message, Host, ?MODULE, say_in_room, 40),
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(config_reloaded, ?MODULE, refresh, 90).

reload(Host, New, _Old) ->
    stop(Host),
    start(Host, New).

depends(_Host, _Opts) -> [{mod_muc, hard}, {mod_roster, hard}].
mod_options(_Host) -> [{block_lists, []}].
mod_opt_type(block_lists) -> econf:list(econf:domain()).
mod_doc() -> #{}.

%% ---------------------------------------------------------------------- strangers
receive_packet(drop) -> drop;
receive_packet(Packet) ->
    {User, Server, Resource} = jid:tolower(xmpp:get_to(Packet)),
    attempt(Packet, fun() ->
        case Resource =/= <<>> andalso (is_said_in_our_room(Packet) orelse ejabberd_sm:get_session_pid(User, Server, Resource) =/= none) of
            true -> Packet;  %% judged by hear/1: the session knows which rooms it has entered
            false -> judge(Packet, [])
        end
    end).

%% In the process of the session. What is said in a room comes once for each occupant: it is looked at before everything that costs more.
hear({drop, _} = Acc) -> Acc;
hear({Packet, #{pres_a := Entered} = State} = Acc) ->
    {_, _, Resource} = jid:tolower(xmpp:get_to(Packet)),
    case attempt(Packet, fun() -> Resource =/= <<>> andalso not is_said_where_entered(Packet, Entered) andalso judge(Packet, Entered) end) of
        {stop, drop} -> {stop, {drop, State}};
        _ -> Acc
    end;
hear(Acc) ->
    Acc.

%% ejabberd passes over a hook that fails, which would let in what cannot be judged.
attempt(Packet, Judge) ->
    try Judge() catch
        _:_ ->
            try refuse(Packet, xmpp:err_internal_server_error()) catch _:_ -> {stop, drop} end
    end.

judge(Packet, Entered) ->
    {From, To} = {sender(Packet), bare(xmpp:get_to(Packet))},
    case belongs(Packet, From, To, Entered) of
        true -> Packet;
        false ->
            Kind = kind(element(1, Packet), xmpp:get_type(Packet)),
            Lang = xmpp:get_lang(Packet),
            case Kind =:= room orelse is_listed(From) orelse has_no_room(Packet, To) orelse is_too_much(Kind, From, To) of
                false -> Packet;
                true when Kind =:= room -> refuse(Packet, xmpp:err_not_acceptable(<<"This room was not entered.">>, Lang));
                true -> refuse(Packet, xmpp:err_resource_constraint(<<"This is more than strangers may send here.">>, Lang))
            end
    end.

%% What is judged as words of the sender's, what as anything else; and what a room says, which only those hear who have entered it.
kind(message, groupchat) -> room;
kind(message, error) -> other;
kind(message, _) -> words;
kind(presence, subscribe) -> words;
kind(_, _) -> other.

%% The contacts of the recipient and whoever they entered, the server itself, its administrators, and answers.
belongs(Packet, {User, Server, _} = From, {ToUser, _, _} = To, Entered) ->
    Ours = ejabberd_router:is_my_host(Server),
    ToUser =:= <<>>
        orelse (User =:= <<>> andalso mod_xmpp_components:is_ours(Server) andalso (Ours orelse element(1, Packet) =/= message))
        orelse has_entered(From, Entered)
        orelse mod_roster:is_subscribed(jid:make(From), jid:make(To))
        orelse (Ours andalso acl:match_rule(Server, admin, jid:make(From)) =:= allow)
        orelse is_answer(Packet, From, To)
        orelse (is_our_room(From) andalso is_subscribed_room(Packet, To)).

is_said(Packet) ->
    element(1, Packet) =:= message andalso xmpp:get_type(Packet) =:= groupchat.

%% For a session that has ended, ejabberd tells the room so.
is_said_in_our_room(Packet) ->
    is_said(Packet) andalso is_our_room(bare(xmpp:get_from(Packet))).

is_said_where_entered(Packet, Entered) ->
    is_said(Packet) andalso has_entered(bare(xmpp:get_from(Packet)), Entered).

%% A set of addresses with resources, in order; none outside of a session.
has_entered(_Room, []) ->
    false;
has_entered({User, Server, _} = Room, Entered) ->
    case gb_sets:next(gb_sets:iterator_from(Room, Entered)) of
        {{User, Server, _}, _} -> true;
        _ -> false
    end.

%% An answer to a question, or an error of what was sent.
is_answer(Packet, From, To) ->
    lists:member(xmpp:get_type(Packet), [result, error])
        andalso mod_xmpp_outgoing:has_asked(To, From).

%% Only one's own address can be subscribed to a room of ours (mod_xmpp_rooms). It does not take the places of contacts in the mailbox.
is_subscribed_room(Packet, {User, Server, _} = To) ->
    element(1, Packet) =:= message
        andalso lists:any(fun(Event) -> binary:match(fxml:get_path_s(Event, [{elem, <<"items">>}, {attr, <<"node">>}]), ?MUCSUB) =:= {0, byte_size(?MUCSUB)} end,
                          fxml:get_subtags(xmpp:encode(Packet), <<"event">>))
        andalso (ejabberd_sm:get_user_resources(User, Server) =/= [] orelse not has_no_room(Packet, To)).

%% Who invites to a room of ours speaks through it, and who declines: the room says who, by itself. What others say in it is by their nickname.
sender(Packet) ->
    {_, _, Resource} = Whole = jid:tolower(xmpp:get_from(Packet)),
    From = jid:remove_resource(Whole),
    case Resource =:= <<>> andalso is_our_room(From)
        andalso xmpp_mediated:people(Packet, <<"decline">>, <<"from">>) ++ xmpp_mediated:people(Packet, <<"invite">>, <<"from">>) of
        [Person | _] -> bare(Person);
        _ -> From
    end.

is_our_room({_, Server, _}) ->
    mod_xmpp_components:is_ours(Server) andalso not ejabberd_router:is_my_host(Server).

has_no_room(Packet, {User, Server, _}) ->
    element(1, Packet) =:= message andalso mod_offline:count_offline_messages(User, Server) >= ?WAITING.

is_too_much(other, From, To) ->
    exceeds([{{others, From, To}, ?OTHERS}, {{others, To}, ?OTHERS_OF_ALL}]);
is_too_much(words, {_, Server, _} = From, To) ->
    Elsewhere = not mod_xmpp_components:is_ours(Server),
    Part = not Elsewhere andalso not ejabberd_router:is_my_host(Server),  %% a room or a node of ours, which many may hear
    Met = xmpp_token_bucket:remembers(?MODULE, {met, From, To}),
    Answered = xmpp_token_bucket:remembers(?MODULE, {met, To, From}),
    Limits = [Limit || not Answered, Limit <- [{{messages, From, To}, ?MESSAGES}, {{to, To}, ?MESSAGES_OF_ALL}]]
        ++ [{{people, From}, ?PEOPLE} || not Met, not Part]
        ++ [Limit || Elsewhere, not Met, Limit <- [{{server, Server}, ?PEOPLE_OF_SERVER}, {{servers, xmpp_token_bucket:site(Server)}, ?PEOPLE_OF_SERVERS},
                                                   {all, ?PEOPLE_OF_ALL}]],
    Exceeds = exceeds(Limits),
    Exceeds orelse Part orelse xmpp_token_bucket:remember(?MODULE, {met, From, To}, ?MET),
    Exceeds.

exceeds(Limits) ->
    case lists:any(fun({Key, {Size, Seconds}}) -> xmpp_token_bucket:used_up(?MODULE, Key, Size, Seconds) end, Limits) of
        true -> true;
        false ->
            [xmpp_token_bucket:use(?MODULE, Key, Seconds) || {Key, {_, Seconds}} <- Limits],
            false
    end.

bare(JID) -> jid:tolower(jid:remove_resource(JID)).

%% ---------------------------------------------------------------------- block lists
is_listed({_, Server, _} = Address) ->
    Listed = persistent_term:get(?MODULE, #{}),
    map_size(Listed) > 0 andalso not ejabberd_router:is_my_host(Server)
        andalso (is_map_key(checksum(jid:encode(Address)), Listed) orelse is_map_key(checksum(Server), Listed)).

checksum(Text) -> str:to_hexlist(crypto:hash(sha256, Text)).

enter_room(drop, _Room, _Nick) -> drop;
enter_room(Packet, _Room, _Nick) ->
    case xmpp:get_type(Packet) =:= available andalso is_listed(bare(xmpp:get_from(Packet))) of
        true -> refuse(Packet, listed(Packet));
        false -> Packet
    end.

%% An occupant that was listed after joining is removed at its next message.
say_in_room(drop, _Room, _Nick) -> drop;
say_in_room(Packet, _Room, _Nick) ->
    From = xmpp:get_from(Packet),
    case is_listed(bare(From)) of
        true ->
            mod_muc_room:change_item_async(self(), From, role, none, <<"You are on a block list that this server uses.">>),
            refuse(Packet, listed(Packet));
        false -> Packet
    end.

listed(Packet) ->
    xmpp:err_forbidden(<<"You are on a block list that this server uses.">>, xmpp:get_lang(Packet)).

%% A request or a message is answered with an error; an error or an answer never is.
refuse(Packet, Error) ->
    lists:member(xmpp:get_type(Packet), [error, result, unavailable, unsubscribe, unsubscribed, subscribed, probe])
        orelse ejabberd_router:route_error(Packet, Error),
    {stop, drop}.

refresh() ->
    gen_server:cast(gen_mod:get_module_proc(hd(ejabberd_option:hosts()), ?MODULE), refresh).

%% The state: the domain that fetches, and the last content of each list.
init([Host, Opts]) ->
    persistent_term:put(?MODULE, #{}),
    Lists = maps:get(block_lists, Opts),
    [erlang:send_after(?FIRST * 1000, self(), {fetch, List}) || List <- Lists],
    {ok, {Host, maps:from_keys(Lists, [])}}.

handle_call(_, _, State) -> {reply, ok, State}.

handle_cast(refresh, {_, Lists} = State) ->
    [fetch(List, State) || List <- maps:keys(Lists)],
    {noreply, State};
handle_cast(_, State) -> {noreply, State}.

handle_info({fetch, List}, State) ->
    fetch(List, State),
    {noreply, State};
handle_info({iq_reply, Answer, List}, {Host, Lists} = State) ->
    case Answer =/= timeout andalso xmpp:get_type(Answer) =:= result of
        true ->
            New = Lists#{List => checksums(xmpp:encode(Answer))},
            persistent_term:put(?MODULE, maps:from_keys(lists:append(maps:values(New)), [])),
            erlang:send_after(?AGAIN * 1000, self(), {fetch, List}),
            {noreply, {Host, New}};
        false ->
            erlang:send_after(?FAILED * 1000, self(), {fetch, List}),
            {noreply, State}
    end;
handle_info(_, State) -> {noreply, State}.

fetch(List, {Host, _}) ->
    Items = {xmlel, <<"items">>, [{<<"node">>, ?NODE}], []},
    Question = {xmlel, <<"pubsub">>, [{<<"xmlns">>, <<"http://jabber.org/protocol/pubsub">>}], [Items]},
    Attributes = [{<<"type">>, <<"get">>}, {<<"id">>, <<"list">>}],
    Packet = xmpp:decode({xmlel, <<"iq">>, Attributes, [Question]}, <<"jabber:client">>, [ignore_els]),
    ejabberd_router:route_iq(xmpp:set_from_to(Packet, jid:make(Host), jid:make(List)), List, self()).

checksums(Answer) ->
    [Id || {xmlel, <<"item">>, _, _} = Item <- elements(fxml:get_path_s(Answer, [{elem, <<"pubsub">>}, {elem, <<"items">>}])),
           Id <- [fxml:get_tag_attr_s(<<"id">>, Item)], byte_size(Id) =:= 64].

elements({xmlel, _, _, Elements}) -> Elements;
elements(_) -> [].
