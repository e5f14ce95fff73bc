%% SPDX-License-Identifier: GPL-3.0-or-later
%% Guessing passwords takes long. Wrong ones are counted for the address they come from (IPv6: its /64), never for the account, so
%% that nobody can lock out somebody else. With too many, nobody new gets in from there for a while, with the right password neither
%% (or the answer would tell which one was right). Who got in from there before, in the last day, has a count of their own: the
%% people of a house do not pay for one of them. A token that an app got from here (XEP-0484) cannot be guessed, and always lets in.
%% All of it is in memory.
%% ejabberd takes a password from a logged-in session as well, to delete another account (XEP-0077): nobody needs that here.
-module(mod_xmpp_guard).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([narrow/2, judge/3, guard_removal/1, end_sessions/2]).

-define(AT_ONCE, 60).  %% wrong passwords, before it gets slow
-define(EACH, 60).     %% seconds until another one is possible
-define(KNOWN, mod_xmpp_guard_known).
-define(DAY, 86400).
-define(REGISTER, <<"jabber:iq:register">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_rate:new(?MODULE),
        xmpp_rate:new(?KNOWN),
        hooks(add, Host)
    end),
    xmpp_start:attempt(?MODULE, fun() -> make_group(Host, <<"banned">>) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_stream_started, Host, ?MODULE, narrow, 10),
    ejabberd_hooks:Do(c2s_auth_result, Host, ?MODULE, judge, 10),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, guard_removal, 10),
    ejabberd_hooks:Do(set_password, Host, ?MODULE, end_sessions, 90),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_shared_roster, soft}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% The group that xmpp.yml denies. While there is none, ejabberd's look for who is in it fails, and with it every login.
make_group(Host, Group) ->
    case mod_shared_roster:get_group_opts(Host, Group) of
        error -> mod_shared_roster:create_group(Host, Group, [{label, <<>>}, {description, <<>>}, {displayed_groups, []}]);
        _ -> ok
    end.

%% A line has a /64 of IPv6 at least. ejabberd never learns the rest of the address, and so all its limits count by the /64.
narrow(#{ip := {{A, B, C, D, _, _, _, _}, Port}} = State, _Start) when {A, B, C, D} =/= {0, 0, 0, 0} ->
    State#{ip := {{A, B, C, D, 0, 0, 0, 0}, Port}};
narrow(State, _Start) ->
    State.

judge(State, {false, _}, <<>>) ->
    State;  %% nobody was named
judge(#{ip := {Address, _}, lserver := Host, lang := Lang} = State, Result, User) ->
    Pair = {Address, User, Host},
    Key = case xmpp_rate:remembers(?KNOWN, Pair) of
              true -> Pair;
              false -> Address
          end,
    ByToken = Result =:= true andalso binary:match(maps:get(sasl_mech, State, <<>>), <<"HT-">>) =:= {0, 3},
    case {not ByToken andalso xmpp_rate:used_up(?MODULE, Key, ?AT_ONCE, ?EACH), Result} of
        {true, _} ->
            Text = <<"Too many wrong passwords came from your network. Please try again in some minutes.">>,
            {stop, ejabberd_c2s:send(State, xmpp:serr_policy_violation(Text, Lang))};
        {false, true} ->
            xmpp_rate:remember(?KNOWN, Pair, ?DAY),
            State;
        {false, {false, _}} ->
            xmpp_rate:use(?MODULE, Key, ?EACH),
            State
    end;
judge(State, _Result, _User) ->
    State.

guard_removal({Packet, State}) when element(1, Packet) =:= iq ->
    case {xmpp:get_type(Packet), lists:any(fun(Query) -> removes_another(Query, Packet) end, xmpp:get_els(Packet))} of
        {set, true} ->
            Text = <<"Only the account that you are logged in to can be deleted.">>,
            ejabberd_router:route_error(Packet, xmpp:err_not_allowed(Text, xmpp:get_lang(Packet))),
            {stop, {drop, State}};
        _ -> {Packet, State}
    end;
guard_removal(Acc) ->
    Acc.

removes_another({xmlel, <<"query">>, _, _} = Query, Packet) ->
    {User, Server, _} = jid:tolower(xmpp:get_from(Packet)),
    Own = {User, element(2, jid:tolower(xmpp:get_to(Packet)))} =:= {User, Server},
    fxml:get_tag_attr_s(<<"xmlns">>, Query) =:= ?REGISTER
        andalso fxml:get_subtag(Query, <<"remove">>) =/= false
        andalso [Name || Name <- fxml:get_subtags(Query, <<"username">>), not Own orelse fxml:get_tag_cdata(Name) =/= User] =/= [];
removes_another(_, _) ->
    false.

%% Whoever had the old password is out. A session that changes its own goes on: the hook runs in its process.
end_sessions(User, Server) ->
    [ejabberd_sm:kick_user(User, Server, Resource) || Resource <- ejabberd_sm:get_user_resources(User, Server),
                                                      ejabberd_sm:get_session_pid(User, Server, Resource) =/= self()],
    ok.
