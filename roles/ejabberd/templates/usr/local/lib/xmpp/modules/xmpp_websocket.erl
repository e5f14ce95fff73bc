%% SPDX-License-Identifier: GPL-3.0-or-later
%% WebSocket (RFC 7395) with limits. Each connection has a limit of memory: ejabberd 26.07 has none there, max_stanza_size does not hold, and anybody
%% without an account could send one endless message until the host has no memory left. A connection that takes more is closed at once. The first
%% connections of an address may send the largest stanza that the other ports take, made of nothing but tags; further ones have less.
%% And an address has a limit of connections that are not logged in. Those that are do not count, so that a school, or a house, can be in the web
%% chat (mod_xmpp_websocket says which are). A refused client is told for how long: a browser that could not connect repeats the request as a
%% plain GET, and gets the same answer. (nginx counts all of them: xmpp.web.d/ejabberd.conf.)
-module(xmpp_websocket).
-export([socket_handoff/3, start_link/1, logged_in/1]).
-export([keep/0]).

-define(STRANGERS, 80).  %% of one address
-define(WAIT, 30).       %% seconds; one that nobody logs in on lasts two minutes at most
-define(LARGE, 20).      %% of one address
-define(LARGE_SMALL_HOST, 8).
%% Words of 8 bytes. A stanza of the largest size that the other ports take (256 KiB) passes, one of nothing but tags too.
-define(READER, 1 bsl 18).
-define(PARSER, 1 bsl 22).
-define(PARSER_BEYOND, 1 bsl 19).
%% Element of the record #request{} of ejabberd_http, and of #ws{}.
-define(IP, 10).

socket_handoff(Path, Request, Options) ->
    new(),
    {Address, _} = Peer = element(?IP, Request),
    case length([1 || {_, stranger} <- of_address(Address)]) >= ?STRANGERS of
        true ->
            %% (ejabberd_http knows no 429.)
            {503, [{<<"Retry-After">>, integer_to_binary(?WAIT)}, {<<"Content-Type">>, <<"text/plain">>}],
             <<"Too many connections from your address.">>};
        false ->
            process_flag(max_heap_size, limit(?READER)),
            put(?MODULE, Peer),
            ejabberd_websocket:socket_handoff(Path, Request, Options, ?MODULE, fun() -> <<>> end)
    end.

%% Called by the process of the above.
start_link(Socket) ->
    {Address, _} = Peer = get(?MODULE),
    Parser = case length(of_address(Address)) < large() of
                 true -> ?PARSER;
                 false -> ?PARSER_BEYOND
             end,
    {ok, Pid} = Started = p1_fsm:start_link(ejabberd_http_ws, [Socket], [{spawn_opt, [{max_heap_size, limit(Parser)}]}]),
    ets:insert(?MODULE, {Peer, stranger}),
    ?MODULE ! {watch, Peer, Pid},
    Started.

%% By address and port, which is that of nginx's connection to here.
logged_in(Peer) ->
    ets:whereis(?MODULE) =/= undefined andalso ets:update_element(?MODULE, Peer, {2, known}).

of_address(Address) ->
    ets:select(?MODULE, [{{{Address, '_'}, '_'}, [], ['$_']}]).

%% A small host has one scheduler (xmpp.cfg).
large() ->
    case erlang:system_info(schedulers) of
        1 -> ?LARGE_SMALL_HOST;
        _ -> ?LARGE
    end.

limit(Words) ->
    #{size => Words, kill => true, error_logger => false, include_shared_binaries => true}.

%% A table that outlives its caller, and the process that removes ended connections from it.
new() ->
    case ets:whereis(?MODULE) of
        undefined ->
            proc_lib:start(?MODULE, keep, [], 5000),
            new();
        _ -> ok
    end.

keep() ->
    %% Two may be asked for at once: the second ends.
    case catch register(?MODULE, self()) of
        true ->
            ets:new(?MODULE, [named_table, public, ordered_set]),
            proc_lib:init_ack(ok),
            watch(#{});
        _ -> proc_lib:init_ack(ok)
    end.

watch(Watched) ->
    receive
        {watch, Peer, Pid} ->
            watch(Watched#{monitor(process, Pid) => Peer});
        {'DOWN', Monitor, process, _, _} ->
            {Peer, Left} = maps:take(Monitor, Watched),
            ets:delete(?MODULE, Peer),
            watch(Left);
        _ ->
            watch(Watched)
    end.
