%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the memory of unacknowledged stanzas (XEP-0198). ejabberd limits their number (max_ack_queue), not their size. This module ends a session, and
%% moves its messages to offline storage, in three cases: too much arrives while it has no connection; the app goes on to answer requests as if it had
%% not received what was sent before; it is resumed with more than can have been on its way.
%% One burst, such as all offline messages, ends no session: acknowledgements are read after it.
%% Hooks: user_receive_packet, c2s_authenticated_packet before mod_stream_mgmt (50), c2s_session_resumed. Without this module only ejabberd's
%% number holds.
-module(mod_xmpp_unacked).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([count/1, acknowledged/2, taken_up/1]).

-define(DENIES, mod_xmpp_unacked_denies).  %% {up to which number it was asked, since when}
-define(ASLEEP, 4_194_304).   %% bytes
-define(DENIED, 8_388_608).
-define(LONG, 10_000).  %% ms; what an app says by itself may be older than our request
-define(TAKEN_UP, 25_165_824).  %% a full mailbox, and what came since

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_receive_packet, Host, ?MODULE, count, 90),  %% after all who may drop it
    ejabberd_hooks:Do(c2s_authenticated_packet, Host, ?MODULE, acknowledged, 30),
    ejabberd_hooks:Do(c2s_session_resumed, Host, ?MODULE, taken_up, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_stream_mgmt, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Of each stanza its number and its size are kept until it has left ejabberd's own queue; and the sum of what came since the session sleeps.
count({Packet, #{mgmt_state := Stage, mgmt_queue := _, mgmt_stanzas_out := Number} = State}) when Packet =/= drop ->
    {Sum, Sizes, Asleep} = known(State),
    Size = erlang:external_size(Packet),
    Since = case Stage of
                pending -> Asleep + Size;
                _ -> 0
            end,
    Since > ?ASLEEP andalso ejabberd_c2s:stop_async(self()),
    {Packet, State#{?MODULE => {Sum + Size, queue:in({Number + 1, Size}, Sizes), Since}}};
count(Acc) ->
    Acc.

acknowledged(#{mgmt_queue := _, mgmt_stanzas_req := Asked, lang := Lang} = State, {sm_a, Handled, _}) ->
    {Sum, Sizes, _} = known(State),
    Now = erlang:monotonic_time(millisecond),
    {Before, Since} = maps:get(?DENIES, State, {Asked, Now}),
    case Sum > ?DENIED andalso lists:sum([Size || {Number, Size} <- queue:to_list(Sizes), Number > Handled, Number =< Before]) > ?DENIED of
        true when Now - Since > ?LONG ->
            Text = <<"Too much was sent that is not acknowledged.">>,
            {stop, ejabberd_c2s:send(State, xmpp:serr_policy_violation(Text, Lang))};
        true -> State#{?DENIES => {Before, Since}};
        false -> maps:remove(?DENIES, State)
    end;
acknowledged(State, _Packet) ->
    State.

taken_up(#{mgmt_queue := _} = State) ->
    {Sum, _, _} = Known = known(State),
    Sum > ?TAKEN_UP andalso ejabberd_c2s:stop_async(self()),
    State#{?MODULE => Known};
taken_up(State) ->
    State.

known(#{mgmt_queue := Queue, mgmt_stanzas_out := Number} = State) ->
    case State of
        #{?MODULE := {Sum, Sizes, Asleep}} -> without(Number - p1_queue:len(Queue), Sum, Sizes, Asleep);
        _ ->
            All = [{N, erlang:external_size(Packet)} || {N, _, Packet} <- p1_queue:to_list(Queue)],
            {lists:sum([Size || {_, Size} <- All]), queue:from_list(All), 0}
    end.

without(Acknowledged, Sum, Sizes, Asleep) ->
    case queue:peek(Sizes) of
        {value, {Number, Size}} when Number =< Acknowledged -> without(Acknowledged, Sum - Size, queue:drop(Sizes), Asleep);
        _ -> {Sum, Sizes, Asleep}
    end.
