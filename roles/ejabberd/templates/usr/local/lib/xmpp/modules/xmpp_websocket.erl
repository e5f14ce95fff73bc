%% SPDX-License-Identifier: GPL-3.0-or-later
%% WebSocket with a limit of memory for each connection. ejabberd 26.07 has none there, max_stanza_size does not hold: whoever connects, with
%% no account, could send one message without end until the host has no memory left. What takes more than this is closed at once.
-module(xmpp_websocket).
-export([socket_handoff/3, start_link/1]).

%% Words of 8 bytes. A stanza of the largest size that the other ports take (256 KiB) passes, one of nothing but tags too.
-define(READER, 1 bsl 18).
-define(PARSER, 1 bsl 22).

socket_handoff(Path, Request, Options) ->
    process_flag(max_heap_size, limit(?READER)),
    ejabberd_websocket:socket_handoff(Path, Request, Options, ?MODULE, fun() -> <<>> end).

start_link(Socket) ->
    p1_fsm:start_link(ejabberd_http_ws, [Socket], [{spawn_opt, [{max_heap_size, limit(?PARSER)}]}]).

limit(Words) ->
    #{size => Words, kill => true, error_logger => false, include_shared_binaries => true}.
