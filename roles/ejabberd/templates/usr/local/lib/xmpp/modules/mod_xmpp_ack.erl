%% SPDX-License-Identifier: GPL-3.0-or-later
%% An acknowledgement (XEP-0198) says that a message will not get lost, and a power cut does not make it a lie. ejabberd gives it once
%% the sender's session is done with the message: the recipient's session or the room may have yet to store it, and Linux to write it
%% to the disk. Here it waits for both, and the session goes on meanwhile.
%% Those who store a message are asked to answer a question, which they take after the messages sent before. (Theirs is a standard
%% process's answer: `sys`.) Then the write-ahead log is flushed, once for all who wait.
-module(mod_xmpp_ack).
-behaviour(gen_mod).
-behaviour(gen_server).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([note/1, asked/2, done/2, resume/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, code_change/3]).

-define(PATIENCE, 5_000).        %% ms; then what is safe is acknowledged. (A recipient whose line is stuck is let go after 15 s.)
-define(RESUME_PATIENCE, 2_000). %% ms, while which nothing else happens in this session
-define(MANY, 500).              %% addresses, for who writes to many and never asks
-define(NEW, #{to => #{}, asked => [], waiting => none, count => 0}).

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
    ejabberd_hooks:Do(c2s_authenticated_packet, Host, ?MODULE, asked, 40),  %% before mod_stream_mgmt
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, done, 40),
    ejabberd_hooks:Do(c2s_copy_session, Host, ?MODULE, resume, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_stream_mgmt, hard}, {mod_muc, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% A session: `to`, whom it has written to since `count` stanzas were safe; `asked`, the requests that wait for an answer;
%% `waiting`, what it waits for: the process, which requests it will answer, and with what count.
note({Packet, #{mgmt_state := active} = State}) when element(1, Packet) =:= message ->
    #{to := To, waiting := Waiting} = Mine = maps:get(?MODULE, State, ?NEW),
    {User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
    New = State#{?MODULE => Mine#{to := To#{{User, Server} => []}}},
    case Waiting =:= none andalso map_size(To) >= ?MANY of
        true -> {Packet, settle(New)};
        false -> {Packet, New}
    end;
note(Acc) ->
    Acc.

asked(#{mgmt_state := active, mgmt_stanzas_in := Count} = State, Packet) when element(1, Packet) =:= sm_r ->
    case maps:get(?MODULE, State, ?NEW) of
        #{to := To, waiting := none} = Mine when map_size(To) =:= 0 ->
            {stop, answer([Packet], Count, State#{?MODULE => Mine#{count := Count}})};
        #{asked := Asked, waiting := Waiting} = Mine ->
            New = State#{?MODULE => Mine#{asked := [Packet | Asked]}},
            case Waiting of
                none -> {stop, settle(New)};
                _ -> {stop, New}
            end
    end;
asked(State, _Packet) ->
    State.

settle(#{?MODULE := #{to := To, asked := Asked} = Mine, mgmt_stanzas_in := Count, lserver := Host} = State) ->
    {_, Monitor} = spawn_monitor(fun() -> safe(Host, maps:keys(To), ?PATIENCE) end),
    State#{?MODULE := Mine#{to := #{}, asked := [], waiting := {Monitor, To, Asked, Count}}}.

done(#{?MODULE := #{to := To, asked := Asked, count := Old, waiting := {Monitor, Before, Answers, Count}} = Mine} = State,
     {'DOWN', Monitor, process, _, Reason}) ->
    New = case Reason of
              normal -> answer(Answers, Count, State#{?MODULE := Mine#{waiting := none, count := Count}});
              _ -> answer(Answers, Old, State#{?MODULE := Mine#{waiting := none, to := maps:merge(Before, To)}})
          end,
    case Asked of
        [] -> {stop, New};
        _ -> {stop, settle(New)}
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

%% Who comes back is told a count at once.
resume(#{lserver := Host} = State, #{?MODULE := Mine}) ->
    To = case Mine of
             #{to := New, waiting := {_, Before, _, _}} -> maps:merge(Before, New);
             #{to := New} -> New
         end,
    {Pid, Monitor} = spawn_monitor(fun() -> safe(Host, maps:keys(To), ?RESUME_PATIENCE) end),
    receive
        {'DOWN', Monitor, process, Pid, normal} -> State;
        {'DOWN', Monitor, process, Pid, _} -> State#{?MODULE => maps:merge(?NEW, #{to => To, count => maps:get(count, Mine)})}
    end;
resume(State, _Old) ->
    State.

%% Returns when whatever was sent to these addresses is on the disk, and ends the process if that takes longer than so many ms.
safe(Host, Addresses, Patience) ->
    stored(Addresses, erlang:monotonic_time(millisecond) + Patience),
    case gen_server:call(gen_mod:get_module_proc(Host, ?MODULE), flush, Patience) of
        ok -> ok;
        Failed -> exit(Failed)
    end.

stored(Addresses, Deadline) ->
    Answers = [has_taken_all(Pid, Deadline) || Address <- Addresses, Pid <- keepers(Address)],
    case lists:all(fun(Answer) -> Answer =:= ok end, Answers) of
        true ->
            ok;
        false ->
            %% A session ended, and what waited for it goes to the one that takes its place; or nobody has noted its end yet.
            erlang:monotonic_time(millisecond) < Deadline orelse exit(timeout),
            receive after 20 -> stored(Addresses, Deadline) end
    end.

has_taken_all(Pid, Deadline) ->
    try
        sys:no_debug(Pid, max(1, Deadline - erlang:monotonic_time(millisecond)))
    catch
        exit:{Reason, _} when Reason =/= timeout -> ended
    end.

keepers({User, Server}) ->
    case lists:member(Server, ejabberd_option:hosts()) of
        true ->
            [Pid || {_, Pid} <- ejabberd_sm:get_session_sids(User, Server)];
        false ->
            case ejabberd_router:is_my_route(Server) andalso mod_muc:find_online_room(User, Server) of
                {ok, Room} -> [Room];
                _ -> []
            end
    end.

%% The process that flushes: when nobody else has asked at this moment, for all who have.
init([Host, _Opts]) ->
    {ok, {ejabberd_sql:sqlite_file(Host) ++ "-wal", []}}.

handle_call(flush, From, {File, Waiting}) ->
    {noreply, {File, [From | Waiting]}, 0}.

handle_info(timeout, {File, Waiting}) ->
    Result = flush(File),
    [gen_server:reply(Who, Result) || Who <- Waiting],
    {noreply, {File, []}}.

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
