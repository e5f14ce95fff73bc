%% SPDX-License-Identifier: GPL-3.0-or-later
%% Let strangers' accounts wait until somebody of the service lets them in (xmpp_registration: review). Whoever registers writes a sentence to the people
%% who run it: the field "x-reason" of the form (XEP-0077, XEP-0004), of apps and of the page; there is no other form. Until the decision, the account
%% exists, so its name is taken, but nobody gets in: a right password is answered by words, in English or German, and the stream ends. Nobody can write
%% to it either. Moderators and administrators decide (mod_xmpp_moderators, playbooks/user.yml). An invitation is a decision, and so is an account that the
%% operator makes.
%% The account's row is there before the account is, so there is no moment in which it could log in. It is deleted by the decision, with the sentence.
%% Who waits is in memory as well: each login and message asks. Switched off, nobody begins to wait; those who do still have to be let in.
%% Hooks: c2s_unauthenticated_packet, after mod_xmpp_registration_rate (20) and before mod_register (50); c2s_filter_send; check_register_user, after all
%% others; register_user, remove_user, c2s_auth_result, sm_receive_packet after mod_xmpp_spam (40) and mod_xmpp_newcomers (50), whose limits are those of any
%% name. Without this module, nobody waits.
-module(mod_xmpp_registration_review).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([packet/2, send/1, keep/4, come/2, leave/2, login/3, hear/1]).
-export([has_list/0, list/1, decide/2, expire/0]).

-define(REGISTER, <<"jabber:iq:register">>).
-define(DATA, <<"jabber:x:data">>).
-define(STANZAS, <<"urn:ietf:params:xml:ns:xmpp-stanzas">>).
-define(SASL, <<"urn:ietf:params:xml:ns:xmpp-sasl">>).
-define(NAMESPACE, <<"conexizan:registration">>).
-define(FIELD, <<"x-reason">>).  %% of no registry (XEP-0068 3.4)
-define(DAY, 86400).
-define(TOLD, {?MODULE, told}).
-define(NOT_REFUSED, " AND refused = 0").
-define(EXISTS, "EXISTS (SELECT 1 FROM users WHERE users.username = waiting_accounts.username AND users.server_host = waiting_accounts.server_host)").

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host), prepare(Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, packet, 25),
    ejabberd_hooks:Do(c2s_filter_send, Host, ?MODULE, send, 16),
    ejabberd_hooks:Do(check_register_user, Host, ?MODULE, keep, 95),
    ejabberd_hooks:Do(register_user, Host, ?MODULE, come, 40),
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, leave, 95),
    ejabberd_hooks:Do(c2s_auth_result, Host, ?MODULE, login, 20),
    ejabberd_hooks:Do(sm_receive_packet, Host, ?MODULE, hear, 60),
    ok.

reload(Host, _New, _Old) ->
    xmpp_start:attempt(?MODULE, fun() -> prepare(Host) end).

depends(_Host, _Opts) -> [{mod_register, hard}, {mod_xmpp_registration_rate, hard}, {mod_xmpp_reports, hard}].
%% For how many days an account waits at most, how many do so at once, over all domains, and how many characters a sentence has at most.
mod_options(_Host) -> [{review, false}, days, accounts, characters].
mod_opt_type(review) -> econf:bool();
mod_opt_type(_) -> econf:pos_int().
mod_doc() -> #{}.

prepare(Host) -> xmpp_start:is_first(Host) andalso refresh().

is_on(Host) -> opt(Host, review).
opt(Host, Name) -> gen_mod:get_module_opt(Host, ?MODULE, Name).

%% ---------------------------------------------------------------------- the form
packet(#{lserver := Host} = State, IQ) when element(1, IQ) =:= iq ->
    erase(?MODULE),
    Queries = [El || {xmlel, <<"query">>, _, _} = El <- xmpp:get_els(IQ), fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?REGISTER],
    case is_on(Host) andalso mod_xmpp_registration_rate:is_stranger() andalso {xmpp:get_type(IQ), Queries, map_size(waiting()) >= opt(Host, accounts)} of
        {Type, [_], true} when Type =:= get; Type =:= set -> refuse(State, IQ, xmpp:err_resource_constraint(), <<"full">>, full);
        {get, [_], false} ->
            put(?MODULE, form),  %% for the answer, in the same process
            State;
        {set, [Query], false} ->
            case sentence(fxml:get_subtag_with_xmlns(Query, <<"x">>, ?DATA), opt(Host, characters)) of
                none -> State;  %% mod_register takes nothing but a form
                {ok, Words} ->
                    put(?MODULE, {words, Words}),
                    State;
                Wrong -> refuse(State, IQ, xmpp:err_not_acceptable(), <<"reason">>, Wrong)
            end;
        _ -> State
    end;
packet(State, _Packet) ->
    State.

sentence(false, _Longest) -> none;
sentence(Form, Longest) ->
    Values = [fxml:get_tag_cdata(Value) || Field <- fxml:get_subtags(Form, <<"field">>), fxml:get_tag_attr_s(<<"var">>, Field) =:= ?FIELD,
                                           Value <- fxml:get_subtags(Field, <<"value">>)],
    Words = xmpp_moderation:one_line(iolist_to_binary(lists:join(<<" ">>, Values))),
    case {re:run(Words, "\\pL", [unicode]), length(unicode:characters_to_list(Words)) > Longest} of
        {nomatch, _} -> missing;
        {_, true} -> too_long;
        _ -> {ok, Words}
    end.

%% Nothing is used up by it: the CAPTCHA can still be answered.
refuse(#{lserver := Host} = State, IQ, Error, Name, Key) ->
    {xmlel, _, Attributes, Els} = xmpp:encode(Error),
    {Lang, Text} = text(Key, xmpp:get_lang(IQ)),
    Words = {xmlel, <<"text">>, [{<<"xmlns">>, ?STANZAS}, {<<"xml:lang">>, Lang}], [{xmlcdata, Text}]},
    Answer = xmpp:make_error(xmpp:set_els(IQ, []), Error),
    Ours = {xmlel, <<"error">>, Attributes, Els ++ [Words, {xmlel, Name, [{<<"xmlns">>, ?NAMESPACE}], []}]},
    {stop, ejabberd_c2s:send(State, xmpp:set_from_to(xmpp:set_els(Answer, [Ours]), jid:make(Host), undefined))}.

%% Some apps show instructions, others labels alone.
send({IQ, State} = Acc) when element(1, IQ) =:= iq ->
    case {erase(?MODULE), xmpp:get_type(IQ), [xmpp:encode(El) || El <- xmpp:get_els(IQ)]} of
        {form, result, [{xmlel, Name, Attributes, Els} = Query]} ->
            case fxml:get_subtag_with_xmlns(Query, <<"x">>, ?DATA) of
                {xmlel, X, Of, Inside} = Form ->
                    Lang = xmpp:get_lang(IQ),
                    {_, Label} = text(label, Lang),
                    {_, Help} = text(help, Lang),
                    Field = {xmlel, <<"field">>, [{<<"var">>, ?FIELD}, {<<"type">>, <<"text-single">>}, {<<"label">>, Label}], [{xmlel, <<"required">>, [], []}]},
                    Instructions = {xmlel, <<"instructions">>, [], [{xmlcdata, Help}]},
                    {First, Rest} = lists:partition(fun(El) -> element(1, El) =:= xmlel andalso element(2, El) =/= <<"field">> end, Inside),
                    New = {xmlel, X, Of, First ++ [Instructions | Rest] ++ [Field]},
                    {xmpp:set_els(IQ, [{xmlel, Name, Attributes, [case El of Form -> New; _ -> El end || El <- Els]}]), State};
                false -> Acc
            end;
        _ -> Acc
    end;
send(Acc) ->
    Acc.

%% ---------------------------------------------------------------------- the account
%% Called before an account is made, by whatever way: a stranger's without a sentence, such as one of another form, is not made. The name of an account
%% that is made at this moment by somebody else is not written down, or that one would wait.
%% After a hook that fails, ejabberd goes on as if there were none: what cannot be asked is refused.
keep(true, User, Server, _Password) ->
    try write_down(jid:nodeprep(User), jid:nameprep(Server)) catch _:_ -> false end;
keep(Free, _User, _Server, _Password) -> Free.

write_down(Name, Host) ->
    case is_on(Host) andalso mod_xmpp_registration_rate:is_stranger() andalso get(?MODULE) of
        false -> true;
        {words, Words} ->
            {N, H} = {xmpp_sql:quote(Name), xmpp_sql:quote(Host)},
            {updated, Kept} =
                sql(["INSERT OR REPLACE INTO waiting_accounts (server_host, username, day, words) SELECT ", H, ", ", N, ", date('now'), ", xmpp_sql:quote(Words),
                     " WHERE NOT EXISTS (SELECT 1 FROM users WHERE username = ", N, " AND server_host = ", H, ")"
                     " AND (SELECT count(*) FROM waiting_accounts) < ", integer_to_list(opt(Host, accounts))]),
            refresh(),
            Kept =:= 1;
        _ -> false
    end.

%% In the process that has created it. A row of an account that could not be created, by a fault of the database, is not about the next one.
come(User, Server) ->
    case is_on(Server) andalso mod_xmpp_registration_rate:is_stranger() of
        true -> tell(Server);
        %% Memory may not know yet of one that is written down at this moment.
        false -> (is_on(Server) orelse is_waiting(User, Server)) andalso forget(User, Server)
    end.

%% Somebody can register the name anew as soon as the account is gone, before this is asked: the row is of that one then.
leave(User, Server) ->
    is_waiting(User, Server) andalso not ejabberd_auth:user_exists(User, Server) andalso forget(User, Server).

forget(User, Server) ->
    {updated, _} = sql(["DELETE FROM waiting_accounts" | of_account(User, Server)]),
    refresh().

%% One message until somebody looks, or a day has passed.
tell(Host) ->
    Now = erlang:monotonic_time(second),
    Now - persistent_term:get(?TOLD, Now - ?DAY) >= ?DAY andalso begin
        persistent_term:put(?TOLD, Now),
        mod_xmpp_reports:tell_all(Host, xmpp_moderation_texts:all(somebody_waits))
    end.

%% With the right password only: nobody else learns who waits. After the count of wrong ones, which this is not. The condition is the one that says to
%% come back later (RFC 6120 6.5.10). The stream ends: its parser already waits for that of the session.
login(#{lserver := Server, lang := Lang} = State, true, User) ->
    case is_waiting(jid:nodeprep(User), jid:nameprep(Server)) of
        true ->
            ejabberd_c2s:stop_async(self()),  %% closing it, of a state, leaves the process
            {Language, Text} = text(waits, Lang),
            Namespace = case State of #{sasl2_inline_els := _} -> <<"urn:xmpp:sasl:2">>; _ -> ?SASL end,
            Failure = {xmlel, <<"failure">>, [{<<"xmlns">>, Namespace}],
                       [{xmlel, <<"temporary-auth-failure">>, [{<<"xmlns">>, ?SASL}], []},
                        {xmlel, <<"text">>, [{<<"xml:lang">>, Language}], [{xmlcdata, Text}]}]},
            Sent = ejabberd_c2s:send(State, xmpp:decode(Failure)),
            xmpp_socket:send_trailer(maps:get(socket, Sent)),
            {stop, xmpp_stream_in:close(Sent)};
        false -> State
    end;
login(State, _Result, _User) ->
    State.

%% As to a name that nobody has.
hear(drop) -> drop;
hear(Packet) ->
    {User, Server, Resource} = jid:tolower(xmpp:get_to(Packet)),
    case element(1, Packet) =/= iq andalso is_waiting(User, Server) of
        true ->
            element(1, Packet) =:= message andalso bounce(xmpp:get_type(Packet), Resource, Server, Packet),
            drop;
        false -> Packet
    end.

%% As ejabberd_sm does it.
bounce(headline, Resource, _Server, _Packet) when Resource =/= <<>> -> ok;
bounce(Type, _Resource, _Server, Packet) when Type =:= chat; Type =:= normal; Type =:= headline ->
    ejabberd_router:route_error(Packet, xmpp:err_service_unavailable());
bounce(_Type, _Resource, Server, Packet) ->
    ejabberd_hooks:run_fold(bounce_sm_packet, Server, {bounce, Packet}, []).

%% ---------------------------------------------------------------------- the decision
%% Whether there is something to decide, now or later.
has_list() ->
    is_on(hd(ejabberd_option:hosts())) orelse waiting() =/= #{}.

%% The oldest ones, and how many there are in all.
list(Most) ->
    persistent_term:erase(?TOLD),
    case waiting() =/= #{} andalso sql(["SELECT username, server_host, day, words FROM waiting_accounts WHERE " ?EXISTS ?NOT_REFUSED
                                        " ORDER BY day, rowid"]) of
        {selected, _, Rows} -> {lists:sublist([[jid:encode({User, Server, <<>>}), Day, Words] || [User, Server, Day, Words] <- Rows], Most), length(Rows)};
        false -> {[], 0}
    end.

%% Returns those who were waiting. Of two decisions at the same moment one counts. Who is refused is shut out until the account is gone.
decide(Decision, Accounts) ->
    persistent_term:erase(?TOLD),
    [Account || {User, Server} = Account <- Accounts, is_waiting(User, Server), decide(Decision, User, Server)].

decide(admit, User, Server) ->
    Done = sql(["DELETE FROM waiting_accounts", of_account(User, Server), ?NOT_REFUSED]),
    refresh(),
    Done =:= {updated, 1};
decide(refuse, User, Server) ->
    {updated, 1} =:= sql(["UPDATE waiting_accounts SET refused = 1", of_account(User, Server), ?NOT_REFUSED]) andalso begin
        ok = ejabberd_auth:remove_user(User, Server),
        true
    end.

%% Those whom nobody has let in, whose refusal was interrupted, or who never came to be: but one that is about to. A row has a day, no time, so it
%% goes when it is as old as that, or up to a day before.
expire() ->
    Days = integer_to_list(opt(hd(ejabberd_option:hosts()), days)),
    case waiting() =/= #{} andalso sql(["SELECT username, server_host FROM waiting_accounts WHERE refused = 1 OR day <= date('now', '-", Days,
                                        " days') OR (day < date('now') AND NOT " ?EXISTS ")"]) of
        {selected, _, Rows} -> [remove(User, Server) || [User, Server] <- Rows];
        false -> []
    end,
    ok.

remove(User, Server) ->
    ejabberd_router:is_my_host(Server) andalso ejabberd_auth:remove_user(User, Server),
    leave(User, Server).

%% ---------------------------------------------------------------------- who waits
%% Where it is not in memory, as the database did not answer at the start, it is asked; as long as it does not answer, all wait
%% with `review`.
is_waiting(User, Server) ->
    case persistent_term:get(?MODULE, unknown) of
        unknown ->
            case sql(["SELECT 1 FROM waiting_accounts" | of_account(User, Server)]) of
                {selected, _, Rows} -> Rows =/= [];
                _ -> is_on(Server)
            end;
        Waiting -> is_map_key({User, Server}, Waiting)
    end.

waiting() -> persistent_term:get(?MODULE, #{}).

%% One table for all domains, and none where nobody waits nor will. In the process of the database, one at a time: what an earlier one has read must not
%% replace what a later one has. A lock besides could be held by one who waits for the database, while that waits for the lock, in the transaction that
%% makes an account.
refresh() ->
    {atomic, ok} = ejabberd_sql:sql_transaction(hd(ejabberd_option:hosts()), fun() ->
        {updated, _} = sql("CREATE TABLE IF NOT EXISTS waiting_accounts (server_host TEXT NOT NULL, username TEXT NOT NULL, day TEXT NOT NULL,"
                           " words TEXT NOT NULL, refused INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (server_host, username))"),
        {selected, _, Rows} = sql("SELECT username, server_host FROM waiting_accounts"),
        persistent_term:put(?MODULE, maps:from_list([{{User, Server}, true} || [User, Server] <- Rows])),
        has_list() orelse ({updated, _} = sql("DROP TABLE waiting_accounts")),
        ok
    end).

of_account(User, Server) ->
    [" WHERE username = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Server)].

sql(Statement) ->
    ejabberd_sql:sql_query(hd(ejabberd_option:hosts()), iolist_to_binary(Statement)).

text(Key, Lang) ->
    Language = xmpp_language:choose(Lang),
    {Language, xmpp_moderation_texts:text(Language, {review, Key}, [integer_to_binary(opt(hd(ejabberd_option:hosts()), characters)) || Key =:= too_long])}.
