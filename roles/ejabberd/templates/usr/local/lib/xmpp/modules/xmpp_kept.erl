%% SPDX-License-Identifier: GPL-3.0-or-later
%% Measure what the database stores for an account: its rows in all tables that have an owner column, the nodes that it created (in those of a service,
%% the first of several owners), its nicknames in rooms and subscriptions to them. A row counts at least one KiB: many small ones cost time.
%% No table is read whole, and of a value only its length.
-module(xmpp_kept).
-compile({no_auto_import, [size/1]}).
-export([bytes/1, parts/1, maker/2]).

-define(ROW, 1_024).
%% Tables that have a limit of their own, one that holds some words of another (and is not indexed by the account), and one that comes and goes with its
%% setting, and is about those who cannot log in.
-define(ELSEWHERE, [<<"archive">>, <<"spool">>, <<"sm">>, <<"vcard_search">>, <<"waiting_accounts">>]).

%% Returns unknown if the database does not answer.
bytes({User, Server, _} = Account) ->
    {U, H, J} = {xmpp_sql:quote(User), xmpp_sql:quote(Server), xmpp_sql:quote(jid:encode(Account))},
    Own = [["SELECT sum(max(", integer_to_list(?ROW), ", ", size(Columns), ")) AS n FROM ", Table, " WHERE username = ", U, " AND server_host = ", H]
           || {Table, Columns} <- tables(Server)],
    Others = [["SELECT sum(max(", integer_to_list(?ROW), ", ", size(Columns), ")) FROM ", From]
              || {Columns, From} <- [{["d.value"], ["privacy_list l JOIN privacy_list_data d ON d.id = l.id WHERE l.username = ", U, " AND l.server_host = ", H]},
                                     {["itemid", "publisher", "payload"], "pubsub_item WHERE nodeid IN mine"},
                                     {["jid", "subscriptions"], "pubsub_state WHERE nodeid IN mine"},
                                     {["host", "node"], "pubsub_node WHERE nodeid IN mine"},
                                     {["jid", "host", "nick"], ["muc_registered WHERE jid = ", J]},
                                     {["jid", "room", "nick", "nodes"], ["muc_room_subscribers WHERE jid = ", J]}]],
    Options = "SELECT sum(octet_length(name) + octet_length(val)) FROM pubsub_node_option WHERE nodeid IN mine",
    %% Of several owners the one who was first, who made it.
    Mine = ["WITH mine AS (SELECT nodeid FROM pubsub_node WHERE host = ", J,
            " UNION SELECT s.nodeid FROM pubsub_state s JOIN pubsub_node n ON n.nodeid = s.nodeid WHERE s.jid = ", J, " AND s.affiliation = 'o'"
            " AND instr(n.host, '@') = 0 AND NOT EXISTS (SELECT 1 FROM pubsub_state o WHERE o.nodeid = s.nodeid AND o.affiliation = 'o'"
            " AND o.stateid < s.stateid)) "],
    case sql(Server, [Mine, "SELECT coalesce(sum(n), 0) FROM (", lists:join(" UNION ALL ", Own ++ Others ++ [Options]), ")"]) of
        {selected, _, [[Sum]]} when is_binary(Sum) -> {ok, binary_to_integer(Sum)};
        {selected, _, [[Sum]]} when is_integer(Sum) -> {ok, Sum};
        _ -> unknown
    end.

%% {table, rows, bytes} of each that has something of the account, and of the messages that wait for it: for its owner to read. (Not of its archive.)
parts({User, Server, _} = Account) ->
    {U, H, J} = {xmpp_sql:quote(User), xmpp_sql:quote(Server), xmpp_sql:quote(jid:encode(Account))},
    Nodes = [" WHERE nodeid IN (SELECT nodeid FROM pubsub_node WHERE host = ", J, ")"],
    All = [{Table, Columns, [" WHERE username = ", U, " AND server_host = ", H]} || {Table, Columns} <- [{<<"spool">>, [<<"xml">>]} | tables(Server)]]
        ++ [{<<"privacy_list_data">>, ["value"], [" WHERE id IN (SELECT id FROM privacy_list WHERE username = ", U, " AND server_host = ", H, ")"]},
            {<<"pubsub_item">>, ["itemid", "publisher", "payload"], Nodes}, {<<"pubsub_state">>, ["jid", "subscriptions"], Nodes},
            {<<"pubsub_node">>, ["host", "node"], Nodes}, {<<"pubsub_node_option">>, ["name", "val"], Nodes},
            {<<"muc_registered">>, ["jid", "host", "nick"], [" WHERE jid = ", J]},
            {<<"muc_room_subscribers">>, ["jid", "room", "nick", "nodes"], [" WHERE jid = ", J]}],
    {selected, _, Rows} = sql(Server, ["SELECT name, cast(number AS text), cast(bytes AS text) FROM (", lists:join(" UNION ALL ",
        [["SELECT '", Table, "' AS name, count(*) AS number, coalesce(sum(", size(Columns), "), 0) AS bytes FROM ", Table, Where] || {Table, Columns, Where} <- All]),
        ") WHERE number > 0"]),
    [list_to_tuple(Row) || Row <- Rows].

%% Those that say whose a row is, also such as a later ejabberd has. Asked for once: they are all there before anybody logs in.
tables(Host) ->
    case persistent_term:get(?MODULE, none) of
        none ->
            %% It is read for each session that comes, and whole.
            _ = sql(Host, "CREATE INDEX IF NOT EXISTS xmpp_privacy_list_data_id ON privacy_list_data (id)"),
            {selected, _, Rows} = sql(Host, "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"),
            All = lists:foldl(fun([Table, Column], Map) -> maps:update_with(Table, fun(Some) -> [Column | Some] end, [Column], Map) end, #{}, Rows),
            Tables = [{Table, Columns} || {Table, Columns} <- maps:to_list(All), [<<"username">>, <<"server_host">>] -- Columns =:= [],
                                          not lists:member(Table, ?ELSEWHERE)],
            persistent_term:put(?MODULE, Tables),
            Tables;
        Tables -> Tables
    end.

size(Columns) ->
    lists:join(" + ", [["coalesce(octet_length(", Column, "), 0)"] || Column <- Columns]).

%% Whose a node of a service is: of its owners the first.
maker(Server, Node) ->
    case sql(ejabberd_router:host_of_route(Server),
             ["SELECT s.jid FROM pubsub_node n JOIN pubsub_state s ON s.nodeid = n.nodeid WHERE n.host = ", xmpp_sql:quote(Server), " AND n.node = ", xmpp_sql:quote(Node),
              " AND s.affiliation = 'o' ORDER BY s.stateid LIMIT 1"]) of
        {selected, _, [[JID]]} -> jid:tolower(jid:remove_resource(jid:decode(JID)));
        _ -> nobody
    end.

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
