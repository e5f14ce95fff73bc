%% SPDX-License-Identifier: GPL-3.0-or-later
%% Acknowledge a message (XEP-0198) only when it is on the disk, so that a power cut loses no acknowledged message. ejabberd acknowledges it
%% when the sender's session is done with it: then the recipient's session or the room may not have stored it, nor Linux written it
%% to the disk. This module waits for both; the session goes on meanwhile.
%% Each process that stores messages is sent a system message (`sys`), which it answers after the messages sent before. Then the
%% write-ahead log is flushed, once for all who wait.
%% Hooks: user_send_packet, c2s_authenticated_packet, c2s_handle_info, c2s_handle_call. Without this module ejabberd acknowledges early.
-module(mod_xmpp_durable_ack).
-behaviour(gen_mod).
-behaviour(gen_server).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([note/1, asked/2, done/2, resume/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, code_change/3]).

-define(PATIENCE, 5_000).        %% ms; then what is safe is acknowledged
-define(TRIES, 4).               %% then somebody whose line is stuck holds up nobody's count any more
-define(RESUME_PATIENCE, 2_000). %% ms, while which nothing else happens in this session
-define(MANY, 500).              %% addresses, for who writes to many and never asks

start(Host, Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        {ok, _} = gen_mod:start_child(?MODULE, Host, Opts),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host),
    gen_mod:stop_child(?MODULE, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, note, 99),
    %% Before mod_stream_mgmt:
    ejabberd_hooks:Do(c2s_authenticated_packet, Host, ?MODULE, asked, 40),
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, done, 40),
    ejabberd_hooks:Do(c2s_handle_call, Host, ?MODULE, resume, 40),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_stream_mgmt, hard}, {mod_muc, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% A session: `to`, whom it has written to since `count` stanzas were safe, with those who stored for them then (a session that ends
%% is in no list any more and may still have messages to pass on), and how often they did not answer in time; `asked`, the requests
%% that wait for an answer; `waiting`, what it waits for: the process, whom that asks, which requests it is for, and their count.
fresh(Count) ->
    #{to => #{}, asked => [], waiting => none, count => Count}.

note({Packet, #{mgmt_state := active, mgmt_stanzas_in := Count} = State}) when element(1, Packet) =:= message ->
    {User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
    Address = case ejabberd_router:is_my_route(Server) of
                  true -> {User, Server};
                  false -> elsewhere  %% nobody to ask; the sender's copy is to be flushed
              end,
    #{to := To} = Mine = maps:get(?MODULE, State, fresh(max(0, Count - 1))),
    {Noted, Tries} = maps:get(Address, To, {[], 0}),
    New = To#{Address => {lists:usort(keepers(Address) ++ Noted), Tries}},
    %% By a message, since this one is yet to be routed.
    map_size(New) =:= ?MANY andalso (self() ! {?MODULE, settle}),
    {Packet, State#{?MODULE => Mine#{to := New}}};
note(Acc) ->
    Acc.

asked(#{mgmt_state := active, mgmt_stanzas_in := Count} = State, Packet) when element(1, Packet) =:= sm_r ->
    case maps:get(?MODULE, State, fresh(Count)) of
        #{to := To, waiting := none} = Mine when map_size(To) =:= 0 ->
            {stop, answer([Packet], Count, State#{?MODULE => Mine#{count := Count}})};
        #{asked := Asked} = Mine ->
            {stop, settle(State#{?MODULE => Mine#{asked := [Packet | Asked]}})}
    end;
asked(State, _Packet) ->
    State.

settle(#{?MODULE := #{to := To, asked := Asked, waiting := none} = Mine, mgmt_stanzas_in := Count, lserver := Host} = State) ->
    {_, Monitor} = spawn_monitor(fun() -> safe(Host, To, ?PATIENCE, []) end),
    State#{?MODULE := Mine#{to := #{}, asked := [], waiting := {Monitor, To, Asked, Count}}};
settle(State) ->
    State.

done(#{?MODULE := #{to := To}} = State, {?MODULE, settle}) when map_size(To) > 0 ->
    {stop, settle(State)};
done(State, {?MODULE, settle}) ->
    {stop, State};
done(#{?MODULE := #{to := To, asked := Asked, count := Old, waiting := {Monitor, Before, Requests, Count}} = Mine} = State,
     {'DOWN', Monitor, process, _, Reason}) ->
    Left = case Reason of
               normal -> #{};
               {stuck, Stuck} -> maps:filtermap(fun(_, {Noted, Tries}) -> Tries + 1 < ?TRIES andalso {true, {Noted, Tries + 1}} end,
                                                maps:with(Stuck, Before));
               _ -> Before#{elsewhere => {[], 0}}  %% it was not flushed, and nobody who did not answer is forgotten
           end,
    Safe = case map_size(Left) of
               0 -> Count;
               _ -> Old
           end,
    New = maps:merge_with(fun(_, {One, Tries}, {Other, _}) -> {lists:usort(One ++ Other), Tries} end, Left, To),
    Answered = answer(Requests, Safe, State#{?MODULE := Mine#{to := New, waiting := none, count := Safe}}),
    case Asked =/= [] orelse map_size(To) >= ?MANY of
        true -> {stop, settle(Answered)};
        false -> {stop, Answered}
    end;
done(State, _Info) ->
    State.

%% By mod_stream_mgmt, as if no more had come in yet. (Who is gone meanwhile is told the count when they come back.)
answer(Requests, Count, #{mgmt_state := active, mgmt_stanzas_in := Now} = State) ->
    lists:foldl(fun(Request, Acc) ->
                    {stop, New} = mod_stream_mgmt:c2s_authenticated_packet(Acc#{mgmt_stanzas_in := Count}, Request),
                    New#{mgmt_stanzas_in := Now}
                end, State, Requests);
answer(_Requests, _Count, State) ->
    State.

%% A resumed session is sent a count at once, and sends again what comes after it.
resume(#{?MODULE := #{to := New, waiting := Waiting, count := Old}, mgmt_id := Id, lserver := Host} = State, {resume_session, Id}, _From) ->
    To = case Waiting of
             {_, Before, _, _} -> maps:merge(Before, New);
             none -> New
         end,
    Session = self(),
    {Pid, Monitor} = spawn_monitor(fun() -> map_size(To) =:= 0 orelse safe(Host, To, ?RESUME_PATIENCE, [Session]) end),
    receive
        {'DOWN', Monitor, process, Pid, normal} -> State;
        {'DOWN', Monitor, process, Pid, _} -> State#{mgmt_stanzas_in := Old}
    end;
resume(State, _Call, _From) ->
    State.

%% Returns when whatever was sent to these addresses is on the disk. Ends the process with those who did not answer in so many ms.
%% Nobody asks those in the list (they wait for the answer).
safe(Host, To, Patience, Others) ->
    Deadline = now_ms() + Patience,
    Noted = lists:usort(lists:append([Pids || {Pids, _} <- maps:values(To)])),
    Stuck = stuck(To, Noted -- Others, maps:from_keys(Others, true), Deadline),
    case gen_server:call(gen_mod:get_module_proc(Host, ?MODULE), flush, max(1_000, Deadline - now_ms())) of
        ok -> ok;
        Failed -> exit(Failed)
    end,
    Stuck =:= [] orelse exit({stuck, Stuck}).

%% The addresses of which somebody does not answer. Asked are all who are to be asked, then those who took their places or got
%% what they had to pass on, until there is nobody new.
stuck(To, Ask, Asked, Deadline) ->
    Questions = [{Pid, ask(Pid)} || Pid <- Ask],
    Known = maps:merge(Asked, maps:from_list([{Pid, answered(Question, Deadline)} || {Pid, Question} <- Questions])),
    Now = maps:map(fun(Address, _) -> keepers(Address) end, To),
    case lists:usort(lists:append(maps:values(Now))) -- maps:keys(Known) of
        [] ->
            [Address || {Address, {Noted, _}} <- maps:to_list(To),
                        not lists:all(fun(Pid) -> maps:get(Pid, Known) end, Noted ++ maps:get(Address, Now))];
        New ->
            stuck(To, New, Known, Deadline)
    end.

ask(Pid) ->
    Monitor = monitor(process, Pid),
    Pid ! {system, {self(), Monitor}, {debug, no_debug}},
    Monitor.

answered(Monitor, Deadline) ->
    receive
        {Monitor, _} -> demonitor(Monitor, [flush]);
        {'DOWN', Monitor, process, _, _} -> true
    after max(0, Deadline - now_ms()) -> false
    end.

%% The processes that store what is sent to an address, or will pass it on to one that does.
keepers(elsewhere) ->
    [];
keepers({User, Server}) ->
    case lists:member(Server, ejabberd_option:hosts()) of
        true ->
            [Pid || {_, Pid} <- ejabberd_sm:get_session_sids(User, Server)];
        false ->
            case mod_muc:find_online_room(User, Server) of
                {ok, Room} -> [Room];
                error -> [Pid || Pid <- [whereis(mod_muc:procname(ejabberd_router:host_of_route(Server), {User, Server}))], is_pid(Pid)]
            end
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).

%% The process that flushes: when nobody else has asked at this moment, for all who have.
init([Host, _Opts]) ->
    {ok, {ejabberd_sql:sqlite_file(Host) ++ "-wal", [], ok}}.

handle_call(flush, From, {File, Waiting, Last}) ->
    {noreply, {File, [From | Waiting], Last}, 0}.

handle_info(timeout, {File, Waiting, Last}) ->
    Result = flush(File),
    Result =:= ok orelse Result =:= Last orelse logger:critical("~ts cannot be flushed: ~0tp. Nothing is acknowledged.", [File, Result]),
    [gen_server:reply(Who, Result) || Who <- Waiting],
    {noreply, {File, [], Result}}.

flush(File) ->
    case file:open(File, [read, raw]) of
        {ok, Log} ->
            Result = file:datasync(Log),
            ok = file:close(Log),
            Result;
        Error ->
            Error
    end.

handle_cast(_Message, State) -> {noreply, State, 0}.
terminate(_Reason, _State) -> ok.
code_change(_Old, State, _Extra) -> {ok, State}.
