%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit an account to ten sessions. For one more, the least useful one is ended: first those without a connection (XEP-0198), then those that were
%% silent for longest; of each kind, the oldest. ejabberd ends the oldest of all, which is the desktop that is in use while a phone comes back for the
%% tenth time. Resuming a session ends none.
%% Hooks: c2s_session_opened, c2s_handle_recv, c2s_handle_info. Without this module, ejabberd's own limit holds (xmpp.yml, max_user_sessions),
%% which is higher and ends the oldest.
-module(mod_xmpp_sessions).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([opened/1, heard/3, answer/2]).

-define(SESSIONS, 10).
-define(WAIT, 10000).  %% milliseconds; whoever says nothing for so long is stuck with a connection that is dead

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_session_opened, Host, ?MODULE, opened, 50),
    ejabberd_hooks:Do(c2s_handle_recv, Host, ?MODULE, heard, 10),
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, answer, 10),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_stream_mgmt, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Nobody waits for it: two that log in at once would wait for each other. Both name the same ones then.
opened(#{user := User, lserver := Server} = State) ->
    Self = self(),
    Sessions = [Pid || {_, About} <- ejabberd_sm:get_user_info(User, Server), {pid, Pid} <- About],
    length(Sessions) > ?SESSIONS andalso spawn(fun() -> make_room(Self, Sessions) end),
    State.

make_room(New, Sessions) ->
    Deadline = erlang:monotonic_time(millisecond) + ?WAIT,
    [Session ! {?MODULE, self()} || Session <- Sessions],
    Ranks = collect(maps:from_keys(Sessions, {0, 0}), length(Sessions), Deadline),
    Oldest = lists:sort([{Rank, Session} || {Session, Rank} <- maps:to_list(Ranks), Session =/= New]),
    [ejabberd_c2s:route(Session, replaced) || {_, Session} <- lists:sublist(Oldest, length(Sessions) - ?SESSIONS)].

collect(Ranks, 0, _Deadline) ->
    Ranks;
collect(Ranks, Left, Deadline) ->
    receive
        {Session, Rank} -> collect(Ranks#{Session := Rank}, Left - 1, Deadline)
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        Ranks
    end.

answer(State, {?MODULE, Asking}) ->
    Awake = case State of
                #{mgmt_state := pending} -> 0;
                _ -> 1
            end,
    %% Since Erlang started: the time alone can be below zero, which is where those are that do not answer.
    Heard = case State of
                #{?MODULE := At} -> At - erlang:system_info(start_time);
                _ -> 0
            end,
    Asking ! {self(), {Awake, Heard}},
    {stop, State};
answer(State, _Info) ->
    State.

heard(State, _El, _Packet) ->
    State#{?MODULE => erlang:monotonic_time()}.
