%% SPDX-License-Identifier: GPL-3.0-or-later
%% What an app can do is asked once and kept (XEP-0115), and an app can say anything there. ejabberd keeps it for ever; this deletes it after
%% a day, unless somebody's session goes by it: an app that sleeps for days must not be forgotten to want the news of its contacts.
%% Hook: c2s_handle_info. Where it does not start, sessions do not answer, and what they go by is deleted after a day as well.
-module(mod_xmpp_caps).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([answer/2, expire/0]).

-define(WAIT, 30000).  %% milliseconds; whoever does not answer for so long is at its end

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, answer, 10),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_caps, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Called by mod_xmpp_deletion, every hour.
expire() ->
    Host = hd(ejabberd_option:hosts()),
    {selected, _, Old} = sql(Host, "SELECT node, subnode FROM caps_features GROUP BY node, subnode"
                                   " HAVING max(created_at) < datetime('now', '-1 day')"),
    Used = case Old of
               [] -> #{};
               _ -> used()
           end,
    [begin
         {updated, _} = sql(Host, ["DELETE FROM caps_features WHERE node = ", quote(Node), " AND subnode = ", quote(Part)]),
         ets_cache:delete(caps_features_cache, {Node, Part})  %% or the next app would not be asked
     end || [Node, Part] <- Old, not is_map_key({Node, Part}, Used)],
    ok.

%% Of all sessions, what they and those whose presence they see can do.
used() ->
    Deadline = erlang:monotonic_time(millisecond) + ?WAIT,
    collect(maps:from_list([begin
                                Monitor = monitor(process, Session),
                                Session ! {?MODULE, self(), Monitor},
                                {Monitor, Session}
                            end || Session <- ejabberd_sm:get_all_pids()]), Deadline, #{}).

collect(Asked, _Deadline, Used) when map_size(Asked) =:= 0 ->
    Used;
collect(Asked, Deadline, Used) ->
    receive
        {?MODULE, Monitor, Pairs} ->
            demonitor(Monitor, [flush]),
            collect(maps:remove(Monitor, Asked), Deadline, maps:merge(Used, maps:from_keys(Pairs, true)));
        {'DOWN', Monitor, process, _, _} ->
            collect(maps:remove(Monitor, Asked), Deadline, Used)
    after max(0, Deadline - erlang:monotonic_time(millisecond)) ->
        Used
    end.

answer(State, {?MODULE, Asking, Monitor}) ->
    Asking ! {?MODULE, Monitor, lists:usort(lists:append([pairs(Caps) || {_, Caps} <- mod_caps:list_features(State)]))},
    {stop, State};
answer(State, _Info) ->
    State.

%% As mod_caps names them in the table.
pairs({caps, Node, Version, Hash, Parts}) ->
    Legacy = case Hash of
                 <<>> -> <<"legacy-">>;
                 _ -> <<>>
             end,
    [{Node, <<Legacy/binary, Part/binary>>} || Part <- [Version | Parts]].

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).

quote(Text) ->
    ["'", string:replace(Text, "'", "''", all), "'"].
