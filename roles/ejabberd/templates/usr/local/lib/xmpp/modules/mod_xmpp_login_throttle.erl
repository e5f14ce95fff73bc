%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit password guessing. Wrong passwords are counted per source address (IPv6: its /64), never per account, so that nobody can lock out
%% somebody else. After too many, new logins from that address are refused for a while, with the right password as well (otherwise the answer would
%% tell which one was right). An account that logged in from there within the last day has a counter of its own: the people of a house
%% do not pay for one of them. A token that an app got from this server (XEP-0484) cannot be guessed, and is always accepted.
%% An aborted attempt counts as a wrong password, and a blocked address is told so before the name is looked up (what the answers
%% say about a name: ejabberd_auth_nobody). Wrong passwords are counted in memory only; who logged in survives a restart of ejabberd, not of the host.
%% ejabberd also takes a password from a logged-in session, to delete another account (XEP-0077): nobody needs that, so it is refused.
%% Hooks: c2s_stream_started, c2s_handle_recv, c2s_auth_result, c2s_terminated, user_send_packet, set_password. Without this module guesses are
%% not limited.
-module(mod_xmpp_login_throttle).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([narrow/2, start_login/3, judge/3, give_up/2, refuse_removal/1, end_sessions/2]).

-define(AT_ONCE, 60).  %% wrong passwords, before it gets slow
-define(EACH, 60).     %% seconds until another one is possible
-define(KNOWN, mod_xmpp_guard_known).  %% the earlier name of this module, here and below: an update reads what is there
-define(FOLDER, "/run/xmpp-guard").
-define(DAY, 86400).
-define(PLACES, 100).  %% that one account is known from at once; who has a whole network of addresses does not fill the table with them
-define(REGISTER, <<"jabber:iq:register">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE),
        xmpp_token_bucket:new(?KNOWN, ?FOLDER),
        hooks(add, Host)
    end),
    xmpp_start:attempt(?MODULE, fun() -> make_group(Host, <<"banned">>) end).

stop(Host) ->
    hooks(delete, Host),
    ets:whereis(?KNOWN) =:= undefined orelse xmpp_token_bucket:save(?KNOWN),
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_stream_started, Host, ?MODULE, narrow, 10),
    ejabberd_hooks:Do(c2s_handle_recv, Host, ?MODULE, start_login, 10),
    ejabberd_hooks:Do(c2s_auth_result, Host, ?MODULE, judge, 10),
    ejabberd_hooks:Do(c2s_terminated, Host, ?MODULE, give_up, 10),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, refuse_removal, 10),
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

%% One address of IPv4, by whatever it comes: written as one of IPv6 by a listener for both, and as it is by nginx.
narrow(#{ip := {{0, 0, 0, 0, 0, 16#FFFF, High, Low}, Port}} = State, _Start) ->
    State#{ip := {{High bsr 8, High band 255, Low bsr 8, Low band 255}, Port}};
%% A line has a /64 of IPv6 at least. ejabberd never learns the rest of the address, and so all its limits count by the /64.
narrow(#{ip := {{A, B, C, D, _, _, _, _}, Port}} = State, _Start) when {A, B, C, D} =/= {0, 0, 0, 0} ->
    State#{ip := {{A, B, C, D, 0, 0, 0, 0}, Port}};
narrow(State, _Start) ->
    State.

%% The first message of a login (RFC 6120, XEP-0388), before anything is made of it. Who it names is part of the session until it is judged.
start_login(State, _El, {sasl_auth, Mechanism, Message}) -> start_login_as(name(Mechanism, Message), Mechanism, State);
start_login(State, _El, {sasl2_authenticate, Mechanism, Message, _, _}) -> start_login_as(name(Mechanism, Message), Mechanism, State);
start_login(State, _El, _Packet) -> State.

start_login_as(User, Mechanism, #{stream_state := Stage, ip := {Address, _}, lserver := Host} = Before)
  when User =/= <<>>, Stage =:= wait_for_sasl_request orelse Stage =:= wait_for_sasl_response ->
    State = give_up(Before, again),
    Pair = {Address, User, Host},
    case not is_token(Mechanism) andalso is_shut_out(Pair) of
        true -> refuse(State);
        false -> State#{?MODULE => Pair}
    end;
start_login_as(_User, _Mechanism, State) ->
    State.

%% As RFC 5802, RFC 4616 and XEP-0484 have it; without a domain, as ejabberd takes it.
name(<<"SCRAM-", _/binary>>, <<_, _/binary>> = Message) ->
    case binary:split(Message, <<",">>, [global]) of
        [_, _, <<"n=", Name/binary>> | _] -> prepared(binary:replace(binary:replace(Name, <<"=2C">>, <<",">>, [global]), <<"=3D">>, <<"=">>, [global]));
        _ -> <<>>
    end;
name(<<"PLAIN">>, <<_, _/binary>> = Message) ->
    case binary:split(Message, <<0>>, [global]) of
        [_, Name, _] -> prepared(hd(binary:split(Name, <<"@">>)));
        _ -> <<>>
    end;
name(<<"HT-", _/binary>>, <<_, _/binary>> = Message) -> prepared(hd(binary:split(Message, <<0>>)));
name(_Mechanism, _Message) -> <<>>.

prepared(Name) ->
    case jid:nodeprep(Name) of
        error -> Name;
        Prepared -> Prepared
    end.

judge(State, Result, User) ->
    case State of
        #{?MODULE := Pair} -> judge_pair(Pair, Result, maps:remove(?MODULE, State));
        #{ip := {Address, _}, lserver := Host} when User =/= <<>> -> judge_pair({Address, User, Host}, Result, State);
        _ -> State  %% nobody was named
    end.

judge_pair(Pair, Result, State) ->
    ByToken = Result =:= true andalso is_token(maps:get(sasl_mech, State, <<>>)),
    case {not ByToken andalso is_shut_out(Pair), Result} of
        {true, _} -> refuse(State);
        {false, true} ->
            know(Pair),
            State;
        {false, {false, _}} ->
            xmpp_token_bucket:use(?MODULE, counted_for(Pair), ?EACH),
            State
    end.

know({_, User, Host} = Pair) ->
    Places = {places, User, Host},
    Known = xmpp_token_bucket:remembers(?KNOWN, Pair),
    case Known orelse not xmpp_token_bucket:used_up(?MODULE, Places, ?PLACES, ?DAY div ?PLACES) of
        true ->
            Known orelse xmpp_token_bucket:use(?MODULE, Places, ?DAY div ?PLACES),
            xmpp_token_bucket:remember(?KNOWN, Pair, ?DAY);
        false -> ok
    end.

%% A login is aborted, or started again, instead of answered.
give_up(#{?MODULE := Pair} = State, _Reason) ->
    xmpp_token_bucket:use(?MODULE, counted_for(Pair), ?EACH),
    maps:remove(?MODULE, State);
give_up(State, _Reason) ->
    State.

is_token(Mechanism) ->
    binary:match(Mechanism, <<"HT-">>) =:= {0, 3}.

is_shut_out(Pair) ->
    xmpp_token_bucket:used_up(?MODULE, counted_for(Pair), ?AT_ONCE, ?EACH).

counted_for({Address, _, _} = Pair) ->
    case xmpp_token_bucket:remembers(?KNOWN, Pair) of
        true -> Pair;
        false -> Address
    end.

refuse(#{lang := Lang} = State) ->
    Text = <<"Too many wrong passwords came from your network. Please try again in some minutes.">>,
    {stop, ejabberd_c2s:send(State, xmpp:serr_policy_violation(Text, Lang))}.

refuse_removal({Packet, State}) when element(1, Packet) =:= iq ->
    case {xmpp:get_type(Packet), lists:any(fun(Query) -> removes_another(Query, Packet) end, xmpp:get_els(Packet))} of
        {set, true} ->
            Text = <<"Only the account that you are logged in to can be deleted.">>,
            ejabberd_router:route_error(Packet, xmpp:err_not_allowed(Text, xmpp:get_lang(Packet))),
            {stop, {drop, State}};
        _ -> {Packet, State}
    end;
refuse_removal(Acc) ->
    Acc.

removes_another({xmlel, <<"query">>, _, _} = Query, Packet) ->
    {User, Server, _} = jid:tolower(xmpp:get_from(Packet)),
    Own = {User, element(2, jid:tolower(xmpp:get_to(Packet)))} =:= {User, Server},
    fxml:get_tag_attr_s(<<"xmlns">>, Query) =:= ?REGISTER
        andalso fxml:get_subtag(Query, <<"remove">>) =/= false
        andalso [Name || Name <- fxml:get_subtags(Query, <<"username">>), not Own orelse fxml:get_tag_cdata(Name) =/= User] =/= [];
removes_another(_, _) ->
    false.

%% A new password ends the account's other sessions. The one that changes it goes on: the hook runs in its process.
end_sessions(User, Server) ->
    [ejabberd_sm:kick_user(User, Server, Resource) || Resource <- ejabberd_sm:get_user_resources(User, Server),
                                                      ejabberd_sm:get_session_pid(User, Server, Resource) =/= self()],
    ok.
