%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the abuse of rooms (XEP-0045). Nobody can subscribe somebody else (MUC/Sub): an owner can allow subscriptions in any room, and what a
%% room sends to its subscribers is not judged. Messages and joins per occupant are limited. Rooms per account are limited, and so is what a room
%% stores. Rooms are counted by their owners: an account that others made an owner keeps places for rooms of its own, and the last owner on this
%% server can hand over few rooms to somebody on another server, who is not counted.
%% Hooks: muc_process_iq, muc_filter_message, muc_filter_presence, user_send_packet, s2s_receive_packet, remove_user.
%% Without this module ejabberd lets moderators subscribe anybody, and neither an occupant's messages nor rooms are limited.
-module(mod_xmpp_rooms).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([refuse_subscription/2, refuse_change/2, say/3, enter/3, question/1, create/1, account_removed/2, keeps/2, full/1]).

%% {at once, seconds until one more is possible}
-define(MESSAGES, {60, 1}).    %% of one person to one room
-define(PRESENCES, {30, 3}).   %% the same: entering, and every change of a status
-define(QUESTIONS, {600, 1}).  %% of one person to people in rooms: an app asks all for their pictures
-define(CHANGES, {300, 1}).    %% of one person to rooms: people, configuration
-define(SAID, {4_194_304, 8_192}).           %% bytes that one account says in rooms at once, and each second: each room keeps the last messages
-define(SAID_ELSEWHERE, {67_108_864, 131_072}).  %% the same of all people of another server
-define(NEW, {200, 300}).      %% rooms that one account makes
-define(OWNED, 300).           %% rooms that it owns
-define(GIVEN, 150).           %% of these, what others may make it the owner of
-define(HAND_OVER, {60, 60}).  %% rooms that their last owner here leaves to somebody
-define(AWAY, {30, 86_400}).   %% rooms whose last owner here leaves them to owners elsewhere
-define(ROOM, 524_288).        %% bytes of a room: people, configuration, picture
-define(ADMIN, <<"http://jabber.org/protocol/muc#admin">>).
-define(OWNER, <<"http://jabber.org/protocol/muc#owner">>).
-define(MUCSUB, <<"urn:xmpp:mucsub:0">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_sum:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(muc_process_iq, Host, ?MODULE, refuse_subscription, 10),
    ejabberd_hooks:Do(muc_process_iq, Host, ?MODULE, refuse_change, 11),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, create, 26),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, question, 27),
    ejabberd_hooks:Do(s2s_receive_packet, Host, ?MODULE, question, 27),
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, account_removed, 95),
    ejabberd_hooks:Do(muc_filter_message, Host, ?MODULE, say, 30),
    ejabberd_hooks:Do(muc_filter_presence, Host, ?MODULE, enter, 30),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_muc, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

refuse_subscription(IQ, _Room) when element(1, IQ) =:= iq ->
    Self = bare(xmpp:get_from(IQ)),
    Others = [Address || {xmlel, <<"subscribe">>, _, _} = Subscribe <- fxml:get_subtags(xmpp:encode(IQ), <<"subscribe">>),
                         Address <- [fxml:get_tag_attr_s(<<"jid">>, Subscribe)], Address =/= <<>>, bare(jid:decode(Address)) =/= Self],
    case Others of
        [] -> IQ;
        _ -> xmpp:make_error(IQ, xmpp:err_forbidden(<<"Only your own address can be subscribed.">>, xmpp:get_lang(IQ)))
    end;
refuse_subscription(Acc, _Room) ->
    Acc.

say(drop, _Room, _Nick) -> drop;
say(Packet, _Room, _Nick) ->
    {User, Server, _} = bare(xmpp:get_from(Packet)),
    {Who, {AtOnce, EachSecond}} = case ejabberd_router:is_my_host(Server) of
                                      true -> {{User, Server}, ?SAID};
                                      false -> {xmpp_token_bucket:site(Server), ?SAID_ELSEWHERE}
                                  end,
    case xmpp_token_bucket:used_up(?MODULE, {said, Who}, 2, AtOnce div EachSecond) of
        true -> too_much(Packet);
        false ->
            xmpp_token_bucket:use(?MODULE, {said, Who}, erlang:external_size(Packet) / EachSecond),
            limit(Packet, messages, ?MESSAGES)
    end.

%% Leaving is never limited.
enter(drop, _Room, _Nick) -> drop;
enter(Packet, _Room, _Nick) ->
    case xmpp:get_type(Packet) of
        available -> limit(Packet, presences, ?PRESENCES);
        _ -> Packet
    end.

%% To somebody in a room, who has entered it and so hears whatever comes from there.
question({IQ, State} = Acc) when element(1, IQ) =:= iq ->
    {Room, Service, Nick} = jid:tolower(xmpp:get_to(IQ)),
    {Size, Seconds} = ?QUESTIONS,
    Key = {questions, bare(xmpp:get_from(IQ))},
    case Room =/= <<>> andalso Nick =/= <<>> andalso lists:member(xmpp:get_type(IQ), [get, set])
        andalso ejabberd_router:is_my_route(Service) andalso not ejabberd_router:is_my_host(Service) of
        false -> Acc;
        true ->
            case xmpp_token_bucket:used_up(?MODULE, Key, Size, Seconds) of
                true ->
                    ejabberd_router:route_error(IQ, more_than_one_may(IQ)),
                    {stop, {drop, State}};
                false ->
                    xmpp_token_bucket:use(?MODULE, Key, Seconds),
                    Acc
            end
    end;
question(Acc) ->
    Acc.

limit(Packet, Kind, {Size, Seconds}) ->
    Key = {Kind, bare(xmpp:get_from(Packet)), bare(xmpp:get_to(Packet))},
    case xmpp_token_bucket:used_up(?MODULE, Key, Size, Seconds) of
        true -> too_much(Packet);
        false ->
            xmpp_token_bucket:use(?MODULE, Key, Seconds),
            Packet
    end.

too_much(Packet) ->
    ejabberd_router:route_error(Packet, more_than_one_may(Packet)),
    {stop, drop}.

more_than_one_may(Packet) ->
    xmpp:err_resource_constraint(<<"This is more than one person may send to a room. Please wait a moment.">>, xmpp:get_lang(Packet)).

%% ---------------------------------------------------------------------- how many rooms
create({drop, _} = Acc) -> Acc;
create({Packet, State}) ->
    case would_create(Packet) andalso too_many(bare(xmpp:get_from(Packet))) of
        Text when is_binary(Text) ->
            ejabberd_router:route_error(Packet, xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet))),
            {stop, {drop, State}};
        false -> {Packet, State}
    end.

too_many(From) ->
    {Size, Seconds} = ?NEW,
    case not is_admin(From) andalso xmpp_token_bucket:used_up(?MODULE, {new, From}, Size, Seconds) of
        true -> <<"You have made many rooms in a short time. Please try again later.">>;
        false ->
            case is_admin(From) orelse xmpp_sum:fits(?MODULE, {rooms, From}, From, 1, ?OWNED, fun() -> owned(From) end) of
                true -> xmpp_token_bucket:use(?MODULE, {new, From}, Seconds), false;
                false -> <<"You own as many rooms as an account may, which is 300. Please destroy some of them.">>
            end
    end.

would_create(Packet) when element(1, Packet) =:= presence ->
    xmpp:get_type(Packet) =:= available andalso is_new(xmpp:get_to(Packet));
would_create(Packet) when element(1, Packet) =:= iq ->
    lists:any(fun(El) -> lists:member(xmpp:get_ns(El), [?OWNER, ?MUCSUB]) end, xmpp:get_els(Packet)) andalso is_new(xmpp:get_to(Packet));
would_create(_Packet) ->
    false.

is_new(undefined) -> false;
is_new(JID) ->
    {Room, Service, _} = jid:tolower(JID),
    Room =/= <<>> andalso ejabberd_router:is_my_route(Service) andalso not ejabberd_router:is_my_host(Service)
        andalso begin
                    Host = ejabberd_router:host_of_route(Service),
                    lists:member(Service, gen_mod:get_module_opt_hosts(Host, mod_muc))
                        andalso mod_muc:find_online_room(Room, Service) =:= error
                        andalso element(3, sql(Host, ["SELECT name FROM muc_room WHERE name = ", xmpp_sql:quote(Room), " AND host = ", xmpp_sql:quote(Service)])) =:= []
                end.

%% As ejabberd writes them: {{User, Server, <<>>}, owner}, or {owner, Reason}.
owned({_, Host, _} = Account) ->
    Plain = misc:term_to_expr({Account, owner}),
    Reasoned = binary:part(misc:term_to_expr({Account, {owner, <<>>}}), 0, byte_size(Plain) + 1),  %% without its end
    case sql(Host, ["SELECT count(*) FROM muc_room WHERE instr(opts, ", xmpp_sql:quote(Plain), ") OR instr(opts, ", xmpp_sql:quote(Reasoned), ")"]) of
        {selected, _, [[Count]]} when is_binary(Count) -> {ok, binary_to_integer(Count)};
        {selected, _, [[Count]]} when is_integer(Count) -> {ok, Count};
        _ -> unknown
    end.

account_removed(User, Server) ->
    xmpp_sum:delete(?MODULE, {rooms, {User, Server, <<>>}}).

%% ---------------------------------------------------------------------- how much in a room, and whose it is
refuse_change(IQ, Room) when element(1, IQ) =:= iq ->
    case xmpp:get_type(IQ) =:= set andalso changed(IQ, Room) of
        Error when is_tuple(Error) -> xmpp:make_error(IQ, Error);
        _ -> IQ
    end;
refuse_change(Acc, _Room) ->
    Acc.

%% Each change stores the whole room again.
changed(IQ, Room) ->
    Key = {changes, bare(xmpp:get_from(IQ))},
    {Size, Seconds} = ?CHANGES,
    case xmpp_token_bucket:used_up(?MODULE, Key, Size, Seconds) of
        true -> more_than_one_may(IQ);
        false ->
            xmpp_token_bucket:use(?MODULE, Key, Seconds),
            judged(IQ, Room)
    end.

judged(IQ, Room) ->
    Lang = xmpp:get_lang(IQ),
    Els = [xmpp:encode(El) || El <- xmpp:get_els(IQ)],
    Items = [{fxml:get_tag_attr_s(<<"affiliation">>, Item), whom(fxml:get_tag_attr_s(<<"jid">>, Item))}
             || {xmlel, <<"query">>, _, _} = Query <- Els, {xmlel, _, _, _} = Item <- fxml:get_subtags(Query, <<"item">>)],
    All = owners(Room),
    Owners = [Who || Items =/= [], {_, Server, _} = Who <- All, ejabberd_router:is_my_host(Server)],
    Left = Owners -- [Who || {Kind, Who} <- Items, Kind =/= <<>>, Kind =/= <<"owner">>],
    New = [Who || {<<"owner">>, Who} <- Items, not lists:member(Who, Owners), is_account(Who)],
    case shrinks(Els, Items) orelse keeps(Room, Els) of
        false -> full(Lang);
        true ->
            %% ejabberd refuses it to anybody but an owner.
            Leaves = Owners =/= [] andalso Left =:= [] andalso lists:member(bare(xmpp:get_from(IQ)), All),
            Gets = fun(Who) -> is_admin(Who) orelse xmpp_sum:fits(?MODULE, {rooms, Who}, Who, 1, ?GIVEN, fun() -> owned(Who) end) end,
            case not (Leaves andalso not leave(bare(xmpp:get_from(IQ)), Owners, New)) andalso (lists:all(Gets, New) orelse given) of
                true -> ok;
                false -> xmpp:err_resource_constraint(<<"You have left many rooms without an owner who has an account here. Please try again later.">>, Lang);
                given -> xmpp:err_resource_constraint(<<"That account owns as many rooms as others may give it, which is 150.">>, Lang)
            end
    end.

%% The answer tells whether the new owner has an account here, so it is given as seldom as messages to strangers tell it.
leave(From, Owners, New) ->
    Limits = [{{hand_over, From}, ?HAND_OVER} | [{{away, Who}, ?AWAY} || New =:= [], Who <- Owners]],
    not lists:any(fun({Key, {Size, Seconds}}) -> xmpp_token_bucket:used_up(?MODULE, Key, Size, Seconds) end, Limits)
        andalso lists:foreach(fun({Key, {_, Seconds}}) -> xmpp_token_bucket:use(?MODULE, Key, Seconds) end, Limits) =:= ok.

%% Somebody loses a place, a role or a subscription, or the room ends.
shrinks(_Els, [_ | _] = Items) ->
    lists:all(fun({Kind, _}) -> Kind =:= <<>> orelse Kind =:= <<"none">> end, Items);
shrinks(Els, []) ->
    lists:any(fun(El) -> element(2, El) =:= <<"unsubscribe">> orelse fxml:get_subtag(El, <<"destroy">>) =/= false end, Els).

%% More in a room; one that is not there keeps nothing.
keeps(none, _More) -> true;
keeps(Room, More) -> bytes(Room) + erlang:external_size(More) =< ?ROOM.

full(Lang) ->
    xmpp:err_resource_constraint(<<"This room keeps as much as a room may, which is 512 KiB.">>, Lang).

%% Of its state, what is not of those who are in it at the moment.
bytes(Room) ->
    lists:sum([erlang:external_size(Part) || Part <- tuple_to_list(Room), is_kept(Part)]).

is_kept(Part) when is_map(Part) ->
    case maps:next(maps:iterator(Part)) of
        {_, User, _} when is_tuple(User) -> element(1, User) =/= user;
        _ -> true
    end;
is_kept(Part) when is_tuple(Part) -> lists:member(element(1, Part), [config, muc_subscribers]);
is_kept(Part) -> is_list(Part).

owners(Room) ->
    [Who || Part <- tuple_to_list(Room), is_map(Part), {{_, _, <<>>} = Who, Kind} <- maps:to_list(Part),
            Kind =:= owner orelse (is_tuple(Kind) andalso element(1, Kind) =:= owner)].

is_account({User, Server, _}) -> ejabberd_router:is_my_host(Server) andalso ejabberd_auth:user_exists(User, Server);
is_account(nobody) -> false.

is_admin({_, Server, _} = Who) -> acl:match_rule(Server, admin, jid:make(Who)) =:= allow.

whom(Text) ->
    try bare(jid:decode(Text)) catch _:_ -> nobody end.

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).


bare(JID) -> jid:tolower(jid:remove_resource(JID)).
