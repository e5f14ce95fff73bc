%% SPDX-License-Identifier: GPL-3.0-or-later
%% Circles: groups of accounts of the first domain whose members have one another as contacts (mod_shared_roster) and a private room, which is in their
%% bookmarks (XEP-0402). The setting says who is a member; whoever came by an invitation into a circle is one as well, unless the setting says otherwise.
%% Everything follows from the setting whenever ejabberd starts or reloads it, and when an account is made: what is missing is made, what is too much
%% is removed, also of a circle that is no more. A bookmark is written once, so whoever removes it does not get it back, nor by another title.
%% A listed name belongs to somebody before its account is made: only the operator can make it, or an invitation of the operator's to that name.
%% Stored: a group circle:NAME of mod_shared_roster with the members and the name of the room, which nobody can guess; a group invited:NAME, which is shown to
%% nobody, with those who came by an invitation. Both without a time.
%% Hooks: ejabberd_started, check_register_user, register_user, remove_user. Without this module circles stay as they are.
-module(mod_xmpp_circles).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([begins/0, settle/0, keep/4, is_kept/2, come/2, leave/2, invited/3, for_name/2]).

-define(SHOWN, "circle:").
-define(INVITED, "invited:").
-define(NO_TIME, "'1970-01-01 00:00:00'").
-define(BOOKMARKS, <<"urn:xmpp:bookmarks:1">>).
%% Everybody's address is shown, which OMEMO needs. Nobody owns it: an owner who is no member would have to be encrypted for.
-define(OPTIONS, [{<<"public">>, <<"false">>}, {<<"public_list">>, <<"false">>}, {<<"members_only">>, <<"true">>},
                  {<<"members_by_default">>, <<"true">>}, {<<"allow_user_invites">>, <<"false">>}, {<<"anonymous">>, <<"false">>},
                  {<<"allow_change_subj">>, <<"true">>}, {<<"mam">>, <<"true">>}, {<<"persistent">>, <<"true">>}]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> xmpp_start:is_first(Host) andalso hooks(add, Host) end).

stop(Host) ->
    xmpp_start:is_first(Host) andalso hooks(delete, Host),
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(ejabberd_started, ?MODULE, begins, 60),
    ejabberd_hooks:Do(check_register_user, Host, ?MODULE, keep, 55),
    ejabberd_hooks:Do(register_user, Host, ?MODULE, come, 70),
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, leave, 30),
    ok.

reload(Host, _New, _Old) ->
    xmpp_start:is_first(Host) andalso begins(),
    ok.

depends(_Host, _Opts) -> [{mod_muc, hard}, {mod_muc_admin, hard}, {mod_pubsub, hard}, {mod_roster, hard}, {mod_shared_roster, hard}, {mod_register, hard}].
mod_options(_Host) -> [{circles, []}].
mod_opt_type(circles) ->
    econf:list(econf:options(
        #{name => econf:binary(), title => econf:binary(), members => econf:list(econf:binary()), former => econf:list(econf:binary())},
        [{required, [name, title, members, former]}])).
mod_doc() -> #{}.

circles(Host) -> [titled(maps:from_list(Circle)) || Circle <- gen_mod:get_module_opt(Host, ?MODULE, circles)].

titled(#{title := <<>>, name := Name} = Circle) -> Circle#{title := Name};
titled(Circle) -> Circle.

%% ---------------------------------------------------------------------- accounts
%% Called before an account is made, by whatever way. Within the transaction of an invitation: it has its guest's name by now, or is deleted.
keep(true, User, Server, _Password) ->
    {current_stacktrace, Callers} = process_info(self(), current_stacktrace),
    {Name, Host} = {jid:nodeprep(User), jid:nameprep(Server)},
    not (lists:keymember(mod_register, 1, Callers) andalso is_kept(Name, Host));
keep(Free, _User, _Server, _Password) ->
    Free.

%% Whether the name is not for who asks for it now. ejabberd_auth_nobody asks as well, which answers as if the account existed: another answer would
%% tell everybody who is listed. If it cannot be told, it is kept: the hook of one that fails is passed over.
is_kept(Name, Host) ->
    try is_listed(Name, Host) andalso get(?MODULE) =/= Name andalso not is_for(Name, Host) catch _:_ -> true end.

is_listed(Name, Host) -> lists:any(fun(#{members := Members}) -> lists:member(Name, Members) end, circles(Host)).

%% By an invitation that mod_invites handles, of the operator's.
is_for(Name, Host) ->
    {selected, _, Rows} = sql(Host, ["SELECT 1 FROM invite_token WHERE server_host = ", xmpp_sql:quote(Host), " AND username = '' AND account_name = ",
                                     xmpp_sql:quote(Name), " AND invitee = ", xmpp_sql:quote(address(Name, Host)), " AND type IN ('A', 'S')"]),
    Rows =/= [].

%% The same for mod_xmpp_invitation_uses, whose rows are deleted as they are used: makes an account with an invitation to that name.
for_name(Name, Make) ->
    put(?MODULE, Name),
    try Make() after erase(?MODULE) end.

come(User, Server) ->
    is_listed(User, Server) andalso settle_later().

%% In the transaction that makes the account (mod_xmpp_invitation_uses). If the circle is no more, the account is in none.
invited(Host, User, Circle) ->
    case lists:any(fun(#{name := Name}) -> Name =:= Circle end, circles(Host)) of
        true ->
            {updated, _} = ejabberd_sql:sql_query_t(iolist_to_binary(
                ["INSERT INTO sr_user (jid, server_host, grp, created_at) VALUES (", xmpp_sql:quote(address(User, Host)), ", ", xmpp_sql:quote(Host), ", ",
                 xmpp_sql:quote([?INVITED, Circle]), ", " ?NO_TIME ")"])),
            settle_later();
        false -> ok
    end.

%% mod_shared_roster deletes the account from what is shown, mod_xmpp_deletion from the room.
leave(User, Server) ->
    forget(Server, ["jid = ", xmpp_sql:quote(address(User, Server)), " AND substr(grp, 1, ", integer_to_list(length(?INVITED)), ") = '" ?INVITED "'"]).

forget(Host, Which) ->
    {updated, _} = sql(Host, ["DELETE FROM sr_user WHERE server_host = ", xmpp_sql:quote(Host), " AND " | Which]),
    ok.

%% ---------------------------------------------------------------------- what follows from the setting
begins() -> settle_later().

%% In a process of its own: a room that stores something would wait for the transaction that makes an account, and that for the room.
settle_later() ->
    spawn(?MODULE, settle, []),
    ok.

settle() ->
    global:trans({?MODULE, self()}, fun() -> settle(hd(ejabberd_option:hosts())) end, [node()]).

settle(Host) ->
    Circles = circles(Host),
    Ended = [Name || <<?SHOWN, Name/binary>> <- mod_shared_roster:list_groups(Host), not lists:any(fun(#{name := One}) -> One =:= Name end, Circles)],
    [attempt(fun() -> finish(Host, Name) end) || Name <- Ended],
    [attempt(fun() -> settle(Host, Circle) end) || Circle <- Circles],
    {updated, _} = sql(Host, ["UPDATE sr_user SET created_at = " ?NO_TIME " WHERE server_host = ", xmpp_sql:quote(Host), " AND substr(grp, 1, ",
                              integer_to_list(length(?SHOWN)), ") = '" ?SHOWN "' AND created_at != " ?NO_TIME]),
    ok.

%% Not what went wrong in words: they could hold addresses.
attempt(Do) ->
    try Do() catch
        Class:_:Stack -> logger:critical("~s: a circle is not complete: ~s in ~0tp", [?MODULE, Class, [{M, F} || {M, F, _, _} <- Stack]])
    end.

settle(Host, #{name := Name, title := Title, members := Listed, former := Former}) ->
    Group = <<?SHOWN, Name/binary>>,
    {Room, Renamed} = group(Host, Name, Group, Title),
    ok = room(Host, Room, Title),
    [ok = forget(Host, ["jid = ", xmpp_sql:quote(address(User, Host)), " AND grp = ", xmpp_sql:quote([?INVITED, Name])]) || User <- Former],
    Wanted = [User || User <- lists:usort(Listed ++ by_invitation(Host, Name)) -- Former, ejabberd_auth:user_exists(User, Host)],
    Present = [User || {User, _} <- mod_shared_roster:get_group_explicit_users(Host, Group)],
    In = [{User, Server} || {User, Server, Kind, _} <- mod_muc_admin:get_room_affiliations(Room, service(Host)), Kind =/= outcast],
    [remove(Host, Group, Room, User, Present -- [User]) || User <- Present -- Wanted],
    [place(Host, Room, Who, <<"none">>) || {User, Server} = Who <- In, Server =/= Host orelse not lists:member(User, Wanted)],
    [begin
         %% The room comes after the bookmark: who has a place in it has had one.
         Settled = lists:member({User, Host}, In),
         Settled andalso not (Renamed andalso has_bookmark(Host, Room, User)) orelse bookmark(Host, Room, Title, User),
         Settled orelse place(Host, Room, {User, Host}, <<"member">>),
         lists:member(User, Present) orelse mod_shared_roster:add_user_to_group(Host, {User, Host}, Group)
     end || User <- Wanted],
    ok.

%% Not by mod_shared_roster, which has a memory of its own.
by_invitation(Host, Name) ->
    {selected, _, Rows} = sql(Host, ["SELECT jid FROM sr_user WHERE server_host = ", xmpp_sql:quote(Host), " AND grp = ", xmpp_sql:quote([?INVITED, Name])]),
    [User || [Address] <- Rows, {User, _, _} <- [jid:tolower(jid:decode(Address))]].

%% The room of a group, and whether it has another title since. (mod_shared_roster takes an unknown group for one without options.)
group(Host, Name, Group, Title) ->
    Known = case mod_shared_roster:get_group_opts(Host, Group) of
                error -> [];
                Found -> Found
            end,
    case {proplists:get_value(description, Known), proplists:get_value(label, Known)} of
        {undefined, _} ->
            Room = <<Name/binary, "-", (string:lowercase(binary:encode_hex(crypto:strong_rand_bytes(6))))/binary>>,
            {atomic, _} = mod_shared_roster:create_group(Host, Group, options(Group, Room, Title)),
            {Room, false};
        {Room, Title} -> {Room, false};
        {Room, _} ->
            {atomic, _} = mod_shared_roster:set_group_opts(Host, Group, options(Group, Room, Title)),
            {Room, true}
    end.

options(Group, Room, Title) -> [{label, Title}, {description, Room}, {displayed_groups, [Group]}].

room(Host, Room, Title) ->
    Service = service(Host),
    Options = case mod_muc_admin:get_room_options(Room, Service) of
                  [] ->
                      ok = mod_muc_admin:create_room(Room, Service, Host),
                      [];
                  Known -> Known
              end,
    [ok = mod_muc_admin:change_room_option(Room, Service, Option, Value)
     || {Option, Value} <- [{<<"title">>, Title} | ?OPTIONS], lists:keyfind(Option, 1, Options) =/= {Option, Value}],
    ok.

finish(Host, Name) ->
    Group = <<?SHOWN, Name/binary>>,
    Room = proplists:get_value(description, mod_shared_roster:get_group_opts(Host, Group)),
    Members = [User || {User, _} <- mod_shared_roster:get_group_explicit_users(Host, Group)],
    [remove(Host, Group, Room, User, Members -- [User]) || User <- Members],
    mod_muc_admin:get_room_options(Room, service(Host)) =:= [] orelse mod_muc_admin:destroy_room(Room, service(Host)),
    ok = forget(Host, ["grp = ", xmpp_sql:quote([?INVITED, Name])]),
    ok = mod_xmpp_invitation_uses:end_circle(Host, Name),
    {atomic, _} = mod_shared_roster:delete_group(Host, Group),
    ok.

remove(Host, Group, Room, User, Others) ->
    mod_shared_roster:remove_user_from_group(Host, {User, Host}, Group),
    [begin part(Host, User, Other), part(Host, Other, User) end || Other <- Others],
    mod_pubsub:delete_item({User, Host, <<>>}, ?BOOKMARKS, jid:make(User, Host), jid:encode(jid:make(Room, service(Host))), true),
    ok.

%% mod_shared_roster tells apps that the contact is gone, without a goodbye, and also if it is one still: of their own, or by another circle.
part(Host, User, Other) ->
    JID = jid:make(Other, Host),
    case [Item || Item <- ejabberd_hooks:run_fold(roster_get, Host, [], [{User, Host}]), lists:member(JID, tuple_to_list(Item))] of
        [Item | _] -> mod_roster:push_item(jid:make(User, Host), Item, Item);
        [] ->
            [ejabberd_router:route(xmpp:decode({xmlel, <<"presence">>, [{<<"xmlns">>, <<"jabber:client">>}, {<<"type">>, <<"unavailable">>},
                                                                       {<<"from">>, jid:encode({User, Host, Resource})},
                                                                       {<<"to">>, address(Other, Host)}], []}))
             || Resource <- ejabberd_sm:get_user_resources(User, Host)]
    end.

place(Host, Room, {User, Server}, Affiliation) ->
    ok = mod_muc_admin:set_room_affiliation(Room, service(Host), address(User, Server), Affiliation).

has_bookmark(Host, Room, User) ->
    Items = mod_pubsub:get_items({User, Host, <<>>}, ?BOOKMARKS),
    is_list(Items) andalso lists:member(jid:encode(jid:make(Room, service(Host))), [Id || Item <- Items, {Id, _} <- [element(2, Item)]]).

bookmark(Host, Room, Title, User) ->
    Node = case mod_pubsub:get_items({User, Host, <<>>}, ?BOOKMARKS) of
               Items when is_list(Items) -> [];  %% the account's own options stay
               _ -> [{persist_items, true}, {access_model, whitelist}, {max_items, max}, {notify_retract, true}, {notify_delete, true},
                     {send_last_published_item, never}]
           end,
    Conference = {xmlel, <<"conference">>, [{<<"xmlns">>, ?BOOKMARKS}, {<<"name">>, Title}, {<<"autojoin">>, <<"true">>}],
                  [{xmlel, <<"nick">>, [], [{xmlcdata, User}]}]},
    {result, _} = mod_pubsub:publish_item({User, Host, <<>>}, Host, ?BOOKMARKS, jid:make(User, Host), jid:encode(jid:make(Room, service(Host))),
                                          [Conference], Node, all),
    ok.

service(Host) -> hd(gen_mod:get_module_opt_hosts(Host, mod_muc)).

address(User, Host) -> jid:encode({User, Host, <<>>}).

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
