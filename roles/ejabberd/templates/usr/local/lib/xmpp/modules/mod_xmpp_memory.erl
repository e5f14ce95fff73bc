%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the memory of a parsed stanza. One of nothing but tags or attributes takes up to 29 times its size on the line, in each place that keeps
%% stanzas: a room's history, a session's queue. So it is measured as it comes in, and its stream is closed if it is too large. (Long texts are
%% not copied, and count little.)
%% Hooks: c2s_handle_recv, s2s_in_handle_recv, s2s_out_handle_recv. Without this module only its bytes and elements are limited (xmpp.yml).
-module(mod_xmpp_memory).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([measure_theirs/3, measure_servers/3, measure_answered/3]).

-define(WORDS, 196_608).  %% 1.5 MiB: a message with the keys of 3,000 devices (XEP-0384) has 1 MiB

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_handle_recv, Host, ?MODULE, measure_theirs, 1),
    ejabberd_hooks:Do(s2s_in_handle_recv, Host, ?MODULE, measure_servers, 1),
    ejabberd_hooks:Do(s2s_out_handle_recv, Host, ?MODULE, measure_answered, 1),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [].
mod_options(_Host) -> [].
mod_doc() -> #{}.

measure_theirs(State, El, _Packet) -> measure(State, El, ejabberd_c2s).
measure_servers(State, El, _Packet) -> measure(State, El, ejabberd_s2s_in).
measure_answered(State, El, _Packet) -> measure(State, El, ejabberd_s2s_out).

measure(State, El, Stream) ->
    case erts_debug:flat_size(El) > ?WORDS of
        true -> {stop, Stream:send(State, xmpp:serr_policy_violation(<<"This takes too much memory.">>, <<"en">>))};
        false -> State
    end.
