%% SPDX-License-Identifier: GPL-3.0-or-later
%% What a moderator does (mod_xmpp_moderators has the forms), by the calls of the operator's playbooks user.yml, room.yml and invite.yml. It never
%% reads contacts, messages or whose a file is, and does nothing to whom it is told to spare: administrators and moderators.
-module(xmpp_moderation).
-export([act/4, one_line/1]).

-define(GROUP, <<"banned">>).              %% docs/decisions/bans.md
-define(BANNED, <<"conexizan:banned">>).
-define(REASON, 500).                      %% characters
-define(URL, 3000).                        %% the same
-define(LINK, "^(?:https|aesgcm)://([^/:]+)(?::[0-9]+)?/upload/([0-9a-f]{40})/([A-Za-z0-9]{40})/([^/?#]+)(?:[?#].*)?$").

%% Returns {done, a text's key and its values, more lines as such pairs, what the administrators are told} or {refused, a text's key}.
act(Verb, Given, Host, Spared) ->
    try
        act(Verb, maps:map(fun line/2, Given), #{host => Host, spared => Spared})
    catch
        throw:{refused, Key} -> {refused, Key};
        _:_ -> {refused, failed}
    end.

act(account, #{account := Text}, Context) ->
    {User, Server, _} = Who = account(Text, Context),
    {selected, _, [[Day, Length]]} = ejabberd_sql:sql_query(Server, iolist_to_binary(
        ["SELECT min(date(created_at)), max(length(created_at)) FROM users WHERE username = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Server)])),
    Created = case Length of
                  <<"10">> -> {created, [Day]};
                  _ -> {created_or_earlier, [Day]}  %% mod_xmpp_account_day
              end,
    State = case is_banned(User, Server) of
                true -> {is_banned, [reason(User, Server)]};
                false -> {is_not_banned, []}
            end,
    {done, {looked_up, [name(Who)]}, [Created, State], ["has looked up ", name(Who)]};
act(ban, #{account := Text, reason := Reason}, Context) ->
    {User, Server, _} = Who = account(Text, Context),
    Reason =:= <<>> andalso throw({refused, no_reason}),
    ok = mod_private:set_data(jid:make(User, Server), [{?BANNED, {xmlel, <<"banned">>, [{<<"xmlns">>, ?BANNED}], [{xmlcdata, Reason}]}}]),
    lists:member(?GROUP, mod_shared_roster:list_groups(Server)) orelse (ok = mod_admin_extra:srg_add(?GROUP, Server)),
    is_banned(User, Server) orelse (ok = mod_admin_extra:srg_user_add(User, Server, ?GROUP, Server)),
    ejabberd_sm:kick_user(User, Server),
    {done, {banned, [name(Who)]}, [], ["has banned ", name(Who), ": ", Reason]};
act(unban, #{account := Text}, Context) ->
    {User, Server, _} = Who = address(Text, Context),  %% the account may be deleted
    ejabberd_router:is_my_host(Server) andalso is_banned(User, Server) orelse throw({refused, not_banned}),
    ok = mod_private:del_data(User, Server, ?BANNED),
    ok = mod_admin_extra:srg_user_del(User, Server, ?GROUP, Server),
    {done, {unbanned, [name(Who)]}, [], ["has lifted the ban of ", name(Who)]};
act(sessions, #{account := Text}, Context) ->
    {User, Server, _} = Who = account(Text, Context),
    Number = integer_to_binary(ejabberd_sm:kick_user(User, Server)),
    {done, {sessions_ended, [Number, name(Who)]}, [], ["has ended ", Number, " sessions of ", name(Who)]};
act(upload, #{link := Link}, #{spared := Spared}) ->
    {Server, Shown, Random, File} = case re:run(Link, ?LINK, [{capture, all_but_first, binary}]) of
                                        {match, [Name | Parts]} -> list_to_tuple([string:lowercase(Name) | Parts]);
                                        nomatch -> throw({refused, no_link})
                                    end,
    lists:member(Server, services(mod_http_upload)) orelse throw({refused, no_link}),
    case mod_xmpp_upload:place(Shown, Random, file(File)) of
        none -> throw({refused, no_file});
        {Account, Path} ->
            %% The folder is a checksum of its owner's address.
            lists:member(Account, [str:sha(name(Who)) || Who <- Spared]) andalso throw({refused, spared}),
            mod_xmpp_upload:remove(Account, Path)
    end,
    %% Without what is behind #, which is the key of an encrypted file.
    {done, {file_deleted, []}, [], ["has deleted the file ", hd(re:split(Link, "[?#]"))]};
act(destroy, #{room := Text, reason := Reason}, #{spared := Spared} = Context) ->
    {Who, Room} = room(Text, Context),
    lists:any(fun(Owner) -> lists:member(Owner, Spared) end, owners(Who)) andalso throw({refused, spared_room}),
    mod_muc_room:destroy(Room, Reason),
    {done, {destroyed, [name(Who)]}, [], ["has destroyed the room ", name(Who), ": ", Reason]};
act(outcast, #{room := Text, account := Account, reason := Reason}, #{spared := Spared} = Context) ->
    {Where, Room} = room(Text, Context),
    Who = address(Account, Context),
    Owners = owners(Where),
    Owners =:= [Who] andalso throw({refused, only_owner}),
    lists:member(Who, Owners) andalso Owners -- Spared =/= Owners andalso throw({refused, spared_room}),
    {ok, _} = mod_muc_room:change_item(Room, jid:make(Who), affiliation, outcast, Reason),
    {done, {shut_out, [name(Who), name(Where)]}, [], ["has banned ", name(Who), " from the room ", name(Where), ": ", Reason]};
act(reset, #{account := Text}, Context) ->
    {User, Server, _} = Who = account(Text, Context),
    %% Earlier links are in somebody else's hands, perhaps.
    {updated, _} = ejabberd_sql:sql_query(Server, iolist_to_binary(
        ["DELETE FROM invite_token WHERE type = 'T' AND server_host = ", xmpp_sql:quote(Server), " AND account_name = ", xmpp_sql:quote(User)])),
    {<<"xmpp:", _/binary>>, Link} = mod_invites:generate_reset_token(User, Server),
    %% Whoever opens the link has the account: its owner is told as well.
    mod_xmpp_reports:tell(Server, jid:make(User, Server), xmpp_moderation_texts:all(reset_told)),
    {done, {reset_made, [name(Who)]}, [{link, [Link]}], ["has made a link to set a new password for ", name(Who)]};
act(invite, #{}, #{host := Host}) ->
    {<<"xmpp:", _/binary>>, Link} = mod_invites:generate_invite(Host),
    {done, {invite_made, []}, [{link, [Link]}], "has made an invitation"}.

%% ---------------------------------------------------------------------- of whom, and of what
%% An account here that may be acted on.
account(Text, Context) ->
    {User, Server, _} = Who = address(Text, Context),
    ejabberd_router:is_my_host(Server) andalso ejabberd_auth:user_exists(User, Server) orelse throw({refused, no_account}),
    Who.

%% Anybody but those to spare: a name alone is one of the moderator's own domain.
address(Text, #{host := Host, spared := Spared}) ->
    case parse(Text, Host) of
        {User, _, _} = Who when User =/= <<>> ->
            lists:member(Who, Spared) andalso throw({refused, spared}),
            Who;
        _ -> throw({refused, no_account})
    end.

parse(<<"xmpp:", Text/binary>>, Domain) ->
    parse(Text, Domain);
parse(Text, Domain) ->
    Whole = case binary:match(Text, <<"@">>) of
                nomatch -> <<Text/binary, "@", Domain/binary>>;
                _ -> Text
            end,
    try jid:tolower(jid:remove_resource(jid:decode(Whole))) catch _:_ -> error end.

%% A public one that is there. Of another one nothing is said, not even that it exists.
room(Text, #{host := Host}) ->
    [Own | _] = gen_mod:get_module_opt_hosts(Host, mod_muc),
    case parse(Text, Own) of
        {Name, Service, _} = Who when Name =/= <<>> ->
            lists:member(Service, services(mod_muc)) orelse throw({refused, no_room}),
            case mod_muc:unhibernate_room(ejabberd_router:host_of_route(Service), Service, Name) of
                {ok, Room} ->
                    lists:member({<<"public">>, <<"true">>}, mod_muc_admin:get_room_options(Name, Service)) orelse throw({refused, no_room}),
                    {Who, Room};
                _ -> throw({refused, no_room})
            end;
        _ -> throw({refused, no_room})
    end.

owners({Name, Service, _}) ->
    [{User, Server, <<>>} || {User, Server, owner, _} <- mod_muc_admin:get_room_affiliations(Name, Service)].

services(Module) ->
    lists:append([gen_mod:get_module_opt_hosts(Host, Module) || Host <- ejabberd_option:hosts()]).

%% The name of a file as nginx takes it from a link, and none that leads elsewhere.
file(Quoted) ->
    File = uri_string:percent_decode(Quoted),
    %% By bytes: for PCRE, half of a letter in UTF-8 can be a control character of ISO 8859-1.
    is_binary(File) andalso re:run(File, "^[^/\\x{00}-\\x{1f}\\x{7f}]{1,255}$", [dollar_endonly]) =/= nomatch andalso File =/= <<".">> andalso File =/= <<"..">>
        orelse throw({refused, no_link}),
    File.

is_banned(User, Server) ->
    lists:member(?GROUP, mod_shared_roster:list_groups(Server)) andalso
        lists:member(name({User, Server, <<>>}), mod_admin_extra:srg_get_members(?GROUP, Server)).

reason(User, Server) ->
    case mod_private:get_data(User, Server, [{?BANNED, {xmlel, <<"banned">>, [], []}}]) of
        [Banned] -> fxml:get_tag_cdata(Banned);
        _ -> <<>>
    end.

line(Key, Text) ->
    mod_xmpp_reports:cut(one_line(Text), case Key of link -> ?URL; _ -> ?REASON end).

%% What somebody writes becomes part of messages to others: one line, in which nothing changes the direction of what follows.
one_line(Text) ->
    string:trim(re:replace(Text, "[\\x{00}-\\x{1f}\\x{7f}-\\x{9f}\\x{61c}\\x{200e}\\x{200f}\\x{2028}-\\x{202e}\\x{2066}-\\x{2069}]+", " ", [global, unicode, {return, binary}])).

name(Who) -> jid:encode(Who).
