%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the invitations of members: so many accounts in 30 days for each of them, from the eighth day of the account on. (Otherwise one account
%% could make a tree of accounts in minutes: each new one invites the next.) mod_invites creates invitations (XEP-0401) and takes them (XEP-0445).
%% - A link to an account counts when it is made, until it expires or is withdrawn, and for 30 days if it was used.
%% - A link to somebody's contacts (XEP-0379), which ejabberd takes as an invitation to an account as well, whoever made it and as often as
%%   asked, counts when an account is made by it. It makes none if its owner may not invite, or has used up the limit.
%% All is decided within the transaction that makes the link or the account, on the only connection to the database: also of requests at the
%% same moment no more than the limit is met.
%% Stored: a used invitation stays for 30 days as a row of mod_invites' own table, without the name of who came by it (unless the operator keeps
%% that: keep), and without the time of the day.
%% Hooks: adhoc_local_commands and c2s_unauthenticated_packet, before mod_invites; check_register_user; register_user. Without this module anybody who
%% has an account can make others by links to its contacts, and there is no limit.
-module(mod_xmpp_invitations).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([command/4, shown/2, judge/4, taken/2, expire/1]).

-define(CREATE, <<"urn:xmpp:invite#create-account">>).
-define(STANZAS, <<"urn:ietf:params:xml:ns:xmpp-stanzas">>).
-define(PREAUTH, <<"urn:xmpp:pars:0">>).
-define(FIRST_DAYS, "7").   %% in which an account invites nobody
-define(COUNT_DAYS, "30").
-define(USED, "'used'").    %% no address, so nobody's
-define(MEMBERS_ROW, " username != '' AND type IN ('A', 'S')").

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(adhoc_local_commands, Host, ?MODULE, command, 40),
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, shown, 6),
    ejabberd_hooks:Do(check_register_user, Host, ?MODULE, judge, 60),
    ejabberd_hooks:Do(register_user, Host, ?MODULE, taken, 60),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_adhoc, hard}, {mod_invites, hard}, {mod_register, hard}].
mod_options(_Host) -> [{by, administrators}, {each, 5}, {keep, false}].
mod_opt_type(by) -> econf:enum([administrators, members]);
mod_opt_type(each) -> econf:pos_int();
mod_opt_type(keep) -> econf:bool().
mod_doc() -> #{}.

%% --- Making a link to an account, in an app or on the account page -------------------------------------------------------------------

command(Acc, From, To, Request) ->
    {User, Server, _} = jid:tolower(From),
    {_, Host, _} = jid:tolower(To),
    {xmlel, _, Attrs, Els} = xmpp:encode(Request),
    Wanted = Server =:= Host andalso fxml:get_attr_s(<<"node">>, Attrs) =:= ?CREATE,
    case Wanted andalso mod_invites:create_account_allowed(Host, From) =:= ok andalso not is_exempt(User, Host) of
        true ->
            Make = fun() -> mod_invites:adhoc_commands(Acc, From, To, Request) end,
            Lang = fxml:get_attr_s(<<"xml:lang">>, Attrs),
            case [X || {xmlel, <<"x">>, Of, _} = X <- Els, fxml:get_attr_s(<<"type">>, Of) =:= <<"submit">>] of
                [] -> ask(words(left(User, Host), Host, language(Lang)), Make);
                _ -> make(User, Host, Make, Lang)
            end;
        false -> Acc
    end.

make(User, Host, Make, Lang) ->
    Within = fun() ->
        case left(User, Host) of
            {left, Number} when Number > 0 -> Make();
            Left -> {stop, {error, no(Left, Host, Lang)}}
        end
    end,
    case ejabberd_sql:sql_transaction(Host, Within) of
        {atomic, Answer} -> Answer;
        _ -> {stop, {error, xmpp:err_internal_server_error()}}
    end.

%% The form says how many are left, or why there are none.
ask(Words, Make) ->
    case Make() of
        {stop, Form} when element(1, Form) =:= adhoc_command ->
            {xmlel, Name, Attrs, Els} = xmpp:encode(Form),
            Instructions = {xmlel, <<"instructions">>, [], [{xmlcdata, Words}]},
            {stop, xmpp:decode({xmlel, Name, Attrs, [with(Instructions, El) || El <- Els]})};
        Answer -> Answer
    end.

with(Instructions, {xmlel, <<"x">>, Attrs, Els}) -> {xmlel, <<"x">>, Attrs, [Instructions | Els]};
with(_Instructions, El) -> El.

%% --- An account by a link to somebody's contacts ---------------------------------------------------------------------------------------

shown(#{lserver := Host} = State, Packet) when element(1, Packet) =:= iq ->
    Tokens = [fxml:get_tag_attr_s(<<"token">>, El) || {xmlel, _, _, _} = El <- xmpp:get_els(Packet),
                                                    fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?PREAUTH],
    case {xmpp:get_type(Packet), Tokens} of
        {set, [Token]} ->
            case inviters(Host, ["token = ", quote(Token)]) of
                true -> State;
                false ->
                    Error = xmpp:err_item_not_found(<<"The token provided is either invalid or expired.">>, xmpp:get_lang(Packet)),
                    Answer = xmpp:make_error(xmpp:set_els(Packet, []), Error),
                    {stop, ejabberd_c2s:send(State, xmpp:set_from_to(Answer, jid:make(Host), undefined))}
            end;
        _ -> State
    end;
shown(State, _Packet) ->
    State.

%% Called before an account is made, by whatever way. mod_invites has written its name into the row of the link by now, in the same transaction.
judge(true, User, Server, _Password) ->
    inviters(jid:nameprep(Server), ["account_name = ", quote(jid:nodeprep(User))]);
judge(Free, _User, _Server, _Password) ->
    Free.

%% Whether those whose links to their contacts these are may invite to an account now.
inviters(Host, Which) ->
    {selected, _, Rows} = sql(Host, ["SELECT username FROM invite_token WHERE server_host = ", quote(Host), " AND type = 'R' AND " | Which]),
    lists:all(fun([User]) -> may(User, Host) end, Rows).

may(User, Host) ->
    mod_invites:create_account_allowed(Host, jid:make(User, Host)) =:= ok andalso
        (is_exempt(User, Host) orelse
             case left(User, Host) of
                 {left, Number} -> Number > 0;
                 _ -> false
             end).

%% --- What stays of it ----------------------------------------------------------------------------------------------------------------

%% In the transaction that makes the account.
taken(User, Server) ->
    case members(Server) of
        true ->
            Who = case is_kept(Server) of
                      true -> quote(jid:encode({User, Server, <<>>}));
                      false -> ?USED
                  end,
            change(Server, ["UPDATE invite_token SET invitee = ", Who, ", account_name = '', created_at = date(created_at) || ' 00:00:00',"
                            " expires = datetime(created_at, '+" ?COUNT_DAYS " days') WHERE server_host = ", quote(Server),
                            " AND invitee = ", quote(jid:encode({User, Server, <<>>})), " AND" ?MEMBERS_ROW]),
            %% The app may still use the row of a link to contacts, for the contact.
            change(Server, ["INSERT INTO invite_token (token, username, server_host, invitee, type, created_at, expires, account_name)"
                            " SELECT 'used-' || hex(randomblob(12)), username, server_host, ", Who, ", 'A', date('now') || ' 00:00:00',"
                            " datetime('now', '+" ?COUNT_DAYS " days'), '' FROM invite_token WHERE server_host = ", quote(Server),
                            " AND type = 'R' AND account_name = ", quote(User)]);
        false -> ok
    end.

%% Used invitations, but those that count (mod_xmpp_deletion:expire, once an hour). A setting that has changed holds for older ones as well.
expire(Host) ->
    Own = [" WHERE server_host = ", quote(Host), " AND "],
    Used = "(invitee != '' OR type = 'R' AND account_name != '')",
    case {members(Host), is_kept(Host)} of
        {true, true} -> change(Host, ["DELETE FROM invite_token", Own, Used, " AND NOT (" ?MEMBERS_ROW ")"]);
        {true, false} ->
            change(Host, ["UPDATE invite_token SET invitee = " ?USED ", account_name = ''", Own, "invitee NOT IN ('', " ?USED ") AND" ?MEMBERS_ROW]),
            change(Host, ["DELETE FROM invite_token", Own, Used, " AND NOT (" ?MEMBERS_ROW ")"]);
        {false, _} -> change(Host, ["DELETE FROM invite_token", Own, Used])
    end.

%% --- What is left --------------------------------------------------------------------------------------------------------------------

%% {left, Number}, or {young, Day} on which the account may begin. An unsure day (mod_xmpp_account_day) is the latest that it can be.
left(User, Host) ->
    Own = [" WHERE username = ", quote(User), " AND server_host = ", quote(Host)],
    case sql(Host, ["SELECT coalesce(date(min(created_at), '+" ?FIRST_DAYS " days'), ''), date('now'), cast((SELECT count(*) FROM invite_token",
                    Own, " AND type IN ('A', 'S') AND expires > datetime('now', 'localtime')) AS text) FROM users" | Own]) of
        {selected, _, [[Day, Today, Made]]} when Day =/= <<>>, Day =< Today ->
            {left, gen_mod:get_module_opt(Host, ?MODULE, each) - binary_to_integer(Made)};
        {selected, _, [[Day, _, _]]} -> {young, Day}
    end.

is_exempt(User, Host) ->
    acl:match_acl(Host, {acl, admin}, #{usr => {User, Host, <<>>}}).

members(Host) -> gen_mod:get_module_opt(Host, ?MODULE, by) =:= members.
is_kept(Host) -> gen_mod:get_module_opt(Host, ?MODULE, keep).

%% With the language of the words, which ejabberd would take for English.
no(Left, Host, Lang) ->
    L = language(Lang),
    Text = {xmlel, <<"text">>, [{<<"xmlns">>, ?STANZAS}, {<<"xml:lang">>, L}], [{xmlcdata, words(Left, Host, L)}]},
    {xmlel, Name, Attrs, Els} = xmpp:encode(case Left of
                                                {young, _} -> xmpp:err_not_allowed();
                                                {left, _} -> xmpp:err_resource_constraint()
                                            end),
    xmpp:decode({xmlel, Name, Attrs, Els ++ [Text]}).

words({young, Day}, _Host, L) -> young_words(L, Day);
words({left, Number}, _Host, L) when Number > 0 -> left_words(L, integer_to_binary(Number));
words({left, _}, Host, L) -> full_words(L, integer_to_binary(gen_mod:get_module_opt(Host, ?MODULE, each))).

left_words(<<"de">>, Number) ->
    <<"Links, die du noch machen kannst: "/utf8, Number/binary, ". Jeder zählt, bis er abläuft, und ein benutzter 30 Tage lang."/utf8>>;
left_words(_, Number) ->
    <<"Links that you can still make: ", Number/binary, ". Each counts until it expires, and for 30 days if it was used.">>.

young_words(<<"de">>, Day) -> <<"Ein neues Konto kann noch niemanden einladen, deines ab dem "/utf8, Day/binary, ".">>;
young_words(_, Day) -> <<"A new account cannot invite anybody yet; yours can from ", Day/binary, " on.">>.

full_words(<<"de">>, Each) ->
    <<"Mehr als "/utf8, Each/binary, " Einladungen gehen nicht in 30 Tagen; so viele gelten noch oder wurden benutzt."/utf8>>;
full_words(_, Each) ->
    <<"No more than ", Each/binary, " invitations in 30 days: so many are still valid or were used.">>.

%% As ejabberd chooses: the one that is asked for, else the server's.
language(Lang) ->
    case short(Lang) of
        Known when Known =:= <<"de">>; Known =:= <<"en">> -> Known;
        _ -> short(ejabberd_option:language())
    end.

short(Lang) ->
    hd(binary:split(string:lowercase(Lang), <<"-">>)).

change(Host, Statement) ->
    {updated, _} = sql(Host, Statement),
    ok.

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).

quote(Text) ->
    ["'", string:replace(Text, "'", "''", all), "'"].
