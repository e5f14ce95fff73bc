%% SPDX-License-Identifier: GPL-3.0-or-later
%% A job queue: jobs of one key (an app, say) run one after the other, each in a process of its own. The number of waiting jobs is limited; beyond it,
%% the caller is told at once.
-module(xmpp_queue).
-behaviour(gen_server).
-export([new/2, add/3]).
-export([start_link/2, init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% Called again (for a second domain, after a reload), it keeps the existing queue.
new(Name, Bound) ->
    case supervisor:start_child(ejabberd_gen_mod_sup, #{id => Name, start => {?MODULE, start_link, [Name, Bound]}}) of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok
    end.

add(Name, Key, Work) ->
    gen_server:call(Name, {add, Key, Work}).  %% ok or full

start_link(Name, Bound) ->
    gen_server:start_link({local, Name}, ?MODULE, Bound, []).

init(Bound) ->
    {ok, {Bound, #{}, #{}}}.

handle_call({add, Key, Work}, _From, {Bound, Queues, Running}) ->
    case Queues of
        #{Key := {Length, _}} when Length >= Bound -> {reply, full, {Bound, Queues, Running}};
        #{Key := {Length, Queue}} -> {reply, ok, {Bound, Queues#{Key := {Length + 1, queue:in(Work, Queue)}}, Running}};
        _ -> {reply, ok, {Bound, Queues#{Key => {0, queue:new()}}, run(Key, Work, Running)}}
    end.

handle_info({'DOWN', Process, process, _, _}, {Bound, Queues, Running}) ->
    {Key, Others} = maps:take(Process, Running),
    {Length, Queue} = maps:get(Key, Queues),
    case queue:out(Queue) of
        {{value, Work}, Rest} -> {noreply, {Bound, Queues#{Key := {Length - 1, Rest}}, run(Key, Work, Others)}};
        {empty, _} -> {noreply, {Bound, maps:remove(Key, Queues), Others}}
    end.

run(Key, Work, Running) ->
    {_, Process} = spawn_monitor(Work),
    Running#{Process => Key}.

handle_cast(_Message, State) -> {noreply, State}.
