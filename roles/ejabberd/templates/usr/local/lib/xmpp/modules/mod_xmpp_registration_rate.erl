%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit how many accounts strangers create, over all domains together, in apps (XEP-0077), on the page and by the plain form: so many at once, then one
%% each so often. Of these, one address (IPv6: its /64) gets a quarter, so that nobody can keep all others out from one line. Who is refused is
%% told in English or German when to come back. Invited people and accounts that the operator creates are neither counted nor refused.
%% Only an account that is about to be created counts, after the CAPTCHA, the name and the password were accepted: if failed attempts counted, a
%% program that solves no CAPTCHA could keep everybody out.
%% Stored: times, under a checksum of the address in memory only. The time of the whole service survives a restart of ejabberd, not of the host.
%% Hooks: c2s_unauthenticated_packet, between mod_invites (10) and mod_register (50); check_register_user, after all others; c2s_filter_send.
%% Without this module, registration is limited for each address only.
-module(mod_xmpp_registration_rate).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([mark/2, judge/4, tell/1, process/2, is_stranger/0]).

-define(LINES, mod_xmpp_registration_lines).
-define(FOLDER, "/run/xmpp-guard").
-define(HOUR, 3600).
-define(SHARE, 4).  %% addresses that can use up the limit
-define(NAMESPACE, <<"conexizan:registration">>).
-define(STANZAS, <<"urn:ietf:params:xml:ns:xmpp-stanzas">>).
%% Elements of the record #request{} of ejabberd_http.
-define(LANG, 8).
-define(IP, 10).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE, ?FOLDER),
        xmpp_token_bucket:new(?LINES),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host),
    ets:whereis(?MODULE) =:= undefined orelse xmpp_token_bucket:save(?MODULE),
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, mark, 20),
    ejabberd_hooks:Do(check_register_user, Host, ?MODULE, judge, 90),
    ejabberd_hooks:Do(c2s_filter_send, Host, ?MODULE, tell, 20),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_register, hard}, {mod_invites, soft}].
mod_options(_Host) -> [{per_hour, 20}].
mod_opt_type(per_hour) -> econf:pos_int().
mod_doc() -> #{}.

%% A stranger, unless the stream has shown an invitation. (One of mod_xmpp_invitation_uses does not come this far.) All that follows, up to the
%% answer, is in the same process. Those who have no address, if ejabberd should let any come, share that of nobody.
mark(State, _Packet) ->
    case State of
        #{invite := _} -> erase(?MODULE);
        #{ip := {Address, _}} -> put(?MODULE, {stranger, Address});
        _ -> put(?MODULE, {stranger, nobody})
    end,
    State.

%% Whether the account that this process creates is a stranger's.
is_stranger() ->
    case get(?MODULE) of
        {stranger, _} -> true;
        _ -> false
    end.

%% The server's own form (mod_register_web), which could only say "Not allowed".
process(Path, Request) ->
    put(?MODULE, {stranger, element(1, element(?IP, Request))}),
    Answer = mod_register_web:process(Path, mod_xmpp_registration_question:read(Request)),
    case erase(?MODULE) of
        {refused, Seconds} ->
            {_, Text} = text(Seconds, element(?LANG, Request)),
            {503, [{<<"Retry-After">>, integer_to_binary(Seconds)}, {<<"Content-Type">>, <<"text/plain; charset=utf-8">>}], Text};
        _ -> Answer
    end.

%% Called before an account is made, by whatever way.
judge(true, _User, Server, _Password) ->
    case get(?MODULE) of
        {stranger, Address} ->
            PerHour = gen_mod:get_module_opt(jid:nameprep(Server), ?MODULE, per_hour),
            %% One at a time: together they would all find the last token.
            try global:trans({?MODULE, self()}, fun() -> take(PerHour, Address) end, [node()]) of
                0 -> true;
                Seconds ->
                    put(?MODULE, {refused, Seconds}),
                    false
            catch
                _:_ -> false  %% the hook of one that fails is passed over
            end;
        _ -> true
    end;
judge(Free, _User, _Server, _Password) -> Free.

%% Returns the seconds until there is a token, 0 if one was taken.
take(PerHour, Address) ->
    Limits = [{Table, Key, Size, ?HOUR / Size} || {Table, Key, Size} <- [{?MODULE, all, PerHour}, {?LINES, Address, max(1, PerHour div ?SHARE)}]],
    case lists:max([xmpp_token_bucket:wait(Table, Key, Size, Each) || {Table, Key, Size, Each} <- Limits]) of
        0 ->
            [xmpp_token_bucket:use(Table, Key, Each) || {Table, Key, _, Each} <- Limits],
            0;
        Seconds -> Seconds
    end.

%% mod_register knows no words for this. The condition is the one that apps take for "wait"; the element tells the page that the text is ours.
tell({Packet, State} = Acc) ->
    case erase(?MODULE) of
        {refused, Seconds} when element(1, Packet) =:= iq ->
            {Lang, Text} = text(Seconds, xmpp:get_lang(Packet)),
            {xmlel, Name, Attrs, Els} = xmpp:encode(xmpp:err_resource_constraint()),
            Words = {xmlel, <<"text">>, [{<<"xmlns">>, ?STANZAS}, {<<"xml:lang">>, Lang}], [{xmlcdata, Text}]},
            Full = {xmlel, <<"full">>, [{<<"xmlns">>, ?NAMESPACE}, {<<"seconds">>, integer_to_binary(Seconds)}], []},
            {xmpp:set_els(Packet, [{xmlel, Name, Attrs, Els ++ [Words, Full]}]), State};
        _ -> Acc
    end;
tell(Acc) ->
    Acc.

text(Seconds, Lang) ->
    case {xmpp_language:choose(Lang), (Seconds + 59) div 60} of
        {<<"de">>, 1} -> {<<"de">>, german(<<"in einer Minute">>)};
        {<<"de">>, Minutes} -> {<<"de">>, german(<<"in ", (integer_to_binary(Minutes))/binary, " Minuten">>)};
        {_, 1} -> {<<"en">>, english(<<"in a minute">>)};
        {_, Minutes} -> {<<"en">>, english(<<"in ", (integer_to_binary(Minutes))/binary, " minutes">>)}
    end.

english(When) ->
    <<"Too many accounts were created here just now, so the server takes a break. Please come back ", When/binary,
      " or later. With an invitation you need not wait.">>.

german(When) ->
    <<"Hier sind gerade zu viele Konten entstanden, deshalb macht der Server eine Pause. Bitte versuch es frühestens "/utf8, When/binary,
      " noch einmal. Mit einer Einladung musst du nicht warten."/utf8>>.
