%% SPDX-License-Identifier: GPL-3.0-or-later
%% Expire and limit entity capabilities (XEP-0115). ejabberd asks once what an app can do and caches it for ever; this module deletes it after a day
%% unless a session uses it (an app that sleeps for days must keep the notifications it asked for).
%% Nobody can fill the table: an account or server that announces new apps again and again is not asked any more, and an answer is limited in size.
%% (ejabberd makes a row of each feature, in one transaction, with the app's name in it twice: 200 kB of each were 4 GB.)
%% Hooks: c2s_handle_info, s2s_receive_packet; user_send_packet and user_receive_packet before mod_caps (75). If the module does not start, nothing
%% limits what is asked, and sessions do not say what they use, so that is deleted after a day as well.
-module(mod_xmpp_caps).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([answer/2, expire/0, sent/1, received/1, told_from_elsewhere/1]).

-define(NS, <<"http://jabber.org/protocol/caps">>).
%% Apps that are new to us: so many at once, and the seconds until one more
-define(HERE, {20, 600}).        %% of one account
-define(ELSEWHERE, {300, 60}).   %% of one other server, with all names below its own
-define(PARTS, 10).              %% that one app names, in the old way
-define(NAME, 1024).             %% bytes of an app's name and version
-define(FEATURES, 500).          %% that it says it has
-define(INFO, <<"http://jabber.org/protocol/disco#info">>).
-define(WAIT, 30000).  %% milliseconds; whoever does not answer for so long is at its end

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_handle_info, Host, ?MODULE, answer, 10),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, sent, 74),
    ejabberd_hooks:Do(user_receive_packet, Host, ?MODULE, received, 74),
    ejabberd_hooks:Do(s2s_receive_packet, Host, ?MODULE, told_from_elsewhere, 74),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_caps, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

sent({Packet, State}) ->
    case tells_too_much(Packet) of
        true -> {stop, {drop, State}};
        false ->
            {User, Server, _} = jid:tolower(xmpp:get_from(Packet)),
            {limited(Packet, {User, Server}, ?HERE), State}
    end.

told_from_elsewhere({Packet, State} = Acc) ->
    case tells_too_much(Packet) of
        true -> {stop, {drop, State}};
        false -> Acc
    end.

%% mod_caps asks in the name of the session that saw the app.
tells_too_much(Packet) when element(1, Packet) =:= iq ->
    xmpp:get_type(Packet) =:= result
        andalso lists:any(fun({xmlel, <<"query">>, _, Inside} = El) ->
                                  fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?INFO andalso length(Inside) > ?FEATURES;
                             (_) -> false
                          end, xmpp:get_els(Packet));
tells_too_much(_Packet) ->
    false.

received({Packet, State}) when element(1, Packet) =:= presence ->
    {_, Server, _} = jid:tolower(xmpp:get_from(Packet)),
    case mod_xmpp_components:is_ours(Server) of
        true -> {Packet, State};
        false -> {limited(Packet, xmpp_token_bucket:site(Server), ?ELSEWHERE), State}
    end;
received(Acc) ->
    Acc.

limited(Packet, Who, {Size, Seconds}) when element(1, Packet) =:= presence ->
    {Caps, Others} = lists:partition(fun is_caps/1, [xmpp:encode(El) || El <- xmpp:get_els(Packet)]),
    case Caps =:= [] orelse not is_long(Caps) andalso is_known(Caps, Who) orelse is_allowed(Caps, Who, Size, Seconds) of
        true -> Packet;
        false -> xmpp:set_els(Packet, Others)
    end;
limited(Packet, _Who, _Limit) ->
    Packet.

is_caps(El) -> element(2, El) =:= <<"c">> andalso fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?NS.

is_long(Caps) -> erlang:external_size(Caps) > ?NAME.

is_known(Caps, Who) ->
    xmpp_token_bucket:remembers(?MODULE, {Who, Caps}).

is_allowed(Caps, Who, Size, Seconds) ->
    Parts = [Part || El <- Caps, Part <- binary:split(fxml:get_tag_attr_s(<<"ext">>, El), <<" ">>, [global])],
    length(Parts) =< ?PARTS andalso not is_long(Caps) andalso not xmpp_token_bucket:used_up(?MODULE, Who, Size, Seconds) andalso
        begin
            xmpp_token_bucket:use(?MODULE, Who, Seconds),
            xmpp_token_bucket:remember(?MODULE, {Who, Caps}, 86400),
            true
        end.

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
         {updated, _} = sql(Host, ["DELETE FROM caps_features WHERE node = ", xmpp_sql:quote(Node), " AND subnode = ", xmpp_sql:quote(Part)]),
         ets_cache:delete(caps_features_cache, {Node, Part})  %% or the next app would not be asked
     end || [Node, Part] <- Old, not is_map_key({Node, Part}, Used)],
    ok.

%% The capabilities that sessions, and those whose presence they see, use.
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
