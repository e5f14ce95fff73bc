%% SPDX-License-Identifier: GPL-3.0-or-later
%% When an account is deleted, delete what names it elsewhere on this host, so that a new account of the same name inherits nothing.
%% ejabberd deletes the account's own data; this module does the rest. Two things stay: messages that others received, until they expire,
%% and who blocked whom (otherwise a new account of the same name would get around a block).
%% Hooks: remove_user, room_destroyed, start_room, ejabberd_started. Without this module a new account inherits, for example, memberships of rooms.
-module(mod_xmpp_deletion).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([leave_rooms/2, account_removed/2, room_destroyed/4, begin_anew/3, delete_lost/0, expire/1]).

-define(PUSH_DAYS, 90).  %% apps ask for push anew at each login

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, leave_rooms, 40),  %% before mod_muc, while it is known who belonged where
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, account_removed, 90),  %% after all others
    ejabberd_hooks:Do(room_destroyed, Host, ?MODULE, room_destroyed, 50),
    ejabberd_hooks:Do(start_room, Host, ?MODULE, begin_anew, 50),
    Host =:= hd(ejabberd_option:hosts()) andalso ejabberd_hooks:Do(ejabberd_started, ?MODULE, delete_lost, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_muc, hard}, {mod_roster, hard}, {mod_pubsub, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

leave_rooms(User, Server) ->
    JID = jid:make(User, Server),
    [try
         leave(Name, Service, Room, JID)
     catch
         _:_ -> is_gone(Host, Service, Name) orelse tell("a room")
     end
     || Host <- ejabberd_option:hosts(), Service <- gen_mod:get_module_opt_hosts(Host, mod_muc),
        {Name, _, Room} <- mod_muc:get_online_rooms(Service)],
    ok.

%% A room may end while it is asked, and nobody is in it then.
is_gone(Host, Service, Name) ->
    try mod_muc:unhibernate_room(Host, Service, Name) =:= {error, notfound} catch _:_ -> false end.

leave(Name, Service, Room, JID) ->
    Belonged = lists:member(bare(JID), [Who || {Who, Kind} <- affiliations(Name, Service), Kind =/= outcast]),
    Left = [mod_muc_room:change_item(Room, JID, affiliation, none, <<>>),
            mod_muc_room:change_item(Room, JID, role, none, <<>>),
            mod_muc_room:unsubscribe(Room, JID)],
    [{ok, _}, {ok, _}, ok] = Left,
    delete_from_state(Room, JID),
    Nobody = [] =:= [Who || {Who, Kind} <- affiliations(Name, Service), Kind =/= outcast]
        andalso mod_muc_admin:get_room_occupants_number(Name, Service) =:= 0
        andalso mod_muc_admin:get_subscribers(Name, Service) =:= [],
    case Belonged andalso Nobody of
        true -> mod_muc_room:destroy(Room);
        false -> ok
    end.

affiliations(Name, Service) ->
    [{{User, Server, <<>>}, Kind} || {User, Server, Kind, _} <- mod_muc_admin:get_room_affiliations(Name, Service)].

%% A room stores the nickname and the address of whoever set its subject, who has which hat (XEP-0317), and who needs to read no CAPTCHA.
delete_from_state(Room, JID) ->
    {ok, State} = mod_muc_room:get_state(Room),
    case list_to_tuple([without(Value, bare(JID)) || Value <- tuple_to_list(State)]) of
        State -> ok;
        New ->
            {ok, _} = p1_fsm:sync_send_all_state_event(Room, {change_state, New}),
            {ok, Config} = mod_muc_room:get_config(Room),
            {ok, _} = mod_muc_room:set_config(Room, Config)  %% stores it
    end.

without({Nick, JID} = Author, Who) when is_binary(Nick), element(1, JID) =:= jid ->
    case bare(JID) of
        Who -> {<<>>, list_to_tuple([jid | [<<>> || _ <- tl(tuple_to_list(JID))]])};
        _ -> Author
    end;
without(Map, Who) when is_map(Map) ->
    maps:remove(Who, Map);
without(Config, Who) when element(1, Config) =:= config ->
    list_to_tuple([case gb_sets:is_set(Value) of
                       true -> lists:foldl(fun gb_sets:del_element/2, Value, [JID || JID <- gb_sets:to_list(Value), bare(JID) =:= Who]);
                       false -> Value
                   end || Value <- tuple_to_list(Config)]);
without(Value, _) ->
    Value.

bare(JID) -> jid:tolower(jid:remove_resource(JID)).

account_removed(User, Server) ->
    Address = jid:encode({User, Server, <<>>}),
    case sql(Server, ["SELECT username, server_host FROM rosterusers WHERE jid = ", xmpp_sql:quote(Address)]) of
        {selected, _, Contacts} ->
            [mod_admin_extra:delete_rosteritem(Contact, Host, User, Server) || [Contact, Host] <- Contacts];
        _ -> tell("the table rosterusers")
    end,
    delete_exceptions(Server, {User, Server, <<>>}),
    try ok = mod_xmpp_invitations:forget(User, Server) catch _:_ -> tell("the table invite_token") end,
    try ok = mod_xmpp_reports:forget(User, Server) catch _:_ -> tell("the table open_reports") end,
    [change(Table, Server, ["DELETE FROM ", Table, " WHERE ", Column, " = ", xmpp_sql:quote(Address), " OR substr(", Column, ", 1, ",
                            integer_to_list(length(unicode:characters_to_list(Address)) + 1), ") = ", xmpp_sql:quote([Address, "/"])])
     || {Table, Column} <- [{"pubsub_state", "jid"}, {"pubsub_item", "publisher"}, {"muc_registered", "jid"},
                            {"muc_room_subscribers", "jid"}, {"invite_token", "invitee"}]],
    %% Rooms archive with the real address what they show with the nick.
    [change("archive", Host,
            ["UPDATE archive SET peer = username, bare_peer = username, xml = replace(xml, ", xmpp_sql:quote(Address), ", username)"
             " WHERE server_host = ", xmpp_sql:quote(Host), " AND bare_peer = ", xmpp_sql:quote(Address),
             " AND username IN (SELECT name || '@' || host FROM muc_room)"]) || Host <- ejabberd_option:hosts()],
    [change(Table, Server, ["DELETE FROM ", Table, " WHERE ", Column, " = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Server)])
     || {Table, Column} <- [{"roster_version", "username"}, {"motd", "username"}, {"invite_token", "invitee"},
                            {"invite_token", "account_name"}]],
    ok.

%% Whom others' archives always or never take (XEP-0441). Lists that their owners change at this moment are left as these write them.
delete_exceptions(Server, Who) ->
    case sql(Server, "SELECT username, server_host, always, never FROM archive_prefs WHERE always <> '[]' OR never <> '[]'") of
        {selected, _, Rows} ->
            [try delete_exceptions(Server, Who, Row) catch _:_ -> tell("the table archive_prefs") end || Row <- Rows];
        _ -> tell("the table archive_prefs")
    end.

delete_exceptions(Server, Who, [Owner, Host | Written]) ->
    Lists = [ejabberd_sql:decode_term(List) || List <- Written],
    case [[JID || JID <- List, bare(JID) =/= Who] || List <- Lists] of
        Lists -> ok;
        Left ->
            [Always, Never] = [xmpp_sql:quote(misc:term_to_expr(List)) || List <- Left],
            [WasAlways, WasNever] = [xmpp_sql:quote(List) || List <- Written],
            change("archive_prefs", Server,
                   ["UPDATE archive_prefs SET always = ", Always, ", never = ", Never, " WHERE username = ", xmpp_sql:quote(Owner),
                    " AND server_host = ", xmpp_sql:quote(Host), " AND always = ", WasAlways, " AND never = ", WasNever]),
            ets_cache:delete(archive_prefs_cache, {Owner, Host}, ejabberd_cluster:get_nodes())
    end.

%% ejabberd keeps the names that people reserved in a room when that is no more, and whoever makes one of the same address has them.
room_destroyed(Server, Room, Service, _Persistent) ->
    change("muc_registered", Server, ["DELETE FROM muc_registered WHERE host = ", xmpp_sql:quote(jid:encode({Room, Service, <<>>}))]).

%% A room that does not stay ends with ejabberd. After a crash, or with people of other servers in it, its archive is left: whoever made one of
%% the same name could read that. (Every room starts; one that is stored is not new.)
begin_anew(Server, Room, Service) ->
    case sql(Server, ["SELECT 1 FROM muc_room WHERE name = ", xmpp_sql:quote(Room), " AND host = ", xmpp_sql:quote(Service)]) of
        {selected, _, []} -> delete_lost(Server, jid:encode({Room, Service, <<>>}), erlang:system_time(microsecond));
        _ -> ok
    end.

%% Rooms that existed before this moment.
delete_lost(Server, Address, Before) ->
    [Room, Service] = binary:split(Address, <<"@">>),
    [change(Table, Server, ["DELETE FROM ", Table, " WHERE " | Where])
     || {Table, Where} <- [{"archive", ["server_host = ", xmpp_sql:quote(Server), " AND username = ", xmpp_sql:quote(Address),
                                        " AND timestamp < ", integer_to_list(Before)]},
                           {"muc_registered", ["host = ", xmpp_sql:quote(Address)]},
                           {"muc_room_subscribers", ["room = ", xmpp_sql:quote(Room), " AND host = ", xmpp_sql:quote(Service)]}]],
    ok.

%% Those that ended with the ejabberd before this one.
delete_lost() ->
    spawn(fun() -> [delete_lost_rooms(Host) || Host <- ejabberd_option:hosts()] end).

%% All that is left of such rooms. From owner to owner of the archive by its index, which can be large.
delete_lost_rooms(Server) ->
    Now = erlang:system_time(microsecond),
    Next = ["SELECT min(username) FROM archive WHERE server_host = ", xmpp_sql:quote(Server)],
    {selected, _, Named} = sql(Server,
        ["WITH RECURSIVE owner(name) AS (", Next, " UNION ALL SELECT (", Next, " AND username > name) FROM owner WHERE name IS NOT NULL),"
         " named(address) AS (SELECT name FROM owner WHERE name LIKE '%@%' UNION SELECT host FROM muc_registered WHERE host LIKE '%@%'"
         " UNION SELECT room || '@' || host FROM muc_room_subscribers)"
         " SELECT address FROM named WHERE address NOT IN (SELECT name || '@' || host FROM muc_room)"]),
    Services = gen_mod:get_module_opt_hosts(Server, mod_muc),
    Online = maps:from_list([{jid:encode({Name, Service, <<>>}), true}
                             || Service <- Services, {Name, _, _} <- mod_muc:get_online_rooms(Service)]),
    [delete_lost(Server, Address, Now) || [Address] <- Named, not is_map_key(Address, Online),
                                          Service <- Services, lists:suffix([$@ | binary_to_list(Service)], binary_to_list(Address))],
    ok.

%% ejabberd deletes old messages of the domains that it serves. Those of others are in the archive as well, until they are old.
delete_old_domains(Host, Days) ->
    Next = "SELECT min(server_host) FROM archive",
    {selected, _, Named} = sql(Host,
        ["WITH RECURSIVE domain(name) AS (", Next, " UNION ALL SELECT (", Next, " WHERE server_host > name) FROM domain"
         " WHERE name IS NOT NULL) SELECT name FROM domain WHERE name IS NOT NULL"]),
    Before = erlang:system_time(microsecond) - Days * 86400 * 1000000,
    [{updated, _} = sql(Host, ["DELETE FROM archive WHERE server_host = ", xmpp_sql:quote(Domain), " AND timestamp < ", integer_to_list(Before)])
     || [Domain] <- Named, not lists:member(Domain, ejabberd_option:hosts())],
    ok.

%% The others are changed even if one table cannot be.
change(Table, Host, Statement) ->
    case sql(Host, Statement) of
        {updated, _} -> ok;
        _ -> tell(["the table ", Table])
    end.

%% Not whom, nor in which room: addresses would be in the journal, and in the answer of the database.
tell(Place) ->
    logger:critical("~s: what was deleted may still be named in ~s", [?MODULE, Place]).

%% What is no longer good for anything: tokens for a login without password that ran out, push for apps that never came back,
%% files that came after their account was deleted (a slot that was handed out before still takes one), what was said in rooms that ended
%% with ejabberd, used invitations, open reports, accounts that nobody has let in, messages that are older than these days in domains that are served no more, and what apps could do.
expire(Days) ->
    Host = hd(ejabberd_option:hosts()),
    Oldest = erlang:system_time(microsecond) - ?PUSH_DAYS * 86400 * 1000000,
    {updated, _} = sql(Host, "DELETE FROM auth_fast_tokens WHERE expires < CURRENT_TIMESTAMP"),
    {updated, _} = sql(Host, ["DELETE FROM push_session WHERE timestamp < ", integer_to_list(Oldest)]),
    Root = gen_mod:get_module_opt(Host, mod_http_upload, docroot),
    {ok, Folders} = file:list_dir(Root),  %% first: an account that is made meanwhile has none yet
    {selected, _, Accounts} = sql(Host, "SELECT DISTINCT username, server_host FROM users"),
    Used = [binary_to_list(str:sha(<<User/binary, "@", Server/binary>>)) || [User, Server] <- Accounts],
    [ok = remove(filename:join(Root, Folder)) || Folder <- ordsets:subtract(lists:sort(Folders), lists:sort(Used)),
                                                 length(Folder) =:= 40],
    [ok = delete_lost_rooms(One) || One <- ejabberd_option:hosts()],
    [ok = mod_xmpp_invitations:expire(One) || One <- ejabberd_option:hosts()],
    ok = delete_old_domains(Host, Days),
    ok = mod_xmpp_reports:expire(Days),
    ok = mod_xmpp_registration_review:expire(),
    mod_xmpp_caps:expire().

%% If a file arrives or is deleted at this moment, the folder is deleted the next time.
remove(Folder) ->
    case file:del_dir_r(Folder) of
        {error, Reason} when Reason =:= eexist; Reason =:= enoent -> ok;
        Done -> Done
    end.

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
