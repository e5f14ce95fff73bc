%% SPDX-License-Identifier: GPL-3.0-or-later
%% What an app has not acknowledged (XEP-0198) is in the memory of the host, whether its session sleeps or the app reads and never says so. ejabberd
%% counts the stanzas (max_ack_queue), not how large they are. With too much of it the session ends: its messages go to the mailbox.
%% Hook: user_receive_packet. Without this module only ejabberd's number holds.
-module(mod_xmpp_unacked).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([count/1]).

-define(BYTES, 8388608).  %% twice what Linux takes for a slow line before ejabberd waits

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(user_receive_packet, Host, ?MODULE, count, 90).  %% after all who may drop it

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_stream_mgmt, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Of each stanza its number and its size are kept until it has left ejabberd's own queue.
count({Packet, #{mgmt_queue := Queue, mgmt_stanzas_out := Number} = State}) when Packet =/= drop ->
    Known = case State of
                #{?MODULE := Counted} -> Counted;
                _ -> all(Queue)
            end,
    {Sum, Sizes} = without(Number - p1_queue:len(Queue), Known),
    Size = erlang:external_size(Packet),
    Sum + Size > ?BYTES andalso ejabberd_c2s:stop_async(self()),
    {Packet, State#{?MODULE => {Sum + Size, queue:in({Number + 1, Size}, Sizes)}}};
count(Acc) ->
    Acc.

%% At first, and when the session was taken up again by another process.
all(Queue) ->
    Sizes = [{Number, erlang:external_size(Packet)} || {Number, _, Packet} <- p1_queue:to_list(Queue)],
    {lists:sum([Size || {_, Size} <- Sizes]), queue:from_list(Sizes)}.

without(Acknowledged, {Sum, Sizes}) ->
    case queue:peek(Sizes) of
        {value, {Number, Size}} when Number =< Acknowledged -> without(Acknowledged, {Sum - Size, queue:drop(Sizes)});
        _ -> {Sum, Sizes}
    end.
