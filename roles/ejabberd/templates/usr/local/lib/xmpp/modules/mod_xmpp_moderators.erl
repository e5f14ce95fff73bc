%% SPDX-License-Identifier: GPL-3.0-or-later
%% Moderators: accounts that act on reports from their app, by commands (XEP-0050) with forms (XEP-0004) of their own domain. They see these
%% commands and nothing else of the administration; nobody else sees them, but for administrators, who decide about new accounts as well. What they do is done by xmpp_moderation, and told to the administrators.
%% A command takes one form, so nothing is kept between its steps.
%% Hooks: adhoc_local_items, adhoc_local_commands, disco_local_identity, disco_local_features. Without this module there are no moderators.
-module(mod_xmpp_moderators).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([items/4, command/4, identity/5, features/5, is_command/1]).

-define(NODE, "conexizan:moderators#").
-define(COMMANDS, <<"http://jabber.org/protocol/commands">>).
-define(DATA, <<"jabber:x:data">>).
-define(DISCO, "http://jabber.org/protocol/disco").
%% Of one moderator, whose account somebody may have stolen: at once, seconds until one more.
-define(ACTIONS, {60, 60}).
-define(INVITES, {20, 3600}).
-define(SHOWN, 30).  %% of those who wait to be let in
%% Each command and the fields of its form.
-define(VERBS, [{reports, [done]}, {waiting, [accounts, decision]}, {account, [account]}, {ban, [account, reason]}, {unban, [account]}, {sessions, [account]}, {upload, [link]},
                {destroy, [room, reason]}, {outcast, [room, account, reason]}, {reset, [account]}, {invite, []}]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> xmpp_token_bucket:new(?MODULE), hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(adhoc_local_items, Host, ?MODULE, items, 60),
    ejabberd_hooks:Do(adhoc_local_commands, Host, ?MODULE, command, 60),
    ejabberd_hooks:Do(disco_local_identity, Host, ?MODULE, identity, 60),
    ejabberd_hooks:Do(disco_local_features, Host, ?MODULE, features, 60),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_adhoc, hard}, {mod_xmpp_reports, hard}, {mod_xmpp_upload, hard}, {mod_muc_admin, hard}, {mod_shared_roster, hard},
                          {mod_xmpp_registration_review, hard}].
%% Without links there is no page for invitations and new passwords. Where strangers make accounts, nobody can know to whom a password belongs.
mod_options(_Host) -> [{admins, []}, {moderators, []}, {links, false}, {resets, false}].
mod_opt_type(Flag) when Flag =:= links; Flag =:= resets -> econf:bool();
mod_opt_type(_) -> econf:list(econf:jid()).
mod_doc() -> #{}.

accounts(Host, Name) -> [jid:tolower(jid:remove_resource(JID)) || JID <- gen_mod:get_module_opt(Host, ?MODULE, Name)].

%% The commands of somebody at a domain: of a moderator or an administrator at their own.
verbs(From, To) ->
    {{User, Server, _}, {_, Host, _}} = {jid:tolower(From), jid:tolower(To)},
    Waiting = [waiting || mod_xmpp_registration_review:has_list()],
    Hidden = [Verb || {Verb, Flag} <- [{invite, links}, {reset, resets}], not gen_mod:get_module_opt(Host, ?MODULE, Flag)] ++ ([waiting] -- Waiting),
    case Server =:= Host andalso {is_one(moderators, Host, User), is_one(admins, Host, User)} of
        {true, _} -> [Verb || {Verb, _} <- ?VERBS, not lists:member(Verb, Hidden)];
        {false, true} -> Waiting;
        _ -> []
    end.

is_one(Name, Host, User) -> lists:member({User, Host, <<>>}, accounts(Host, Name)).

verb(<<?NODE, Name/binary>>, From, To) ->
    case [Verb || Verb <- verbs(From, To), atom_to_binary(Verb) =:= Name] of
        [Verb] -> Verb;
        [] -> none
    end;
verb(_Node, _From, _To) ->
    none.

is_command(<<?NODE, _/binary>>) -> true;
is_command(_Node) -> false.

node_of(Verb) -> <<?NODE, (atom_to_binary(Verb))/binary>>.

%% ---------------------------------------------------------------------- discovery
items(Acc, From, To, Lang) ->
    Others = case Acc of
                 {result, Some} -> Some;
                 _ -> []
             end,
    Address = jid:encode(jid:remove_resource(To)),
    case [xmpp:decode({xmlel, <<"item">>, [{<<"xmlns">>, <<?DISCO, "#items">>}, {<<"jid">>, Address}, {<<"node">>, node_of(Verb)},
                                            {<<"name">>, text(Lang, {name, Verb})}], []}) || Verb <- verbs(From, To)] of
        [] -> Acc;
        Items -> {result, Others ++ Items}
    end.

identity(Acc, From, To, Node, Lang) ->
    case verb(Node, From, To) of
        none -> Acc;
        Verb -> [xmpp:decode({xmlel, <<"identity">>, [{<<"xmlns">>, <<?DISCO, "#info">>}, {<<"category">>, <<"automation">>},
                                                     {<<"type">>, <<"command-node">>}, {<<"name">>, text(Lang, {name, Verb})}], []})]
    end.

features(Acc, From, To, Node, _Lang) ->
    case verb(Node, From, To) of
        none -> Acc;
        _ -> {result, [?COMMANDS, ?DATA]}
    end.

%% ---------------------------------------------------------------------- commands
command(Acc, From, To, Request) ->
    Command = xmpp:encode(Request),
    case verb(fxml:get_tag_attr_s(<<"node">>, Command), From, To) of
        none -> Acc;
        Verb -> {stop, answer(Verb, Command, jid:tolower(jid:remove_resource(From)), fxml:get_tag_attr_s(<<"xml:lang">>, Command))}
    end.

answer(Verb, Command, Who, Lang) ->
    Form = fxml:get_subtag_with_xmlns(Command, <<"x">>, ?DATA),
    Submitted = Form =/= false andalso fxml:get_tag_attr_s(<<"type">>, Form) =:= <<"submit">>,
    {Status, Content} = case fxml:get_tag_attr_s(<<"action">>, Command) of
                            <<"cancel">> -> {<<"canceled">>, []};
                            <<"prev">> -> form(Verb, Lang);
                            _ when Submitted; Verb =:= invite -> run(Verb, values(Form), Who, Lang);
                            _ -> form(Verb, Lang)
                        end,
    Session = case fxml:get_tag_attr_s(<<"sessionid">>, Command) of
                  <<>> -> p1_rand:get_string();
                  Known -> Known
              end,
    {xmlel, <<"command">>, [{<<"xmlns">>, ?COMMANDS}, {<<"node">>, node_of(Verb)}, {<<"sessionid">>, Session}, {<<"status">>, Status}], Content}.

values(false) -> #{};
values(Form) ->
    maps:from_list([{fxml:get_tag_attr_s(<<"var">>, Field), [fxml:get_tag_cdata(Value) || Value <- fxml:get_subtags(Field, <<"value">>)]}
                    || Field <- fxml:get_subtags(Form, <<"field">>)]).

form(reports, Lang) ->
    case mod_xmpp_reports:open() of
        {[], _} -> {<<"completed">>, [note(<<"info">>, text(Lang, no_reports))]};
        {Rows, Number} ->
            More = [text(Lang, more_reports, [integer_to_binary(Number)]) || Number > length(Rows)],
            Options = [option(Id, <<Id/binary, ". ", About/binary>>) || [Id, _, About | _] <- Rows],
            Fields = [field(<<"fixed">>, <<>>, <<>>, [value(report(Row, Lang))]) || Row <- Rows]
                ++ [field(<<"list-multi">>, <<"done">>, text(Lang, {field, done}), Options)],
            executing(reports, More, Fields, Lang)
    end;
form(waiting, Lang) ->
    case mod_xmpp_registration_review:list(?SHOWN) of
        {[], _} -> {<<"completed">>, [note(<<"info">>, text(Lang, nobody_waits))]};
        {Rows, Number} ->
            More = [text(Lang, more_wait, [integer_to_binary(Number)]) || Number > length(Rows)],
            Shown = [field(<<"fixed">>, <<>>, <<>>, [value(text(Lang, waits, [Address, Day, unicode:characters_to_binary(["\n" | mod_xmpp_reports:quote(Words)])]))])
                     || [Address, Day, Words] <- Rows],
            Fields = [field(<<"list-multi">>, <<"accounts">>, text(Lang, {field, accounts}), [option(Address, Address) || [Address | _] <- Rows]),
                      field(<<"list-single">>, <<"decision">>, text(Lang, {field, decision}),
                            [el(<<"required">>, []) | [option(atom_to_binary(One), text(Lang, {decision, One})) || One <- [admit, refuse]]])],
            executing(waiting, More, Shown ++ Fields, Lang)
    end;
form(Verb, Lang) ->
    {Verb, Names} = lists:keyfind(Verb, 1, ?VERBS),
    executing(Verb, [], [field(<<"text-single">>, atom_to_binary(Name), text(Lang, {field, Name}),
                               [el(<<"required">>, []) || Name =/= reason orelse Verb =:= ban]) || Name <- Names], Lang).

executing(Verb, More, Fields, Lang) ->
    Instructions = [el(<<"instructions">>, Text) || Text <- [text(Lang, {help, Verb}) | More]],
    Form = [el(<<"title">>, text(Lang, {name, Verb})) | Instructions] ++ Fields,
    {<<"executing">>, [el(<<"actions">>, [{<<"execute">>, <<"complete">>}], [el(<<"complete">>, [])]),
                       el(<<"x">>, [{<<"xmlns">>, ?DATA}, {<<"type">>, <<"form">>}], Form)]}.

report([Id, Day, About, Reporter, Kind, Words], Lang) ->
    Quoted = case Words of
                 <<>> -> [];
                 _ -> ["\n" | mod_xmpp_reports:quote(Words)]
             end,
    text(Lang, report, [Id, Kind, Day, About, Reporter, unicode:characters_to_binary(Quoted)]).

run(Verb, Values, {User, Host, _} = Who, Lang) ->
    {Size, Seconds} = Limit = case Verb of
                                  invite -> ?INVITES;
                                  _ -> ?ACTIONS
                              end,
    Done = case xmpp_token_bucket:used_up(?MODULE, {Limit, Who}, Size, Seconds) of
               true -> {refused, too_many};
               false ->
                   xmpp_token_bucket:use(?MODULE, {Limit, Who}, Seconds),
                   act(Verb, Values, Host)
           end,
    case Done of
        {refused, Why} ->
            {<<"completed">>, [note(<<"error">>, text(Lang, Why))]};
        {done, {Key, Args}, More, Told} ->
            Rank = case is_one(moderators, Host, User) of true -> <<"Moderator ">>; false -> <<"Administrator ">> end,
            tell(Host, [Rank, jid:encode(Who), <<" ">>, Told]),
            Lines = lists:join(<<"\n">>, [text(Lang, Name, Some) || {Name, Some} <- [{Key, Args} | More]]),
            %% Some apps show the note alone, others let nobody copy from it.
            Forms = [el(<<"x">>, [{<<"xmlns">>, ?DATA}, {<<"type">>, <<"result">>}], [field(<<"text-single">>, <<"link">>, <<>>, [value(Link)])])
                     || {link, [Link]} <- More],
            {<<"completed">>, [note(<<"info">>, iolist_to_binary(Lines)) | Forms]}
    end.

act(reports, Values, _Host) ->
    Numbers = [binary_to_integer(Value) || Value <- maps:get(<<"done">>, Values, []), re:run(Value, "^[0-9]{1,15}$", [dollar_endonly]) =/= nomatch],
    case mod_xmpp_reports:close(Numbers) of
        [] -> {refused, no_reports};
        About ->
            Closed = lists:join(<<", ">>, About),
            {done, {reports_closed, [iolist_to_binary(Closed)]}, [], [<<"has closed reports about ">>, Closed]}
    end;
act(waiting, Values, _Host) ->
    Accounts = [{User, Server} || Value <- maps:get(<<"accounts">>, Values, []), {User, Server, _} <- [decode(Value)]],
    case maps:get(<<"decision">>, Values, []) of
        [<<"admit">>] -> decide(admit, Accounts, admitted, <<"has let in ">>);
        [<<"refuse">>] -> decide(refuse, Accounts, turned_away, <<"has refused and deleted ">>);
        _ -> {refused, incomplete}
    end;
act(Verb, Values, Host) ->
    {Verb, Names} = lists:keyfind(Verb, 1, ?VERBS),
    Given = maps:from_list([{Name, iolist_to_binary(lists:join(<<" ">>, maps:get(atom_to_binary(Name), Values, [])))} || Name <- Names]),
    case [Name || Name <- Names, Name =/= reason, map_get(Name, Given) =:= <<>>] of
        [] -> xmpp_moderation:act(Verb, Given, Host, accounts(Host, admins) ++ accounts(Host, moderators));
        _ -> {refused, incomplete}
    end.

decide(_Decision, [], _Key, _Told) -> {refused, incomplete};
decide(Decision, Accounts, Key, Told) ->
    case mod_xmpp_registration_review:decide(Decision, Accounts) of
        [] -> {refused, nobody_waits};
        Done ->
            Names = lists:join(<<", ">>, [jid:encode({User, Server, <<>>}) || {User, Server} <- Done]),
            {done, {Key, [iolist_to_binary(Names)]}, [], [Told, Names]}
    end.

decode(Address) ->
    try jid:tolower(jid:remove_resource(jid:decode(Address))) catch _:_ -> error end.

tell(Host, Text) ->
    [mod_xmpp_reports:tell(Host, Admin, Text) || Admin <- gen_mod:get_module_opt(Host, ?MODULE, admins)].

%% ---------------------------------------------------------------------- elements
text(Lang, Key) -> text(Lang, Key, []).
text(Lang, Key, Values) -> xmpp_moderation_texts:text(Lang, Key, Values).

note(Type, Text) -> el(<<"note">>, [{<<"type">>, Type}], [{xmlcdata, Text}]).

field(Type, Name, Label, Content) ->
    el(<<"field">>, [{<<"type">>, Type} | [{Key, Value} || {Key, Value} <- [{<<"var">>, Name}, {<<"label">>, Label}], Value =/= <<>>]], Content).

option(Value, Label) -> el(<<"option">>, [{<<"label">>, Label}], [value(Value)]).

value(Text) -> el(<<"value">>, Text).

el(Name, Text) when is_binary(Text) -> el(Name, [], [{xmlcdata, Text}]);
el(Name, Content) -> el(Name, [], Content).

el(Name, Attributes, Content) -> {xmlel, Name, Attributes, Content}.
