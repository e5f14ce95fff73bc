%% SPDX-License-Identifier: GPL-3.0-or-later
%% One database connection for all domains. ejabberd opens one for each, SQLite lets one of them write, and its driver does not wait: a write of
%% another domain at that moment fails. Here a process of ours is registered where ejabberd looks for a domain's connection, and passes statements
%% to one worker of ejabberd's for all domains, which runs one transaction after the other. So it also sees what the database refuses, and what is
%% slow: that waits in xmpp_fair the next time. Rows of messages go there together (xmpp_rows).
-module(xmpp_writer).
-behaviour(gen_server).
-export([take_over/1, tune/1, watch/0, refused/0, state/0, answer/2, kind/1]).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(WORKER, <<"xmpp">>).  %% where ejabberd's names of such processes have a domain (which has a dot)
-define(OUTAGE, 3_600_000).   %% ms without a refusal, after which the journal hears of the next one
-define(KEPT, 60_000).        %% ms; a refusal is asked for at once, or never

%% From the moment when modules start, before there are clients, until ejabberd ends. What ejabberd's own worker has been asked until now,
%% it still answers.
take_over(Host) ->
    sqlite = ejabberd_option:sql_type(Host),
    1 = ejabberd_option:sql_pool_size(Host),
    xmpp_token_bucket:new(?MODULE),
    ok = ejabberd_sql_sup:start(Host),
    started(ejabberd_db_sup, #{id => ?MODULE, start => {ejabberd_sql, start_link, [?WORKER, 0]}}),
    started(ejabberd_db_sup, #{id => xmpp_fair, start => {xmpp_fair, start_link, [worker()]}}),
    started(ejabberd_db_sup, #{id => xmpp_rows, start => {xmpp_rows, start_link, [worker()]}}),
    Domain = gen_mod:get_module_proc(Host, ejabberd_sql_sup),
    started(Domain, #{id => 0, start => {?MODULE, start_link, [Host]}}),
    _ = supervisor:terminate_child(Domain, 1),
    _ = supervisor:delete_child(Domain, 1),
    tune(Host).

%% What ejabberd has no option for, and what holds for one connection. One that had to be made anew has SQLite's defaults until xmpp-checkpoint.timer.
tune(Host) ->
    %% Flush at checkpoints instead of twice a message; in write-ahead mode that cannot corrupt the file.
    {updated, _} = ejabberd_sql:sql_query(Host, <<"PRAGMA synchronous = NORMAL">>),
    {selected, _, [[<<"1">>]]} = ejabberd_sql:sql_query(Host, <<"PRAGMA synchronous">>),
    %% 80 MB at most between two runs of xmpp-checkpoint.timer, instead of a stop every 1000 pages.
    {selected, _, [[<<"20000">>]]} = ejabberd_sql:sql_query(Host, <<"PRAGMA wal_autocheckpoint = 20000">>),
    ok.

started(Supervisor, Child) ->
    case supervisor:start_child(Supervisor, Child) of
        {ok, _} -> ok;
        {error, {already_started, _}} -> ok  %% for another domain, or before a reload
    end.

%% Was something refused to this process since it called watch()? What ejabberd took too long for was not done either.
watch() ->
    ets:delete(?MODULE, self()),
    put(?MODULE, now_ms()).

refused() ->
    ets:member(?MODULE, self()) orelse now_ms() - get(?MODULE) >= ejabberd_option:sql_query_timeout().

%% For the operator's check: why the database does not write at this moment, or that it does, and when and why it last did not, if ever.
state() ->
    Now = case ejabberd_sql:sql_query(hd(ejabberd_option:hosts()), [<<"PRAGMA user_version = 0">>]) of  %% writes a page
              {error, Why} -> kind(Why);
              _ -> writes
          end,
    Last = case ets:lookup(?MODULE, last) of
               [{last, {At, Kind}}] -> {(now_ms() - At) div 1000, Kind};
               [] -> never
           end,
    {Now, Last}.

start_link(Host) ->
    gen_server:start_link(?MODULE, Host, []).

init(Host) ->
    Name = binary_to_atom(<<"ejabberd_sql_", Host/binary, "_1">>),
    whereis(Name) =:= undefined orelse unregister(Name),
    register(Name, self()),
    {ok, worker()}.

worker() -> binary_to_atom(<<"ejabberd_sql_", ?WORKER/binary, "_0">>).

%% A request (p1_fsm's) is passed on with our address, its answer to the caller.
handle_info({'$gen_sync_event', {Pid, _} = From, Event}, Worker) ->
    Kind = xmpp_fair:kind(Event),
    try
        case xmpp_fair:waits(Pid, Kind) of
            true -> xmpp_fair:wait(From, Event);
            false ->
                case xmpp_rows:is_row(Kind, Event) of
                    false -> Worker ! {'$gen_sync_event', {self(), {?MODULE, From, Kind, now_ms()}}, Event};
                    Row -> xmpp_rows:insert(From, Event, Row)
                end
        end
    catch
        error:badarg -> answer(From, {error, <<"SQL connection failed">>})  %% it is being started anew
    end,
    {noreply, Worker};
handle_info({{?MODULE, {Pid, _} = From, Kind, Sent}, Answer}, Worker) ->
    xmpp_fair:mark(Pid, Kind, xmpp_fair:took(Sent)),
    answer(From, Answer),
    {noreply, Worker};
handle_info(_Message, Worker) ->
    {noreply, Worker}.

answer(From, Answer) ->
    note(From, Answer),
    p1_fsm:reply(From, Answer).

note({Pid, _}, {Failed, Why}) when Failed =:= error; Failed =:= aborted ->
    Now = now_ms(),
    ets:insert(?MODULE, {Pid, Now + ?KEPT}),
    Kind = kind(Why),
    Kind =:= none orelse
        begin
            Before = ets:lookup(?MODULE, last),
            ets:insert(?MODULE, {last, {Now, Kind}}),
            [] =/= [At || {last, {At, _}} <- Before, Now - At < ?OUTAGE] orelse
                logger:critical("The database refuses to write: ~s. Messages come back to their senders.", [Kind])
        end;
note(_From, _Answer) ->
    ok.

%% Never SQLite's own words, which may quote what was to be written. No fault of the database's: what ejabberd itself took back, a name that is
%% there already, a statement that somebody made too long.
kind(Why) ->
    try iolist_to_binary(Why) of
        Text ->
            Kinds = [{"constraint failed|syntax error|unrecognized token|too (many|large|big)", none}, {"full", "the disk is full"},
                     {"readonly", "it is read-only"}, {"I/O error|unable to open", "the disk fails"}, {"malformed|not a database", "it is damaged"},
                     {"locked", "something else writes to it"}, {"", "for a reason of its own"}],
            hd([Kind || {Words, Kind} <- Kinds, re:run(Text, Words) =/= nomatch])
    catch
        error:badarg -> none
    end.

handle_call(_Question, _From, Worker) -> {noreply, Worker}.
handle_cast(_Message, Worker) -> {noreply, Worker}.

now_ms() -> erlang:monotonic_time(millisecond).
