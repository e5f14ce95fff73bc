%% SPDX-License-Identifier: GPL-3.0-or-later
%% Reports of spam and abuse (XEP-0377), which ejabberd does not support: an app sends one when it blocks somebody. The block itself is
%% ejabberd's; each administrator gets a message about the report. Nothing else of it is stored, unless there are moderators
%% (mod_xmpp_moderators): then it stays open in a table until one of them closes it, one of the two accounts is deleted, or it is too old.
%% Moderators are told that there is a new one, and no more: they read it where it is deleted.
%% Hooks: disco_local_features, user_send_packet; mod_xmpp_deletion calls it. Without this module reports are not offered, and are ignored.
-module(mod_xmpp_reports).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([announce/5, forward/1, forget/2]).
-export([open/0, close/1, expire/1, tell/3, tell_all/2, quote/1, cut/2]).

-define(REPORTING, <<"urn:xmpp:reporting:1">>).
-define(AT_ONCE, 10).  %% of one account; another one is possible
-define(EACH, 360).    %% each so many seconds
-define(TEXT, 2000).   %% characters of what the user wrote
-define(MESSAGES, 10). %% named in one report
-define(OPEN, 500).    %% that wait for moderators; administrators get more than that
-define(OF_ONE, 20).   %% of them by one account
-define(SHOWN, 30).    %% of them at a time

start(Host, Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> xmpp_token_bucket:new(?MODULE), hooks(add, Host), prepare(Host, Opts) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(disco_local_features, Host, ?MODULE, announce, 50),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, forward, 50),
    ok.

reload(Host, New, _Old) ->
    xmpp_start:attempt(?MODULE, fun() -> prepare(Host, New) end).

depends(_Host, _Opts) -> [{mod_blocking, hard}].
mod_options(_Host) -> [{admins, []}, {moderators, []}].
mod_opt_type(_) -> econf:list(econf:jid()).
mod_doc() -> #{}.

announce({result, Features}, _From, _To, <<>>, _Lang) -> {result, [?REPORTING | Features]};
announce(empty, _From, _To, <<>>, _Lang) -> {result, [?REPORTING]};
announce(Other, _From, _To, _Node, _Lang) -> Other.

forward({Packet, State}) when element(1, Packet) =:= iq ->
    {From, To} = {xmpp:get_from(Packet), xmpp:get_to(Packet)},
    case {xmpp:get_type(Packet), jid:tolower(jid:remove_resource(From)) =:= jid:tolower(To), xmpp:get_els(Packet)} of
        {set, true, [{xmlel, <<"block">>, _, Items} = Block]} ->
            case fxml:get_tag_attr_s(<<"xmlns">>, Block) of
                <<"urn:xmpp:blocking">> ->
                    Reports = [{fxml:get_tag_attr_s(<<"jid">>, Item), Report}
                               || {xmlel, <<"item">>, _, _} = Item <- Items,
                                  Report <- [fxml:get_subtag_with_xmlns(Item, <<"report">>, ?REPORTING)], Report =/= false],
                    [pass_on(From, jid:encode(jid:tolower(About)), Report) || {Text, Report} <- Reports, About <- [decode(Text)], About =/= error];
                _ -> ok
            end;
        _ -> ok
    end,
    {Packet, State};
forward(Acc) ->
    Acc.

decode(Address) ->
    try jid:decode(Address) catch _:_ -> error end.

pass_on(Reporter, About, Report) ->
    {User, Host, _} = jid:tolower(Reporter),
    case xmpp_token_bucket:used_up(?MODULE, {User, Host}, ?AT_ONCE, ?EACH) of
        true -> ok;
        false ->
            xmpp_token_bucket:use(?MODULE, {User, Host}, ?EACH),
            By = jid:encode({User, Host, <<>>}),
            [tell(Host, Admin, describe(By, About, Report)) || Admin <- opt(admins)],
            keep(Host, About, By, Report) andalso [tell(Host, Moderator, xmpp_moderation_texts:all(new_report)) || Moderator <- opt(moderators) -- opt(admins)]
    end.

%% The same for all domains, which share one table.
opt(Name) -> gen_mod:get_module_opt(hd(ejabberd_option:hosts()), ?MODULE, Name).

kind(Report) ->
    case fxml:get_tag_attr_s(<<"reason">>, Report) of
        <<"urn:xmpp:reporting:spam">> -> <<"spam">>;
        <<"urn:xmpp:reporting:abuse">> -> <<"abuse">>;
        _ -> <<"unwanted messages">>
    end.

describe(By, About, Report) ->
    Messages = [fxml:get_tag_attr_s(<<"id">>, Id)
                || Id <- lists:sublist(fxml:get_subtags(Report, <<"stanza-id">>), ?MESSAGES)],
    [<<"Report of ">>, kind(Report), <<"\nabout: ">>, About, <<"\nby: ">>, By,
     case cut(fxml:get_subtag_cdata(Report, <<"text">>), ?TEXT) of
         <<>> -> [];
         Text -> [<<"\n">>, quote(Text)]
     end,
     case Messages of
         [] -> [];
         _ -> [<<"\n\nMessages in the archive of ">>, By, <<":">>, [quote(cut(Id, 100)) || Id <- Messages]]
     end,
     <<"\n\nTo answer or to ask, write to xmpp:">>, By].

%% Each line of a user's text is marked, as it could pass for ours otherwise.
quote(Text) ->
    [[<<"\n> ">>, Line] || Line <- re:split(Text, <<"\\R">>, [unicode, {newline, any}])].

%% By code points: any number of accents on a letter are one character for string:slice/3.
cut(Text, Characters) ->
    unicode:characters_to_binary(lists:sublist(unicode:characters_to_list(Text), Characters)).

%% A text in several languages is one message (RFC 6121, 5.2.3): which of them somebody reads is not known here, but to their app. One that knows of
%% no languages shows the first.
tell(Host, Who, [{_, _} | _] = Texts) ->
    Bodies = [{xmlel, <<"body">>, [{<<"xml:lang">>, Language}], [{xmlcdata, Text}]} || {Language, Text} <- Texts],
    Attributes = [{<<"type">>, <<"chat">>}, {<<"id">>, p1_rand:get_string()}],
    Message = xmpp:decode({xmlel, <<"message">>, Attributes, Bodies}, <<"jabber:client">>, [ignore_els]),
    ejabberd_router:route(xmpp:set_from_to(Message, jid:make(Host), Who));
tell(Host, Who, Text) ->
    tell(Host, Who, [{<<"en">>, unicode:characters_to_binary(Text)}]).

%% Of the service: administrators and moderators.
tell_all(Host, Text) ->
    [tell(Host, One, Text) || One <- lists:usort(opt(admins) ++ opt(moderators))].

%% ---------------------------------------------------------------------- open reports
%% Without moderators nobody would close them, so there are none.
prepare(Host, Opts) ->
    Host =:= hd(ejabberd_option:hosts()) andalso
        case gen_mod:get_opt(moderators, Opts) of
            [] ->
                {updated, _} = sql("DROP TABLE IF EXISTS open_reports");
            _ ->
                {updated, _} = sql("CREATE TABLE IF NOT EXISTS open_reports (id INTEGER PRIMARY KEY AUTOINCREMENT, server_host TEXT NOT NULL,"
                                   " day TEXT NOT NULL, about TEXT NOT NULL, reporter TEXT NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL)"),
                Spared = [xmpp_sql:quote(jid:encode(jid:tolower(Name))) || Key <- [admins, moderators], Name <- gen_mod:get_opt(Key, Opts)],
                {updated, _} = sql(["DELETE FROM open_reports WHERE about IN (", lists:join(", ", Spared), ")"])
        end.

%% Not of administrators and moderators: those would read who reports them; nor of somebody in a room of ours, who may be one. The second one of the
%% same two people says nothing new, and an account that is not here needs no moderator. One reporter does not fill the list.
keep(Host, Address, By, Report) ->
    {User, Server, _} = jid:tolower(jid:decode(Address)),
    Ours = ejabberd_router:is_my_host(Server),
    About = xmpp_sql:quote(case Ours of true -> jid:encode({User, Server, <<>>}); false -> Address end),
    Words = cut(fxml:get_subtag_cdata(Report, <<"text">>), ?TEXT),
    opt(moderators) =/= []
        andalso not lists:member({User, Server, <<>>}, [jid:tolower(Name) || Name <- opt(admins) ++ opt(moderators)])
        andalso (case Ours of true -> ejabberd_auth:user_exists(User, Server); false -> not mod_xmpp_components:is_ours(Server) end)
        andalso {updated, 1} =:= sql(["INSERT INTO open_reports (server_host, day, about, reporter, kind, words) SELECT ", xmpp_sql:quote(Host), ", date('now'), ",
                                      About, ", ", xmpp_sql:quote(By), ", ", xmpp_sql:quote(kind(Report)), ", ", xmpp_sql:quote(Words),
                                      " WHERE NOT EXISTS (SELECT 1 FROM open_reports WHERE about = ", About, " AND reporter = ", xmpp_sql:quote(By), ")",
                                      " AND (SELECT count(*) FROM open_reports WHERE reporter = ", xmpp_sql:quote(By), ") < ", integer_to_list(?OF_ONE),
                                      " AND (SELECT count(*) FROM open_reports) < ", integer_to_list(?OPEN)]).

%% The oldest ones, and how many there are in all.
open() ->
    {selected, _, Rows} = sql(["SELECT id, day, about, reporter, kind, words FROM open_reports ORDER BY id LIMIT ", integer_to_list(?SHOWN)]),
    {selected, _, [[Number]]} = sql("SELECT count(*) FROM open_reports"),
    {Rows, binary_to_integer(Number)}.

%% Returns what those were about that were open.
close(Numbers) ->
    Which = [" WHERE id IN (", lists:join(", ", [integer_to_list(Number) || Number <- Numbers]), ")"],
    {selected, _, Rows} = sql(["SELECT about FROM open_reports" | Which]),
    {updated, _} = sql(["DELETE FROM open_reports" | Which]),
    [About || [About] <- Rows].

forget(User, Server) ->
    Address = xmpp_sql:quote(jid:encode({User, Server, <<>>})),
    opt(moderators) =/= [] andalso ({updated, _} = sql(["DELETE FROM open_reports WHERE about = ", Address, " OR reporter = ", Address])),
    ok.

%% A report has a day, no time, so it goes some hours before it is as old as that.
expire(Days) ->
    opt(moderators) =/= [] andalso
        ({updated, _} = sql(["DELETE FROM open_reports WHERE day <= date('now', '-", integer_to_list(Days), " days')"])),
    ok.

sql(Statement) ->
    ejabberd_sql:sql_query(hd(ejabberd_option:hosts()), iolist_to_binary(Statement)).
