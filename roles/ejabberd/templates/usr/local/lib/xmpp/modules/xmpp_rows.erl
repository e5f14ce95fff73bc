%% SPDX-License-Identifier: GPL-3.0-or-later
%% Insert messages into the database together: rows of archive and mailbox that come while a statement is under way wait for its end, and are the
%% next one, of many rows. What a statement costs beside its rows (its way to SQLite and back, a transaction) is paid once for all of them. No row
%% waits longer than the statement before it, each caller gets its answer when its row is in, and rows keep their order. The statements are
%% ejabberd's own. Where one for many rows is refused because of a row, each is tried by itself. While this process is down, all that goes
%% through it fails, until its supervisor has restarted it.
-module(xmpp_rows).
-behaviour(gen_server).
-export([is_row/2, insert/3]).
-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(ROWS, 200).       %% in one statement
-define(BYTES, 500_000).  %% of one statement (SQLite takes a million), unless a single row is larger

%% Its beginning, its values and the end of one row, for an INSERT of one row; false for any other statement.
is_row(message, {sql_cmd, {sql_query, {sql_query, _, _, _, _, _, _} = Query}, _}) ->
    try ejabberd_sql:sql_query_to_iolist(sqlite, Query) of
        [<<"INSERT INTO ", _/binary>> = Into | [_ | _] = Values] -> lists:last(Values) =:= <<");">> andalso {Into, lists:droplast(Values)};
        _ -> false
    catch
        _:_ -> false  %% ejabberd's worker says what is wrong with it
    end;
is_row(_Kind, _Event) ->
    false.

insert(From, {sql_cmd, {sql_query, Query}, Until}, {Into, Values}) ->
    ?MODULE ! {insert, Into, #{from => From, query => Query, until => Until, values => Values, alone => false}}.

start_link(Worker) ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, Worker, []).

%% For each beginning of an INSERT: the rows that wait, and the statement that is under way.
init(Worker) ->
    {ok, {Worker, #{}}}.

handle_info({insert, Into, Row}, {Worker, Tables}) ->
    {Waiting, Running} = maps:get(Into, Tables, {queue:new(), none}),
    {noreply, {Worker, Tables#{Into => next(Into, queue:in(Row, Waiting), Running, Worker)}}};
handle_info({{?MODULE, Into, Turn, Sent}, Answer}, {Worker, Tables}) ->
    xmpp_fair:took(Sent),
    {noreply, {Worker, ended(Into, Turn, Answer, Worker, Tables)}};
handle_info({lost, Into, Turn}, {Worker, Tables}) ->
    {noreply, {Worker, ended(Into, Turn, lost, Worker, Tables)}};
handle_info({{'DOWN', Into}, Turn, process, _, _}, {Worker, Tables}) ->
    {noreply, {Worker, ended(Into, Turn, {error, <<"SQL connection failed">>}, Worker, Tables)}};
handle_info(_Message, State) ->
    {noreply, State}.

ended(Into, Turn, Answer, Worker, Tables) ->
    case Tables of
        #{Into := {Waiting, {Turn, Timer, Rows}}} ->
            demonitor(Turn, [flush]),
            erlang:cancel_timer(Timer),
            Tables#{Into := next(Into, queue:join(queue:from_list(answer(Rows, Answer)), Waiting), none, Worker)};
        _ -> Tables  %% it came late
    end.

%% Returns the rows that are to be tried again.
answer(_Rows, lost) ->
    [];  %% whoever asked has given up, too
answer([_, _ | _] = Rows, {error, Why} = Error) ->
    case xmpp_writer:kind(Why) of
        none -> [Row#{alone := true} || Row <- Rows];
        _ -> answer_all(Rows, Error)
    end;
answer(Rows, {updated, _}) ->
    answer_all(Rows, {updated, 1});
answer(Rows, Answer) ->
    answer_all(Rows, Answer).

answer_all(Rows, Answer) ->
    [xmpp_writer:answer(From, Answer) || #{from := From} <- Rows],
    [].

next(Into, Waiting, none, Worker) ->
    case take(Waiting, [], 0) of
        {[], Rest} ->
            {Rest, none};
        {Rows, Rest} ->
            case run(Into, Rows, whereis(Worker)) of
                none -> next(Into, Rest, none, Worker);
                Running -> {Rest, Running}
            end
    end;
next(_Into, Waiting, Running, _Worker) ->
    {Waiting, Running}.

%% The rows of the next statement, and those after them. Whose caller has given up is not inserted any more.
take(Waiting, Rows, Size) ->
    case queue:peek(Waiting) of
        empty ->
            {lists:reverse(Rows), Waiting};
        {value, #{alone := Alone, values := Values, until := Until} = Row} ->
            New = Size + iolist_size(Values),
            Over = Until =< now_ms(),
            if
                Over -> take(queue:drop(Waiting), Rows, Size);
                Rows =/= [] andalso (Alone orelse New > ?BYTES orelse length(Rows) >= ?ROWS) -> {lists:reverse(Rows), Waiting};
                Alone -> {[Row], queue:drop(Waiting)};
                true -> take(queue:drop(Waiting), [Row | Rows], New)
            end
    end.

run(_Into, Rows, undefined) ->
    answer_all(Rows, {error, <<"SQL connection failed">>}),  %% it is being started anew
    none;
run(Into, Rows, Worker) ->
    Turn = monitor(process, Worker, [{tag, {'DOWN', Into}}]),
    Until = lists:max([Until || #{until := Until} <- Rows]),
    Event = {sql_cmd, {sql_query, statement(Into, Rows)}, Until},
    Worker ! {'$gen_sync_event', {self(), {?MODULE, Into, Turn, now_ms()}}, Event},
    {Turn, erlang:send_after(max(0, Until - now_ms()), self(), {lost, Into, Turn}), Rows}.

%% As ejabberd's for one row, which its log calls by a checksum and never by its text.
statement(Into, [#{query := Query} | _] = Rows) ->
    Values = lists:join(<<"), (">>, [Values || #{values := Values} <- Rows]),
    setelement(3, setelement(5, Query, fun(_Escape) -> [] end), fun([]) -> [Into, Values, <<");">>] end).

handle_call(_Question, _From, State) -> {noreply, State}.
handle_cast(_Message, State) -> {noreply, State}.

now_ms() -> erlang:monotonic_time(millisecond).
