%% SPDX-License-Identifier: GPL-3.0-or-later
%% An invitation that is good for many accounts, for people behind one address. Registering with it (XEP-0445) needs no CAPTCHA and is not
%% held up by the limit per address: the operator has vouched for these people. ejabberd's own (mod_invites) is good for one account. Here each use is
%% a row of its own in ejabberd's table, under the token with a number behind it: so ejabberd lists, expires and revokes uses, and a use is taken
%% together with its account or not at all. The row is deleted with its use, so nobody can tell who came by which. The number can have the name of
%% a circle before it (TOKEN-CIRCLE-NUMBER), which its account becomes a member of (mod_xmpp_circles); the guest's link does not tell it.
%% Hook: c2s_unauthenticated_packet, before mod_invites and mod_xmpp_invitations. Without this module such an invitation is refused as unknown.
-module(mod_xmpp_invitation_uses).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([packet/2, make/5, end_circle/2]).

-define(PREFIX, "workshop-").
-define(PREAUTH, <<"urn:xmpp:pars:0">>).
-define(REGISTER, <<"jabber:iq:register">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, packet, 5).

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_invites, hard}, {mod_register, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Called by the program invitation-uses, for the operator. An invitation of mod_invites becomes one with so many uses, into a circle or none (<<>>);
%% it keeps the name that it is for, and its days count from now.
make(Host, Token, Uses, Days, Circle) ->
    Row = [" FROM invite_token WHERE server_host = ", xmpp_sql:quote(Host), " AND token = ", xmpp_sql:quote(Token)],
    Into = [[Circle, $-] || Circle =/= <<>>],
    {atomic, ok} = ejabberd_sql:sql_transaction(Host, fun() ->
        {selected, _, [[Name]]} = sql_t(["SELECT account_name" | Row]),
        {updated, 1} = sql_t(["DELETE" | Row]),
        lists:foreach(fun(Number) ->
            {updated, 1} = sql_t(["INSERT INTO invite_token (token, username, server_host, invitee, type, created_at, expires, account_name) VALUES (",
                                  xmpp_sql:quote([?PREFIX, Token, $-, Into, integer_to_binary(Number)]), ", '', ", xmpp_sql:quote(Host),
                                  ", '', 'A', datetime('now'), datetime('now', 'localtime', '+", integer_to_binary(Days), " days'), ",
                                  xmpp_sql:quote(Name), ")"])
        end, lists:seq(1, Uses))
    end),
    ok.

%% The circle is no more.
end_circle(Host, Circle) ->
    {selected, _, Rows} = ejabberd_sql:sql_query(Host, iolist_to_binary(["SELECT token FROM invite_token WHERE server_host = ", xmpp_sql:quote(Host)])),
    [{updated, _} = ejabberd_sql:sql_query(Host, iolist_to_binary(["DELETE FROM invite_token WHERE server_host = ", xmpp_sql:quote(Host),
                                                                   " AND token = ", xmpp_sql:quote(Token)]))
     || [<<?PREFIX, Rest/binary>> = Token] <- Rows, [Shown, _] <- [binary:split(Rest, <<"-">>)],
        circle(Token, <<?PREFIX, Shown/binary>>) =:= Circle],
    ok.

%% Of one use of an invitation that is shown so: what is between that and the number, or <<>>.
circle(One, Shown) ->
    [_, Rest] = string:split(One, [Shown, $-]),
    case string:split(Rest, "-", trailing) of
        [Circle, _Number] -> Circle;
        [_Number] -> <<>>
    end.

packet(#{lserver := Host} = State, Packet) when element(1, Packet) =:= iq ->
    Shown = maps:get(?MODULE, State, none),
    case {xmpp:get_type(Packet), [{fxml:get_tag_attr_s(<<"xmlns">>, El), El} || {xmlel, _, _, _} = El <- xmpp:get_els(Packet)]} of
        {set, [{?PREAUTH, El}]} -> show(State, Host, fxml:get_tag_attr_s(<<"token">>, El), Packet);
        {get, [{?REGISTER, _}]} when Shown =/= none -> answer(State, xmpp:make_iq_result(Packet, form()));
        {set, [{?REGISTER, El}]} when Shown =/= none -> enter(State, Host, Shown, El, Packet);
        _ -> State
    end;
packet(State, _Packet) ->
    State.

%% mod_invites judges other kinds of invitations on the same stream.
%% Behind the first part would be that of a circle's name: another circle would be the rest of it.
show(State, Host, <<?PREFIX, Rest/binary>> = Token, IQ) ->
    case mod_invites_opt:access_create_account(Host) =/= none andalso string:find(Rest, "-") =:= nomatch andalso free(Host, Token) =/= none of
        true -> answer(State#{?MODULE => Token}, xmpp:make_iq_result(IQ));
        false -> refuse(State, IQ, invalid(IQ))
    end;
show(State, _Host, _Token, _IQ) ->
    maps:remove(?MODULE, State).

form() ->
    {xmlel, <<"query">>, [{<<"xmlns">>, ?REGISTER}], [{xmlel, <<"username">>, [], []}, {xmlel, <<"password">>, [], []}]}.

enter(State, Host, Token, Query, IQ) ->
    case [fxml:get_tag_cdata(Field) || Name <- [<<"username">>, <<"password">>], {xmlel, _, _, _} = Field <- [fxml:get_subtag(Query, Name)]] of
        [User, Password] ->
            case use(Host, Token, jid:nodeprep(User), fun() -> register(User, Host, Password, IQ) end) of
                ok -> answer(State, xmpp:make_iq_result(IQ));
                none -> refuse(State, IQ, invalid(IQ));
                {error, Error} -> refuse(State, IQ, Error)
            end;
        _ -> refuse(State, IQ, xmpp:err_bad_request())
    end.

%% ejabberd limits accounts by the address that asks: here by one that nobody has (RFC 6666), another each time.
register(User, Host, Password, IQ) ->
    <<A:16, B:16, C:16, D:16>> = crypto:strong_rand_bytes(8),
    mod_register:try_register(User, Host, Password, {16#100, 0, 0, 0, A, B, C, D}, mod_invites, xmpp:get_lang(IQ)).

%% The account is made within the transaction, as mod_invites does. If two take the same row, the second one takes another.
use(Host, Token, User, Register) ->
    case free(Host, Token) of
        none -> none;
        {_, Name} when Name =/= <<>>, Name =/= User -> {error, xmpp:err_not_allowed()};
        {One, Name} ->
            Take = fun() ->
                {updated, 1} = sql_t(["DELETE FROM invite_token WHERE server_host = ", xmpp_sql:quote(Host), " AND token = ", xmpp_sql:quote(One)]),
                ok = mod_xmpp_circles:for_name(Name, Register),
                case circle(One, Token) of
                    <<>> -> ok;
                    Circle -> mod_xmpp_circles:invited(Host, User, Circle)
                end
            end,
            case ejabberd_sql:sql_transaction(Host, Take) of
                {atomic, ok} -> ok;
                {aborted, {badmatch, {updated, 0}}} -> use(Host, Token, User, Register);
                {aborted, {badmatch, {error, Error}}} -> {error, Error};
                _ -> {error, xmpp:err_internal_server_error()}
            end
    end.

%% A row of a use that is left, any of them, and the name that it is for, or <<>>.
free(Host, Token) ->
    Start = [Token, $-],
    Query = ["SELECT token, account_name FROM invite_token WHERE server_host = ", xmpp_sql:quote(Host), " AND substr(token, 1, ",
             integer_to_binary(iolist_size(Start)), ") = ", xmpp_sql:quote(Start),
             " AND invitee = '' AND expires > datetime('now', 'localtime') ORDER BY random() LIMIT 1"],
    case ejabberd_sql:sql_query(Host, iolist_to_binary(Query)) of
        {selected, _, [[One, Name]]} -> {One, Name};
        {selected, _, []} -> none
    end.

sql_t(Query) ->
    ejabberd_sql:sql_query_t(iolist_to_binary(Query)).


invalid(IQ) ->
    xmpp:err_item_not_found(<<"The token provided is either invalid or expired.">>, xmpp:get_lang(IQ)).

%% Without the password, which an error would repeat.
refuse(State, IQ, Error) ->
    answer(State, xmpp:make_error(xmpp:set_els(IQ, []), Error)).

answer(#{lserver := Host} = State, IQ) ->
    {stop, ejabberd_c2s:send(State, xmpp:set_from_to(IQ, jid:make(Host), undefined))}.
