%% SPDX-License-Identifier: GPL-3.0-or-later
%% Schedule slow database statements, so that only their account waits for them. All statements go through one connection (xmpp_writer), in order.
%% A statement that was slow is expected to be slow again: the same kind of statement of the same account is queued here, whatever it is for.
%% Pages of archives always are. Accounts take turns, one statement at a time, and after each the database is free for everybody else for twice as
%% long as it took, two seconds at most. A session counts as its account (mod_xmpp_pages registers it), any other process as itself. While this
%% process is down, all that goes through it fails, until its supervisor has restarted it.
-module(xmpp_fair).
-behaviour(gen_server).
-export([belongs/3, waits/2, kind/1, took/1, mark/3, wait/2]).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(SLOW, 50).        %% ms
-define(KEPT, 10_000).    %% ms, since it was slow last
-define(PAUSE, 2).        %% times as long as the last one took
-define(LONGEST, 2_000).  %% ms of a pause: where the whole machine stood still, nobody is to wait for it twice

%% Statements of this process are of this account, until it ends; all of them take turns, or those that have shown to be slow.
belongs(Pid, Account, Which) ->
    whereis(?MODULE) =:= undefined
        orelse begin
                   ets:insert(?MODULE, {Pid, Account, Which}),
                   gen_server:cast(?MODULE, {belongs, Pid})
               end.

waits(Pid, Kind) ->
    case account(Pid) of
        {_, all} -> true;
        {Account, slow} ->
            case ets:lookup(?MODULE, {slow, Account, Kind}) of
                [{_, Until}] -> Until > now_ms();
                [] -> false
            end
    end.

account(Pid) ->
    case ets:lookup(?MODULE, Pid) of
        [{_, Account, Which}] -> {Account, Which};
        [] -> {Pid, slow}
    end.

%% ejabberd's statements have a checksum or a beginning that does not vary, its transactions a function. A row for a message is as large as a stanza
%% may be; where it takes long, the disk is slow, and it is in nobody's interest that it comes later. Nor is it with the look into the
%% mailbox before it (mod_xmpp_archive).
kind({sql_cmd, {sql_query, [<<"SELECT coalesce(sum(octet_length(xml)), 0) FROM spool", _/binary>> | _]}, _}) -> message;
kind({sql_cmd, {sql_query, {sql_query, _, _, _, _, _, {Module, _}}}, _}) when Module =:= mod_mam_sql; Module =:= mod_offline_sql -> message;
kind({sql_cmd, {sql_query, Query}, _}) when is_tuple(Query) -> element(2, Query);
kind({sql_cmd, {sql_query, [Beginning | _]}, _}) when is_binary(Beginning) -> Beginning;
kind({sql_cmd, {sql_query, <<Beginning:40/binary, _/binary>>}, _}) -> Beginning;
kind({sql_cmd, What, _}) when is_function(element(2, What)) ->
    [erlang:fun_info(element(2, What), Part) || Part <- [module, name]];
kind(_Event) -> other.

%% One that was sent at that time has been answered. The worker does one after the other, so it began when the one before it had ended.
took(Sent) ->
    Clock = persistent_term:get(?MODULE),
    Now = now_ms(),
    Now - max(Sent, atomics:exchange(Clock, 1, Now)).

mark(Pid, Kind, Took) when Took >= ?SLOW, Kind =/= message ->
    {Account, _} = account(Pid),
    ets:insert(?MODULE, {{slow, Account, Kind}, now_ms() + ?KEPT});
mark(_Pid, _Kind, _Took) ->
    ok.

wait(From, Event) ->
    gen_server:cast(?MODULE, {wait, From, Event}).

start_link(Worker) ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, Worker, []).

init(Worker) ->
    xmpp_token_bucket:new(?MODULE),  %% the table outlives this process, and what is slow no longer goes from it
    Clock = atomics:new(1, []),
    atomics:put(Clock, 1, now_ms()),
    persistent_term:put(?MODULE, Clock),
    {ok, #{worker => Worker, turns => queue:new(), waiting => #{}, running => none, ready => now_ms()}}.

handle_cast({belongs, Pid}, State) ->
    monitor(process, Pid),
    {noreply, State};
handle_cast({wait, {Pid, _} = From, Event}, #{turns := Turns, waiting := Waiting} = State) ->
    {Account, _} = account(Pid),
    {Order, Own} = case Waiting of
                       #{Account := Others} -> {Turns, queue:in({From, Event}, Others)};
                       _ -> {queue:in(Account, Turns), queue:from_list([{From, Event}])}
                   end,
    {noreply, next(State#{turns := Order, waiting := Waiting#{Account => Own}})}.

handle_info({{?MODULE, {Pid, _} = From, Kind, Sent, Turn}, Answer}, State) ->
    Took = took(Sent),
    mark(Pid, Kind, Took),
    xmpp_writer:answer(From, Answer),
    {noreply, done(Turn, Took, State)};
handle_info({lost, Turn}, State) ->
    {noreply, done(Turn, 0, State)};
handle_info(go, State) ->
    {noreply, next(State)};
handle_info({'DOWN', _, process, Pid, _}, State) ->
    ets:delete(?MODULE, Pid),
    {noreply, State};
handle_info(_Message, State) ->
    {noreply, State}.

done(Turn, Took, #{running := Turn} = State) ->
    %% To that very moment: a timer that ends a millisecond before it would find nobody ready, and nothing would call again.
    Ready = now_ms() + min(?PAUSE * Took, ?LONGEST),
    erlang:send_after(Ready, self(), go, [{abs, true}]),
    State#{running := none, ready := Ready};
done(_Turn, _Took, State) ->
    State.

next(#{running := none, ready := Ready, turns := Turns, waiting := Waiting} = State) ->
    case now_ms() >= Ready andalso queue:out(Turns) of
        {{value, Account}, Later} ->
            {{value, One}, Rest} = queue:out(maps:get(Account, Waiting)),
            run(One, case queue:is_empty(Rest) of
                         true -> State#{turns := Later, waiting := maps:remove(Account, Waiting)};
                         false -> State#{turns := queue:in(Account, Later), waiting := Waiting#{Account := Rest}}
                     end);
        _ -> State
    end;
next(State) ->
    State.

%% A process that has ended, or given up, needs no answer. Statements that the worker has lost (it was restarted) are not waited for.
run({{Pid, _} = From, Event}, #{worker := Worker} = State) ->
    Turn = make_ref(),
    Until = until(Event),
    case Until > now_ms() andalso (node(Pid) =/= node() orelse is_process_alive(Pid)) of
        true ->
            try
                Worker ! {'$gen_sync_event', {self(), {?MODULE, From, kind(Event), now_ms(), Turn}}, Event},
                erlang:send_after(Until, self(), {lost, Turn}, [{abs, true}]),
                State#{running := Turn}
            catch
                error:badarg ->
                    xmpp_writer:answer(From, {error, <<"SQL connection failed">>}),
                    next(State)
            end;
        false ->
            next(State)
    end.

%% When whoever asks gives up. The worker does not begin a statement then, and does not answer one.
until({sql_cmd, _, Until}) -> Until;
until(_Event) -> now_ms() + ejabberd_option:sql_query_timeout().

handle_call(_Question, _From, State) -> {noreply, State}.

now_ms() -> erlang:monotonic_time(millisecond).
