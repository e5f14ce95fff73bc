%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the size of pages. From an archive (XEP-0313), ejabberd sends up to 250 messages at once, however large they are, and all messages to a
%% client that asks by the oldest protocol (urn:xmpp:mam:tmp); all of it stays in memory while the client does not read. Here a page has at most 50
%% messages, which is the default anyway, and 1 MiB (or one message that is larger); it says that there is more, and apps ask for the next page.
%% The same holds for the items of a node (XEP-0060), of which ejabberd sends a thousand in one stanza. For a list of their names (XEP-0030)
%% ejabberd reads all of them; that is refused for a node that is larger. Messages of a mailbox (XEP-0013) are sent as often as they are named, so a
%% request for them is as short as any that waits here.
%% An app gets one page at a time, the next one when the last has been sent, and only so many requests are queued. A room's archive is read in
%% another process, so the room goes on meanwhile.
%% Hooks: user_send_packet, s2s_receive_packet, muc_process_iq, c2s_session_opened, c2s_session_resumed, c2s_handle_info, s2s_in_handle_info,
%% s2s_out_handle_info. Without this module pages are as large as ejabberd allows, and a room stands still while one is read.
%% More than 300 lines: archives, nodes and names share the queue, the measuring and the limits; parts of it would export all of that to each other.
-module(mod_xmpp_pages).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([ask/1, ask/2, ask_from_elsewhere/1, opened/1, answer/2]).

-define(PAGE, 50).
-define(BYTES, 1048576).
-define(SMALL, 32768).     %% bytes of a node that are sent at once
-define(AROUND, 512).      %% bytes about a message, when it is sent as part of a page
-define(QUESTION, 8192).   %% bytes of a request, which waits in memory
-define(WAITING, 200).     %% requests of one app: it may ask a hundred rooms at once what was said
-define(SENT, 60_000).     %% ms, until nobody waits for a page to leave any more
-define(ITEMS, <<"http://jabber.org/protocol/disco#items">>).
-define(OFFLINE, <<"http://jabber.org/protocol/offline">>).
-define(OPEN, " AND nodeid IN (SELECT nodeid FROM pubsub_node_option WHERE name = 'access_model' AND val = 'open')").
-define(RSM, <<"http://jabber.org/protocol/rsm">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_queue:new(?MODULE, ?WAITING),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, ask, 95),  %% after all who look at what is sent
    ejabberd_hooks:Do(s2s_receive_packet, Host, ?MODULE, ask_from_elsewhere, 95),
    ejabberd_hooks:Do(muc_process_iq, Host, ?MODULE, ask, 45),    %% before mod_mam; from wherever
    ejabberd_hooks:Do(c2s_session_opened, Host, ?MODULE, opened, 50),
    ejabberd_hooks:Do(c2s_session_resumed, Host, ?MODULE, opened, 50),
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, answer, 10),
    ejabberd_hooks:Do(s2s_in_handle_info, Host, ?MODULE, answer, 10),
    ejabberd_hooks:Do(s2s_out_handle_info, Host, ?MODULE, answer, 10),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_mam, hard}, {mod_roster, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% The database statements of a session count as its account's (xmpp_fair).
opened(#{user := User, lserver := Server} = State) ->
    xmpp_fair:belongs(self(), {User, Server}, slow),
    State.

%% By a session. Of an archive, to the server or an account of the same domain: ejabberd takes both for one's own.
ask({Packet, #{lserver := Server} = State} = Acc) when element(1, Packet) =:= iq ->
    case {queries(Packet), items(Packet), jid:tolower(xmpp:get_to(Packet))} of
        {[Query], [], {_, Server, <<>>}} ->
            {User, _, _} = jid:tolower(xmpp:get_from(Packet)),
            later(Packet, State, fun() -> ejabberd_router:route(xmpp:set_els(Packet, [bound(Query, User, Server)])) end);
        {[], [Node], {_, Host, <<>>}} ->
            case ejabberd_router:is_my_route(Host)
                andalso ejabberd_hooks:run_fold(privacy_check_packet, Server, allow, [State, Packet, out]) of
                allow -> ask_items(Acc, Node, Server);
                _ -> Acc
            end;
        {[], [], {_, Host, <<>>}} ->
            case Host =:= Server andalso reads_mailbox(Packet) of
                true -> later(Packet, State, fun() -> ejabberd_router:route(Packet) end);
                false -> ask_names(Acc, Host)
            end;
        _ -> Acc
    end;
ask(Acc) ->
    Acc.

%% By another server: the items of a node.
ask_from_elsewhere({Packet, _} = Acc) when element(1, Packet) =:= iq ->
    case {items(Packet), jid:tolower(xmpp:get_to(Packet))} of
        {[Node], {_, Host, <<>>}} -> ask_items(Acc, Node, ejabberd_router:host_of_route(Host));
        {[], {_, Host, <<>>}} -> ask_names(Acc, Host);
        _ -> Acc
    end;
ask_from_elsewhere(Acc) ->
    Acc.

ask_items({Packet, State} = Acc, {Items, PubSub}, Server) ->
    case weigh(fxml:get_tag_attr_s(<<"node">>, Items), jid:tolower(xmpp:get_to(Packet)), Server) of
        {Sum, _} when Sum =< ?SMALL -> Acc;
        Sizes -> later(Packet, State, fun() -> items(Packet, Items, PubSub, Sizes) end)
    end.

%% Of an account's nodes, or of one.
ask_names({Packet, State} = Acc, Host) ->
    {User, _, _} = To = jid:tolower(xmpp:get_to(Packet)),
    Names = [fxml:get_tag_attr_s(<<"node">>, Query)
             || xmpp:get_type(Packet) =:= get, {xmlel, <<"query">>, _, _} = Query <- xmpp:get_els(Packet),
                fxml:get_tag_attr_s(<<"xmlns">>, Query) =:= ?ITEMS],
    Nodes = case Names of
                [<<>>] -> [all || User =/= <<>>, ejabberd_router:is_my_host(Host)];
                _ -> [hd(binary:split(Name, <<"!">>)) || Name <- Names, ejabberd_router:is_my_route(Host)]  %% as ejabberd takes it
            end,
    Self = jid:tolower(jid:remove_resource(xmpp:get_from(Packet))),
    Shown = case To =:= Self orelse mod_roster:is_subscribed(jid:make(Self), jid:make(To)) of
                true -> [];
                false -> ?OPEN  %% of others ejabberd reads nothing, and the answer would tell that they are there
            end,
    case [Sum || Node <- Nodes, {Sum, _} <- [weigh(Node, To, ejabberd_router:host_of_route(Host), Shown)], Sum > ?BYTES] of
        [] -> Acc;
        _ ->
            Text = <<"There is too much to be listed.">>,
            ejabberd_router:route_error(Packet, xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet))),
            {stop, {drop, State}}
    end.

later(Packet, State, Work) ->
    Refused = later(Packet, Work),
    Refused =:= ok orelse ejabberd_router:route(Refused),
    {stop, {drop, State}}.

%% A room has read it already.
ask(IQ, Room) when element(1, IQ) =:= iq ->
    case queries(xmpp:set_els(IQ, [xmpp:encode(El) || El <- xmpp:get_els(IQ)])) of
        [Query] ->
            Process = self(),
            Address = jid:encode(jid:remove_resource(xmpp:get_to(IQ))),
            Server = server(Room),
            case later(IQ, fun() -> read(IQ, bound(Query, Address, Server), Process) end) of
                ok -> {stop, ignore};
                Error -> {stop, Error}
            end;
        _ -> IQ
    end;
ask(Acc, _Room) ->
    Acc.

server(Room) -> element(4, Room).

%% The room's state is read when it is needed: a waiting request takes no memory for it.
read(IQ, Query, Process) ->
    {ok, Room} = mod_muc_room:get_state(Process),
    case mod_mam:muc_process_iq(xmpp:set_els(IQ, [xmpp:decode(Query)]), Room) of
        ignore -> ok;
        Answer -> ejabberd_router:route(Answer)
    end.

queries(IQ) ->
    [Query || lists:member(xmpp:get_type(IQ), [get, set]), {xmlel, <<"query">>, _, _} = El <- xmpp:get_els(IQ),
           is_archive(fxml:get_tag_attr_s(<<"xmlns">>, El)), Query <- xmpp_payload:understood(El)].

reads_mailbox(IQ) ->
    xmpp:get_type(IQ) =:= get andalso [El || El <- xmpp:get_els(IQ), xmpp:get_ns(El) =:= ?OFFLINE] =/= [].

%% What a node has (XEP-0060), in one stanza, however much it is.
items(IQ) ->
    [{Items, PubSub} || xmpp:get_type(IQ) =:= get, {xmlel, <<"pubsub">>, _, _} = El <- xmpp:get_els(IQ), PubSub <- xmpp_payload:understood(El),
                        {xmlel, <<"items">>, _, _} = Items <- [fxml:get_subtag(PubSub, <<"items">>)]].

weigh(Node, To, Server) ->
    weigh(Node, To, Server, []).

weigh(Node, To, Server, Shown) ->
    Where = [" FROM pubsub_item WHERE nodeid IN (SELECT nodeid FROM pubsub_node WHERE host = ", xmpp_sql:quote(jid:encode(To)),
             [[" AND node = ", xmpp_sql:quote(Node)] || Node =/= all], Shown, ")"],
    case ejabberd_sql:sql_query(Server, [<<"SELECT coalesce(sum(octet_length(payload)), 0), coalesce(max(octet_length(payload)), 0)">>, Where]) of
        {selected, _, [[Sum, Largest]]} -> {binary_to_integer(Sum), binary_to_integer(Largest)};
        _ -> {?BYTES + 1, ?BYTES}
    end.

%% Those that were published last, so many that they are no more than a page of bytes, whatever sizes they have. Of several that are asked
%% for by name, ejabberd reads all that there are.
items(IQ, Items, PubSub, {Sum, Largest}) ->
    case length([named || Item <- fxml:get_subtags(Items, <<"item">>), fxml:get_tag_attr_s(<<"id">>, Item) =/= <<>>]) of
        _ when Sum =< ?BYTES -> ejabberd_router:route(IQ);
        1 -> ejabberd_router:route(IQ);
        0 -> ejabberd_router:route(xmpp:set_els(IQ, [fewer(PubSub, Items, max(1, ?BYTES div Largest))]));
        _ ->
            Text = <<"This node is too large for that. Please ask for one item at a time.">>,
            ejabberd_router:route_error(IQ, xmpp:err_resource_constraint(Text, xmpp:get_lang(IQ)))
    end.

fewer({xmlel, Name, Attrs, Els}, {xmlel, _, ItemsAttrs, Inside} = Items, Most) ->
    {Sets, Others} = lists:partition(fun is_set/1, lists:delete(Items, Els)),
    Wished = case string:to_integer(fxml:get_tag_attr_s(<<"max_items">>, Items)) of
                 {Number, <<>>} when Number > 0 -> Number;
                 _ -> Most
             end,
    Given = case Sets of
                [] -> [{xmlel, <<"set">>, [{<<"xmlns">>, ?RSM}], [{xmlel, <<"before">>, [], []}]}];
                _ -> Sets
            end,
    Max = lists:min([Most, Wished | [Number || Set <- Given, Number <- numbers(Set)]]),
    {xmlel, Name, Attrs, [{xmlel, <<"items">>, lists:keydelete(<<"max_items">>, 1, ItemsAttrs), Inside}]
        ++ Others ++ [limited(Set, Max) || Set <- Given]}.

is_archive(<<"urn:xmpp:mam:", _/binary>>) -> true;
is_archive(_) -> false.

%% All of another server are one, with all names below its own: it can make up any number of addresses.
later(IQ, Work) ->
    From = xmpp:get_from(IQ),
    {User, Server, Resource} = jid:tolower(From),
    {Account, App} = case ejabberd_router:is_my_host(Server) of
                         true -> {{User, Server}, {User, Server, Resource}};
                         false -> {xmpp_token_bucket:site(Server), {Server, element(2, jid:tolower(xmpp:get_to(IQ)))}}
                     end,
    Line = case App of
               {_, _, _} -> App;
               {_, Ours} -> {Account, Ours}
           end,
    case erlang:external_size(IQ) =< ?QUESTION andalso xmpp_queue:add(?MODULE, Line, fun() ->
             xmpp_fair:belongs(self(), Account, all),
             try
                 gone(App) orelse Work()
             catch
                 _:_ -> ejabberd_router:route_error(IQ, xmpp:err_internal_server_error())
             end,
             sent(App)
         end) of
        ok -> ok;
        false -> xmpp:make_error(IQ, xmpp:err_policy_violation(<<"This request is longer than 8 KiB.">>, xmpp:get_lang(IQ)));
        full ->
            Text = <<"Too many requests of yours wait for an answer. Please wait a moment.">>,
            xmpp:make_error(IQ, xmpp:err_resource_constraint(Text, xmpp:get_lang(IQ)))
    end.

gone({_, _, _} = App) -> carriers(App) =:= [];
gone(_Servers) -> false.

%% Until the session, or the connection to the other server, has dealt with what it was given before.
sent(App) ->
    [begin
         Monitor = monitor(process, Carrier),
         Carrier ! {?MODULE, self()},
         receive
             {?MODULE, Carrier} -> ok;
             {'DOWN', Monitor, _, _, _} -> ok
         after ?SENT -> ok
         end
     end || Carrier <- carriers(App)].

carriers({User, Server, Resource}) -> [Session || Session <- [ejabberd_sm:get_session_pid(User, Server, Resource)], Session =/= none];
carriers({Theirs, Ours}) -> [element(3, Connection) || Connection <- mnesia:dirty_read(s2s, {Ours, Theirs})].

answer(State, {?MODULE, Asking}) ->
    Asking ! {?MODULE, self()},
    {stop, State};
answer(State, _Info) ->
    State.

bound({xmlel, Name, Attrs, Els} = Query, User, Server) ->
    {Sets, Others} = lists:partition(fun is_set/1, Els),
    Given = case Sets of
                [] -> [{xmlel, <<"set">>, [{<<"xmlns">>, ?RSM}], []}];
                _ -> Sets
            end,
    Max = case lists:min([?PAGE | [Number || Set <- Given, Number <- numbers(Set)]]) of
              0 -> 0;
              Number -> max(1, min(Number, fitting(Query, hd(Given), User, Server)))
          end,
    {xmlel, Name, Attrs, Others ++ [limited(Set, Max) || Set <- Given]}.

is_set({xmlel, <<"set">>, _, _} = El) -> fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?RSM;
is_set(_) -> false.

is_max(El) -> element(1, El) =:= xmlel andalso element(2, El) =:= <<"max">>.

numbers({xmlel, _, _, Els}) ->
    [Number || Wish <- Els, is_max(Wish), {Number, <<>>} <- [string:to_integer(fxml:get_tag_cdata(Wish))], Number >= 0].

limited({xmlel, Name, Attrs, Els}, Max) ->
    Others = [El || El <- Els, not is_max(El)],
    {xmlel, Name, Attrs, [{xmlel, <<"max">>, [], [{xmlcdata, integer_to_binary(Max)}]} | Others]}.

%% How many of the messages that are asked for are no more than a page of bytes. The database tells sizes without reading the messages.
fitting(Query, Set, User, Server) ->
    Before = fxml:get_subtag(Set, <<"before">>),
    {Order, Sign, Place} = case Before of
                               false -> {"ASC", ">", fxml:get_path_s(Set, [{elem, <<"after">>}, cdata])};
                               _ -> {"DESC", "<", fxml:get_tag_cdata(Before)}
                           end,
    Conditions = [["username = ", xmpp_sql:quote(User)], ["server_host = ", xmpp_sql:quote(Server)]] ++ with(field(<<"with">>, Query))
        ++ time(">=", field(<<"start">>, Query)) ++ time("<=", field(<<"end">>, Query)) ++ place(Sign, Place),
    case ejabberd_sql:sql_query(Server, [<<"SELECT octet_length(xml) FROM archive WHERE ">>, lists:join(" AND ", Conditions),
                                         " ORDER BY timestamp ", Order, " LIMIT ", integer_to_list(?PAGE)]) of
        {selected, _, Rows} -> fitting([binary_to_integer(Size) || [Size] <- Rows], ?BYTES);
        _ -> 1
    end.

fitting([Size | Sizes], Left) when Size + ?AROUND =< Left -> 1 + fitting(Sizes, Left - Size - ?AROUND);
fitting([], _Left) -> ?PAGE;
fitting(_Sizes, _Left) -> 0.

%% In a form, of which ejabberd takes the last field of a name, or, in the oldest protocol, an element.
field(Name, Query) ->
    case {fxml:get_tag_attr_s(<<"xmlns">>, Query), fxml:get_subtag(Query, <<"x">>)} of
        {<<"urn:xmpp:mam:tmp">>, _} -> fxml:get_path_s(Query, [{elem, Name}, cdata]);
        {_, false} -> <<>>;
        {_, Form} ->
            lists:last([<<>> | [fxml:get_path_s(Field, [{elem, <<"value">>}, cdata])
                                || Field <- fxml:get_subtags(Form, <<"field">>), fxml:get_tag_attr_s(<<"var">>, Field) =:= Name]])
    end.

with(<<>>) -> [];
with(Address) ->
    try jid:tolower(jid:decode(Address)) of
        {_, _, <<>>} = JID -> [["bare_peer = ", xmpp_sql:quote(jid:encode(JID))]];
        JID -> [["peer = ", xmpp_sql:quote(jid:encode(JID))]]
    catch
        _:_ -> []
    end.

time(Sign, Text) ->
    try xmpp_util:decode_timestamp(Text) of
        Time -> [["timestamp ", Sign, " ", integer_to_list(misc:now_to_usec(Time))]]
    catch
        _:_ -> []
    end.

place(Sign, Text) ->
    case string:to_integer(Text) of
        {Number, <<>>} when Number >= 0 -> [["timestamp ", Sign, " ", integer_to_list(Number)]];
        _ -> []
    end.
