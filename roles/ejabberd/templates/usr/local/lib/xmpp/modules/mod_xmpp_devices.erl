%% SPDX-License-Identifier: GPL-3.0-or-later
%% Show an account its apps and their push registrations, and end one of them: what the account page has under "devices". An app is a session, or all
%% sessions and the token (XEP-0484) of one user agent (XEP-0388), connected or not. Asked by the account of itself. Nothing is stored: what an app
%% says of itself is kept in its session, all else is what ejabberd has in memory and in its tables at that moment.
%% - <list xmlns='urn:xmpp:cam:0'/>, get: as in XEP-0494. Each session also has a <session xmlns='conexizan:devices' resource=… own=…/>.
%% - <revoke xmlns='urn:xmpp:cam:0' id=…/>, set: always refused with <password-reset-required/>, as the XEP wants it for an app that has had the
%%   password. Here each has had it. What can be done all the same has a name of its own:
%% - <logout xmlns='conexizan:devices' id=…/>, set: revokes the tokens of an app, deletes its push registrations and ends its sessions; answered when
%%   they have ended.
%% - <push xmlns='conexizan:devices'/>, get: <push><app id=… server=… since=…/></push>, with the id of the client if that is connected; no node, no secret.
%% - <push-off xmlns='conexizan:devices' id=…/>, set: deletes one of these.
%% - <keys xmlns='conexizan:devices'/>, get: <keys><device version=… id=… renewed=…/></keys>, when each device last published its keys for OMEMO
%%   (XEP-0384, both versions), as ejabberd stores it with any item of a node.
%% Hooks: c2s_handle_recv, c2s_session_opened, c2s_copy_session, c2s_session_resumed, c2s_handle_info; two IQs. Without this module the account page
%% shows no apps.
-module(mod_xmpp_devices).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([said/3, opened/1, copied/2, noted/1, ended/2, decode_iq_subel/1, answer/1]).

-define(CAM, <<"urn:xmpp:cam:0">>).
-define(OWN, <<"conexizan:devices">>).
-define(OLD_OMEMO, "eu.siacs.conversations.axolotl").
-define(OMEMO, "urn:xmpp:omemo:2").
-define(LONGEST, 100).  %% characters of a name
-define(WAIT, 15000).   %% milliseconds; a page waits longer

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        [gen_iq_handler:add_iq_handler(ejabberd_sm, Host, NS, ?MODULE, answer) || NS <- [?CAM, ?OWN]],
        hooks(add, Host)
    end).

stop(Host) ->
    [gen_iq_handler:remove_iq_handler(ejabberd_sm, Host, NS) || NS <- [?CAM, ?OWN]],
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_handle_recv, Host, ?MODULE, said, 10),
    ejabberd_hooks:Do(c2s_session_opened, Host, ?MODULE, opened, 50),
    ejabberd_hooks:Do(c2s_copy_session, Host, ?MODULE, copied, 50),
    ejabberd_hooks:Do(c2s_session_resumed, Host, ?MODULE, noted, 50),
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, ended, 10),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_auth_fast, hard}, {mod_push, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% ---------------------------------------------------------------------- what a session knows of its app
said(State, {xmlel, <<"authenticate">>, _, _} = El, _Packet) ->
    case fxml:get_tag_attr_s(<<"xmlns">>, El) of
        <<"urn:xmpp:sasl:2">> ->
            Told = [{Key, fxml:get_path_s(El, [{elem, <<"user-agent">>} | Path])}
                    || {Key, Path} <- [{agent, [{attr, <<"id">>}]}, {software, [{elem, <<"software">>}, cdata]}, {device, [{elem, <<"device">>}, cdata]}]],
            State#{?MODULE => maps:from_list([{Key, kept(Key, Text)} || {Key, Text} <- Told, Text =/= <<>>])};
        _ -> State
    end;
said(State, _El, _Packet) ->
    State.

%% A token is stored with this hash of its user agent.
kept(agent, Id) -> base64:encode(crypto:hash(sha256, Id));
kept(_Name, Text) -> mod_xmpp_reports:cut(Text, ?LONGEST).

opened(#{sid := {Since, _}} = State) ->
    noted(State#{?MODULE => (maps:get(?MODULE, State, #{}))#{since => Since}}).

%% A session that is resumed is one that began earlier.
copied(State, #{?MODULE := About}) -> State#{?MODULE => About};
copied(State, _Old) -> State.

noted(#{?MODULE := About, user := User, server := Server, resource := Resource} = State) ->
    ejabberd_sm:set_user_info(User, Server, Resource, ?MODULE, About),
    State;
noted(State) ->
    State.

ended(#{lang := Lang} = State, {?MODULE, logout}) ->
    {stop, ejabberd_c2s:send(State, xmpp:serr_not_authorized(logged_out(xmpp_language:choose(Lang)), Lang))};
ended(State, _Info) ->
    State.

logged_out(<<"de">>) -> <<"Diese App wurde vom Konto aus abgemeldet."/utf8>>;
logged_out(_) -> <<"This app has been logged out by the owner of the account.">>.

%% ---------------------------------------------------------------------- who asks for what
%% They are no elements that ejabberd knows.
decode_iq_subel(El) -> El.

answer(IQ) ->
    Owner = jid:tolower(jid:remove_resource(xmpp:get_from(IQ))),
    [{xmlel, Name, _, _} = El] = xmpp:get_els(IQ),
    Id = fxml:get_tag_attr_s(<<"id">>, El),
    case jid:tolower(xmpp:get_to(IQ)) of
        Owner ->
            case {xmpp:get_type(IQ), fxml:get_tag_attr_s(<<"xmlns">>, El), Name} of
                {get, ?CAM, <<"list">>} -> told(IQ, clients(Owner), fun(Found) -> listed(Found, own(IQ)) end);
                {set, ?CAM, <<"revoke">>} -> found(IQ, Id, clients(Owner), fun(_) -> xmpp:make_error(IQ, password_needed()) end);
                {set, ?OWN, <<"logout">>} -> found(IQ, Id, clients(Owner), fun(Client) -> logout(IQ, Owner, Client) end);
                {get, ?OWN, <<"push">>} -> told(IQ, pushes(Owner), fun(Found) -> {xmlel, <<"push">>, [{<<"xmlns">>, ?OWN}], registered(Found, Owner)} end);
                {get, ?OWN, <<"keys">>} -> told(IQ, keys(Owner), fun(Found) -> {xmlel, <<"keys">>, [{<<"xmlns">>, ?OWN}], Found} end);
                {set, ?OWN, <<"push-off">>} -> found(IQ, Id, pushes(Owner), fun({_, {Time, _}}) -> silent(IQ, Owner, Time) end);
                _ -> xmpp:make_error(IQ, xmpp:err_bad_request())
            end;
        _ -> xmpp:make_error(IQ, xmpp:err_not_allowed())
    end.

told(IQ, {ok, Found}, Element) -> xmpp:make_iq_result(IQ, Element(Found));
told(IQ, failed, _Element) -> xmpp:make_error(IQ, xmpp:err_internal_server_error()).

%% One that has ended meanwhile is not there.
found(IQ, Id, {ok, Found}, Do) ->
    case lists:keyfind(Id, 1, Found) of
        false -> xmpp:make_error(IQ, xmpp:err_item_not_found());
        One -> Do(One)
    end;
found(IQ, _Id, failed, _Do) ->
    xmpp:make_error(IQ, xmpp:err_internal_server_error()).

own(IQ) ->
    {_, _, Resource} = jid:tolower(xmpp:get_from(IQ)),
    Resource.

password_needed() ->
    {xmlel, Name, Attributes, Reason} = xmpp:encode(xmpp:err_service_unavailable(), <<"jabber:client">>),
    {xmlel, Name, Attributes, Reason ++ [{xmlel, <<"password-reset-required">>, [{<<"xmlns">>, ?CAM}], []}]}.

%% ---------------------------------------------------------------------- apps
%% {id, {sessions, when the newest token was made}}. A session is what is known of it; without a user agent, when it began is its name.
clients({User, Server, _}) ->
    case tokens(User, Server) of
        {ok, Tokens} ->
            Sessions = [session(Resource, Info) || {Resource, Info} <- ejabberd_sm:get_user_info(User, Server)],
            Made = maps:from_list(Tokens),
            Grouped = maps:groups_from_list(fun(#{id := Id}) -> Id end, Sessions),
            {ok, [{Id, {maps:get(Id, Grouped, []), maps:get(Id, Made, none)}} || Id <- maps:keys(maps:merge(Made, Grouped))]};
        failed -> failed
    end.

session(Resource, Info) ->
    {Began, Pid} = {proplists:get_value(ts, Info), proplists:get_value(pid, Info)},
    About = maps:merge(#{since => Began}, proplists:get_value(?MODULE, Info, #{})),
    About#{id => maps:get(agent, About, time_id(maps:get(since, About))), resource => Resource, pid => Pid,
           push => proplists:get_value(push_id, Info, none)}.

time_id(Time) -> integer_to_binary(misc:now_to_usec(Time)).

tokens(User, Server) ->
    case ejabberd_sql:sql_query(Server, iolist_to_binary(["SELECT ua, max(created_at) FROM auth_fast_tokens WHERE username = ", xmpp_sql:quote(User),
                                                          " AND server_host = ", xmpp_sql:quote(Server), " AND expires > datetime('now') GROUP BY ua"])) of
        {selected, _, Rows} -> {ok, [{Agent, Made} || [Agent, Made] <- Rows]};
        _ -> failed
    end.


listed(Clients, Own) ->
    {xmlel, <<"clients">>, [{<<"xmlns">>, ?CAM}], [client(Client, Own) || Client <- Clients]}.

client({Id, {Sessions, Token}}, Own) ->
    {Seen, Newest} = case lists:sort(fun(#{since := One}, #{since := Other}) -> One >= Other end, Sessions) of
                         [#{since := Since} = Last | _] -> {xmpp_util:encode_timestamp(Since), Last};
                         [] -> {<<(binary:replace(binary:part(Token, 0, 19), <<" ">>, <<"T">>))/binary, "Z">>, #{}}
                     end,
    Connected = atom_to_binary(Sessions =/= []),
    {xmlel, <<"client">>, [{<<"connected">>, Connected}, {<<"id">>, Id}, {<<"type">>, <<"session">>}],
     [{xmlel, <<"last-seen">>, [], [{xmlcdata, Seen}]},
      {xmlel, <<"auth">>, [], [{xmlel, <<"password">>, [], []} | [{xmlel, <<"fast">>, [], []} || Token =/= none]]},
      {xmlel, <<"permission">>, [{<<"status">>, <<"unrestricted">>}], []},
      {xmlel, <<"user-agent">>, [], [{xmlel, atom_to_binary(Key), [], [{xmlcdata, maps:get(Key, Newest)}]}
                                     || Key <- [software, device], is_map_key(Key, Newest)]}
      | [{xmlel, <<"session">>, [{<<"xmlns">>, ?OWN}, {<<"resource">>, Resource}, {<<"own">>, atom_to_binary(Resource =:= Own)}], []}
         || #{resource := Resource} <- Sessions]]}.

%% Its tokens go first, or the app would come back with one. The session that asks is ended by itself.
logout(IQ, Owner, {Id, {Sessions, Token}}) ->
    Own = own(IQ),
    case [Own || #{resource := Resource} <- Sessions, Resource =:= Own] of
        [_ | _] -> xmpp:make_error(IQ, xmpp:err_not_allowed(<<"This is the app that asks. It logs out by itself.">>, xmpp:get_lang(IQ)));
        [] ->
            case Token =:= none orelse revoked(Owner, base64:decode(Id)) of
                true ->
                    spawn(fun() -> ejabberd_router:route(end_all(IQ, Owner, Sessions)) end),
                    ignore;
                false -> xmpp:make_error(IQ, xmpp:err_internal_server_error())
            end
    end.

revoked({User, Server, _}, Agent) ->
    Tables = gen_mod:db_mod(Server, mod_auth_fast),
    lists:all(fun(Kind) -> ok =:= Tables:del_token(Server, User, Agent, Kind) end, [current, next]).

end_all(IQ, {User, Server, _}, Sessions) ->
    [mod_push:delete_session(User, Server, Push) || #{push := Push} <- Sessions, Push =/= none],
    Waiting = [{monitor(process, Pid), ejabberd_c2s:route(Pid, {?MODULE, logout})} || #{pid := Pid} <- Sessions],
    Deadline = erlang:monotonic_time(millisecond) + ?WAIT,
    case lists:all(fun({Monitor, _}) -> is_down(Monitor, Deadline) end, Waiting) of
        true -> xmpp:make_iq_result(IQ);
        false -> xmpp:make_error(IQ, xmpp:err_internal_server_error())
    end.

is_down(Monitor, Deadline) ->
    receive
        {'DOWN', Monitor, process, _, _} -> true
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        false
    end.

%% ---------------------------------------------------------------------- keys
%% In the older version each device has a node of its own, in the newer one an item of one node.
keys({_, Server, _} = Owner) ->
    Bundles = ?OLD_OMEMO ".bundles:",
    Statement = ["SELECT n.node, i.itemid, i.modification FROM pubsub_node n JOIN pubsub_item i ON i.nodeid = n.nodeid WHERE n.host = ",
                 xmpp_sql:quote(jid:encode(Owner)), " AND (n.node = '" ?OMEMO ":bundles' OR substr(n.node, 1, ", integer_to_list(length(Bundles)),
                 ") = '", Bundles, "')"],
    case ejabberd_sql:sql_query(Server, iolist_to_binary(Statement)) of
        {selected, _, Rows} -> {ok, [renewed(Row) || Row <- Rows]};
        _ -> failed
    end.

renewed([Node, Item, Time]) ->
    {Version, Id} = case Node of
                        <<?OMEMO, _/binary>> -> {<<?OMEMO>>, Item};
                        <<?OLD_OMEMO, ".bundles:", Device/binary>> -> {<<?OLD_OMEMO>>, Device}
                    end,
    [Mega, Seconds, Micro] = [binary_to_integer(Part) || Part <- binary:split(Time, <<":">>, [global])],
    {xmlel, <<"device">>, [{<<"version">>, Version}, {<<"id">>, Id}, {<<"renewed">>, xmpp_util:encode_timestamp({Mega, Seconds, Micro})}], []}.

%% ---------------------------------------------------------------------- push
%% {id, {time, server}}
pushes({User, Server, _}) ->
    Tables = gen_mod:db_mod(Server, mod_push),
    case Tables:lookup_sessions(User, Server) of
        {ok, Found} -> {ok, [{time_id(Time), {Time, jid:encode(To)}} || {Time, To, _Node, _Form} <- Found]};
        _ -> failed
    end.

registered(Pushes, {User, Server, _}) ->
    Clients = maps:from_list([{Push, Id} || {Resource, Info} <- ejabberd_sm:get_user_info(User, Server),
                                            #{push := Push, id := Id} <- [session(Resource, Info)]]),
    [{xmlel, <<"app">>, [{<<"id">>, Id}, {<<"server">>, To}, {<<"since">>, xmpp_util:encode_timestamp(Time)}]
      ++ [{<<"client">>, maps:get(Time, Clients)} || is_map_key(Time, Clients)], []}
     || {Id, {Time, To}} <- Pushes].

%% Also in the session that has asked for it: it would go on looking for what is not there.
silent(IQ, {User, Server, _}, Time) ->
    [ejabberd_c2s:cast(proplists:get_value(pid, Info), push_disable)
     || {_, Info} <- ejabberd_sm:get_user_info(User, Server), proplists:get_value(push_id, Info) =:= Time],
    case mod_push:delete_session(User, Server, Time) of
        ok -> xmpp:make_iq_result(IQ);
        _ -> xmpp:make_error(IQ, xmpp:err_internal_server_error())
    end.
