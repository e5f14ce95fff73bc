%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the invitations of members: so many accounts in 30 days for each of them, from the eighth day of the account on. (Otherwise one account
%% could make a tree of accounts in minutes: each new one invites the next.) mod_invites creates invitations (XEP-0401) and takes them (XEP-0445).
%% - A link to an account counts when it is made, until it expires or is withdrawn, and for 30 days if it was used.
%% - A link to somebody's contacts (XEP-0379), which ejabberd takes as an invitation to an account as well, whoever made it and as often as
%%   asked, counts when an account is made by it. It makes none if its owner may not invite, or has used up the limit.
%% All is decided within the transaction that makes the link or the account, on the domain's only connection to the database: also of requests at the
%% same moment no more than the limit is met. Links are looked at again when the account is made: ejabberd asks only when they are shown,
%% and lets a stream wait until they have run out and count no more, or their owner is banned.
%% - Who reserves a name is told if it is taken. Some names at once, so that nobody finds out who has an account by it (in memory).
%% - Of those who have shown a link, nobody keeps others from CAPTCHAs.
%% - A link to an account is no proof to become its maker's contact for who has an account here: mod_invites notes who shows it as the guest, and as
%%   the next link is made it looks for who invited whom. Two who show each other's links, or one who shows its own, made it walk in a circle for
%%   ever, in the transaction: nobody could log in until ejabberd was restarted. What is left is a request as without a proof.
%% - mod_invites stores the name of a new account as the guest has typed it, and compares it so: here it is prepared first.
%% More than 300 lines: what counts as an invitation is decided in one place.
%% Stored: a used invitation stays for 30 days as a row of mod_invites' own table, without the name of who came by it (unless the operator keeps
%% that: keep, until that account is deleted), and without the time of the day.
%% Hooks: adhoc_local_commands, c2s_unauthenticated_packet and sm_receive_packet, before mod_invites; check_register_user; register_user. Without this module anybody who
%% has an account can make others by links to its contacts, also where only administrators invite, and there is no limit.
-module(mod_xmpp_invitations).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([command/4, packet/2, hear/1, judge/4, taken/2, forget/2, expire/1]).

-define(CREATE, <<"urn:xmpp:invite#create-account">>).
-define(STANZAS, <<"urn:ietf:params:xml:ns:xmpp-stanzas">>).
-define(PREAUTH, <<"urn:xmpp:pars:0">>).
-define(REGISTER, <<"jabber:iq:register">>).
-define(TYPE, 7).           %% element of ejabberd's record of an invitation
-define(FIRST_DAYS, "7").   %% in which an account invites nobody: more than xmpp_newcomer_days can be
-define(COUNT_DAYS, "30").
-define(NAMES, {10, 600}).  %% that are taken, which a member can try at once, and seconds until another one
-define(USED, "'used'").    %% no address, so nobody's
-define(MEMBERS_ROW, " username != '' AND type IN ('A', 'S')").
-define(END(Of), "date(" Of ", '+" ?COUNT_DAYS " days') || ' 00:00:00'").

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(adhoc_local_commands, Host, ?MODULE, command, 40),
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, packet, 6),
    ejabberd_hooks:Do(sm_receive_packet, Host, ?MODULE, hear, 45),
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
            Forms = [X || {xmlel, <<"x">>, Of, _} = X <- Els, fxml:get_attr_s(<<"type">>, Of) =:= <<"submit">>],
            try
                case Forms of
                    [] -> ask(words(left(User, Host), Host, xmpp_language:choose(Lang)), Make);
                    _ -> make(User, Host, Make, Lang)
                end
            catch
                _:_ -> {stop, {error, xmpp:err_internal_server_error()}}  %% passed over, it would make a link without a limit
            end;
        false -> Acc
    end.

make(User, Host, Make, Lang) ->
    {Key, {Names, Seconds}} = {{User, Host}, ?NAMES},
    Within = fun() ->
        case {left(User, Host), xmpp_token_bucket:used_up(?MODULE, Key, Names, Seconds)} of
            {{left, Number}, false} when Number > 0 ->
                case Make() of
                    {stop, {error, _}} = Refused ->
                        xmpp_token_bucket:use(?MODULE, Key, Seconds),
                        Refused;
                    Made -> Made
                end;
            {{left, Number}, true} when Number > 0 -> {stop, {error, no(names, Host, Lang)}};
            {Left, _} -> {stop, {error, no(Left, Host, Lang)}}
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

%% --- A link to an account as a proof (XEP-0379) ----------------------------------------------------------------------------------------

hear(Packet) when element(1, Packet) =:= presence ->
    {_, Home, _} = jid:tolower(xmpp:get_from(Packet)),
    case xmpp:get_type(Packet) =:= subscribe andalso ejabberd_router:is_my_host(Home) of
        true ->
            {_, Host, _} = jid:tolower(xmpp:get_to(Packet)),
            xmpp:set_els(Packet, [El || El <- xmpp:get_els(Packet), not is_to_account(Host, xmpp:encode(El))]);
        false -> Packet
    end;
hear(Packet) -> Packet.

is_to_account(Host, El) ->
    fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?PREAUTH andalso begin
        {selected, _, Rows} = sql(Host, ["SELECT 1 FROM invite_token WHERE type != 'R' AND server_host = ", xmpp_sql:quote(Host),
                                         " AND token = ", xmpp_sql:quote(fxml:get_tag_attr_s(<<"token">>, El))]),
        Rows =/= []
    end.

%% --- An account by a link ---------------------------------------------------------------------------------------------------------------

%% The stream's domain as it is stored: mod_invites, to which the client's way of writing it is another domain, ended the stream by a crash.
packet(#{lserver := Host, server := Typed} = State, IQ) when element(1, IQ) =:= iq, Typed =/= Host ->
    packet(State#{server := Host}, IQ);
packet(#{lserver := Host} = State, IQ) when element(1, IQ) =:= iq ->
    case {xmpp:get_type(IQ), [{fxml:get_tag_attr_s(<<"xmlns">>, El), El} || {xmlel, _, _, _} = El <- xmpp:get_els(IQ)]} of
        {set, [{?PREAUTH, El}]} -> show(State, Host, fxml:get_tag_attr_s(<<"token">>, El), IQ);
        {set, [{?REGISTER, El}]} when is_map_key(invite, State) ->
            mod_xmpp_invite_reservation:register(State, xmpp:set_els(IQ, [prepared(El)]), element(?TYPE, maps:get(invite, State)));
        {get, [{?REGISTER, _}]} when is_map_key(invite, State) -> form(State, Host, IQ);
        _ -> State
    end;
packet(State, _Packet) ->
    State.

show(State, Host, Token, IQ) ->
    case is_valid(Host, ["token = ", xmpp_sql:quote(Token)]) of
        true -> State;
        false ->
            Error = xmpp:err_item_not_found(<<"The token provided is either invalid or expired.">>, xmpp:get_lang(IQ)),
            Answer = xmpp:make_error(xmpp:set_els(IQ, []), Error),
            {stop, ejabberd_c2s:send(State, xmpp:set_from_to(Answer, jid:make(Host), undefined))}
    end.

%% mod_invites has pictures counted by the name that a link reserves: whoever had a link without one shared the limit with all others who had, and could
%% use it up for them. Here their address counts, as that of strangers does. A link for a new password (whose account exists) shows no picture.
form(#{invite := Invite} = State, Host, IQ) ->
    case gen_mod:get_module_opt(Host, mod_register, captcha_protected) =:= true andalso element(?TYPE, Invite) =/= reset_token of
        true -> mod_register:c2s_unauthenticated_packet(State, IQ);
        false -> State
    end.

%% Wherever the name is: in the request, or in its form.
prepared({xmlel, Name, Attrs, Els} = El) ->
    case Name =:= <<"username">> orelse Name =:= <<"field">> andalso fxml:get_attr_s(<<"var">>, Attrs) =:= <<"username">> of
        true -> named(El);
        false -> {xmlel, Name, Attrs, [prepared(One) || One <- Els]}
    end;
prepared(Text) ->
    Text.

named({xmlel, <<"field">>, Attrs, Els}) ->
    {xmlel, <<"field">>, Attrs, [named(El) || {xmlel, <<"value">>, _, _} = El <- Els]};
named({xmlel, Name, Attrs, _} = El) ->
    Typed = fxml:get_tag_cdata(El),
    case jid:nodeprep(Typed) of
        error -> {xmlel, Name, Attrs, [{xmlcdata, Typed}]};
        Prepared -> {xmlel, Name, Attrs, [{xmlcdata, Prepared}]}
    end.

%% Called before an account is made, by whatever way. mod_invites has written its name into the row of the link by now, in the same transaction.
%% If that cannot be told, it makes none: the hook of one that fails is passed over.
judge(true, User, Server, _Password) ->
    {Name, Host} = {jid:nodeprep(User), jid:nameprep(Server)},
    Which = ["type = 'R' AND account_name = ", xmpp_sql:quote(Name), " OR type != 'R' AND invitee = ", xmpp_sql:quote(jid:encode({Name, Host, <<>>}))],
    try is_valid(Host, Which) catch _:_ -> false end;
judge(Free, _User, _Server, _Password) ->
    Free.

%% Whether the accounts whose links these are may invite to an account now, and the links have not run out.
is_valid(Host, Which) ->
    {selected, _, Rows} = sql(Host, ["SELECT username, type, cast(expires > datetime('now', 'localtime') AS text) FROM invite_token"
                                     " WHERE server_host = ", xmpp_sql:quote(Host), " AND username != '' AND (", Which, ")"]),
    lists:all(fun([User, Type, Valid]) -> Valid =:= <<"1">> andalso may(User, Host, Type) end, Rows).

%% A link to an account was counted when it was made.
may(User, Host, Type) ->
    mod_invites:create_account_allowed(Host, jid:make(User, Host)) =:= ok andalso
        (Type =/= <<"R">> orelse is_exempt(User, Host) orelse
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
                      true -> xmpp_sql:quote(jid:encode({User, Server, <<>>}));
                      false -> ?USED
                  end,
            change(Server, ["UPDATE invite_token SET invitee = ", Who, ", account_name = '', created_at = date(created_at) || ' 00:00:00',"
                            " expires = " ?END("created_at") | invited(User, Server)]),
            %% The guest's app may still use the row of a link to contacts, for the contact.
            change(Server, ["INSERT INTO invite_token (token, username, server_host, invitee, type, created_at, expires, account_name)"
                            " SELECT 'used-' || hex(randomblob(12)), username, server_host, ", Who, ", 'A', date('now') || ' 00:00:00',"
                            " " ?END("'now'") ", '' FROM invite_token WHERE server_host = ", xmpp_sql:quote(Server),
                            " AND type = 'R' AND account_name = ", xmpp_sql:quote(User)]);
        false -> ok
    end,
    %% Used, but not by whom: no account has this name. ejabberd looks for such names in all domains, finds two of them, or walks in circles.
    change(Server, ["UPDATE invite_token SET account_name = '@' WHERE server_host = ", xmpp_sql:quote(Server),
                    " AND type = 'R' AND account_name = ", xmpp_sql:quote(User)]).

%% When an account is deleted, before mod_xmpp_deletion deletes what else there is of it: its invitation counts all the same. (Otherwise whoever
%% invites accounts and deletes them has no limit.)
forget(User, Server) ->
    case members(Server) of
        true -> change(Server, ["UPDATE invite_token SET invitee = " ?USED | invited(User, Server)]);
        false -> ok
    end.

invited(User, Server) ->
    [" WHERE server_host = ", xmpp_sql:quote(Server), " AND invitee = ", xmpp_sql:quote(jid:encode({User, Server, <<>>})), " AND" ?MEMBERS_ROW].

%% Used invitations, but those that count (mod_xmpp_deletion:expire, once an hour). A setting that has changed holds for older ones as well.
expire(Host) ->
    Own = [" WHERE server_host = ", xmpp_sql:quote(Host), " AND "],
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
    Own = [" WHERE username = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Host)],
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
    L = xmpp_language:choose(Lang),
    Text = {xmlel, <<"text">>, [{<<"xmlns">>, ?STANZAS}, {<<"xml:lang">>, L}], [{xmlcdata, words(Left, Host, L)}]},
    {xmlel, Name, Attrs, Els} = xmpp:encode(case Left of
                                                {young, _} -> xmpp:err_not_allowed();
                                                _ -> xmpp:err_resource_constraint()
                                            end),
    xmpp:decode({xmlel, Name, Attrs, Els ++ [Text]}).

words(names, _Host, L) -> names_words(L);
words({young, Day}, _Host, L) -> young_words(L, Day);
words({left, Number}, _Host, L) when Number > 0 -> left_words(L, integer_to_binary(Number));
words({left, _}, Host, L) -> full_words(L, integer_to_binary(gen_mod:get_module_opt(Host, ?MODULE, each))).

left_words(<<"de">>, Number) ->
    <<"Links, die du noch erstellen kannst: "/utf8, Number/binary, ". Jeder zählt, bis er abläuft, und ein benutzter 30 Tage lang."/utf8>>;
left_words(_, Number) ->
    <<"Links that you can still make: ", Number/binary, ". Each counts until it expires, and for 30 days if it was used.">>.

young_words(<<"de">>, Day) -> <<"Ein neues Konto kann noch niemanden einladen, deines ab dem "/utf8, Day/binary, ".">>;
young_words(_, Day) -> <<"A new account cannot invite anybody yet; yours can from ", Day/binary, " on.">>.

names_words(<<"de">>) -> <<"Zu viele dieser Namen waren nicht frei. In zehn Minuten geht es wieder."/utf8>>;
names_words(_) -> <<"Too many of these names were not free. Try again in ten minutes.">>.

full_words(<<"de">>, Each) ->
    <<"Höchstens "/utf8, Each/binary, " Einladungen in 30 Tagen: So viele gelten noch oder wurden benutzt."/utf8>>;
full_words(_, Each) ->
    <<"No more than ", Each/binary, " invitations in 30 days: so many are still valid or were used.">>.

change(Host, Statement) ->
    {updated, _} = sql(Host, Statement),
    ok.

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
