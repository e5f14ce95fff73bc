%% SPDX-License-Identifier: GPL-3.0-or-later
%% Limit the size of message archives (XEP-0313), of accounts and rooms, in MiB: beyond it, the oldest messages are deleted. A message counts at
%% least 2 KiB, so their number is limited as well. Written bytes are added up in memory. Only when the sum is a tenth of the quota are the stored
%% messages measured: newest first, in portions, beside everything else.
%% What the domain itself sends (alerts of faults) has no archive but that of its receiver: it would be one of nobody, which is there even if the
%% receiver keeps none, and from which nothing is deleted together with an account.
%% Offline messages are limited, too: large ones are refused from 16 MiB on, small ones by their number (xmpp.yml).
%% The owner of an archive can empty it, for which XEP-0313 has no way: <delete xmlns='conexizan:archive'/>, set, to the account itself.
%% Hooks: store_mam_message, offline_message_hook, remove_user; one IQ. Without this module only their age (xmpp-expire) limits archives.
-module(mod_xmpp_archive).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([stored/8, waits/1, account_removed/2, decode_iq_subel/1, empty/1]).

-define(LEAST, 2048).        %% bytes that a message counts
-define(SOME, 500).          %% messages that are looked at, or deleted, at once
-define(PORTION, 4194304).   %% bytes that are deleted at once, and one message: there is one connection to the database
-define(LARGE, 16384).       %% bytes; a thousand that are smaller may wait
-define(MAILBOX, 16777216).  %% bytes
-define(WAITING, mod_xmpp_archive_mailbox).
-define(OWN, <<"conexizan:archive">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        ets:whereis(?MODULE) =:= undefined andalso ets:new(?MODULE, [named_table, public, {heir, group_leader(), none}]),
        xmpp_queue:new(?MODULE, 1),
        xmpp_sum:new(?WAITING),
        gen_iq_handler:add_iq_handler(ejabberd_sm, Host, ?OWN, ?MODULE, empty),
        hooks(add, Host)
    end).

stop(Host) ->
    gen_iq_handler:remove_iq_handler(ejabberd_sm, Host, ?OWN),
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(store_mam_message, Host, ?MODULE, stored, 90),
    ejabberd_hooks:Do(offline_message_hook, Host, ?MODULE, waits, 45),  %% before mod_offline
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, account_removed, 95),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_mam, hard}, {mod_offline, hard}].
mod_options(_Host) -> [{quota_mib, 1000}].
mod_opt_type(quota_mib) -> econf:pos_int().
mod_doc() -> #{}.

stored(_Acc, <<>>, _Server, _Peer, _Nick, chat, send, _Elsewhere) ->
    {stop, drop};
%% A rough size, at no cost: it says when to look.
stored(Acc, User, Server, _Peer, _Nick, Type, _Dir, _Elsewhere) ->
    {Host, Name} = case Type of
                       chat -> {Server, User};
                       groupchat -> {ejabberd_router:host_of_route(Server), jid:encode({User, Server, <<>>})}
                   end,
    Quota = gen_mod:get_module_opt(Host, ?MODULE, quota_mib) * 1048576,
    Written = ets:update_counter(?MODULE, {Host, Name}, max(?LEAST, erlang:external_size(Acc)), {{Host, Name}, 0}),
    Written >= Quota div 10 andalso xmpp_queue:add(?MODULE, {Host, Name}, fun() -> trim(Host, Name, Quota) end),
    Acc.

trim(Host, Name, Quota) ->
    xmpp_fair:belongs(self(), ?MODULE, all),
    ets:delete(?MODULE, {Host, Name}),
    Where = ["WHERE server_host = ", xmpp_sql:quote(Host), " AND username = ", xmpp_sql:quote(Name)],
    case oldest(Host, Where, "", Quota) of
        none -> ok;
        Time -> delete(Host, [Where, " AND timestamp <= ", Time])
    end.

%% The time of the newest message beyond the quota.
oldest(Host, Where, Before, Left) ->
    case ejabberd_sql:sql_query(Host, [<<"SELECT timestamp, octet_length(xml) + octet_length(txt) FROM archive ">>, Where, Before,
                                       " ORDER BY timestamp DESC LIMIT ", integer_to_list(?SOME)]) of
        {selected, _, [_ | _] = Rows} ->
            case place(Rows, Left) of
                Rest when is_integer(Rest) -> oldest(Host, Where, [" AND timestamp < ", hd(lists:last(Rows))], Rest);
                {none, Time} -> Time
            end;
        _ -> none
    end.

place([[Time, Size] | Rows], Left) ->
    case Left - max(?LEAST, binary_to_integer(Size)) of
        Rest when Rest < 0 -> {none, Time};
        Rest -> place(Rows, Rest)
    end;
place([], Left) ->
    Left.

delete(Host, Which) ->
    case ejabberd_sql:sql_query(Host, [<<"DELETE FROM archive WHERE rowid IN (SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS earlier "
                                         "FROM (SELECT rowid AS id, coalesce(octet_length(xml), 0) + coalesce(octet_length(txt), 0) AS size FROM archive ">>,
                                       Which, " LIMIT ", integer_to_list(?SOME), ")) WHERE earlier < ", integer_to_list(?PORTION), ")"]) of
        {updated, 0} -> ok;
        {updated, _} -> delete(Host, Which);
        _ -> failed
    end.

%% It is no element that ejabberd knows.
decode_iq_subel(El) -> El.

%% Up to now; answered when it is done.
empty(IQ) ->
    Owner = jid:remove_resource(jid:tolower(xmpp:get_from(IQ))),
    case {xmpp:get_type(IQ), jid:tolower(xmpp:get_to(IQ)), xmpp:get_els(IQ)} of
        {set, {User, Server, _} = Owner, [{xmlel, <<"delete">>, _, _}]} ->
            Where = ["WHERE server_host = ", xmpp_sql:quote(Server), " AND username = ", xmpp_sql:quote(User),
                     " AND timestamp <= ", integer_to_list(erlang:system_time(microsecond))],
            Work = fun() ->
                xmpp_fair:belongs(self(), {User, Server}, all),
                ejabberd_router:route(case delete(Server, Where) of
                                          ok -> xmpp:make_iq_result(IQ);
                                          failed -> xmpp:make_error(IQ, xmpp:err_internal_server_error())
                                      end)
            end,
            case xmpp_queue:add(?MODULE, {Server, User}, Work) of
                ok -> ignore;
                full -> xmpp:make_error(IQ, xmpp:err_resource_constraint(<<"The archive is being emptied already.">>, xmpp:get_lang(IQ)))
            end;
        {set, Owner, _} -> xmpp:make_error(IQ, xmpp:err_bad_request());
        _ -> xmpp:make_error(IQ, xmpp:err_not_allowed())
    end.

waits({_, Packet} = Acc) ->
    {User, Server, _} = jid:tolower(xmpp:get_to(Packet)),
    Size = erlang:external_size(Packet),
    case Size =< ?LARGE orelse xmpp_sum:fits(?WAITING, {User, Server}, sender, Size, ?MAILBOX, fun() -> mailbox(User, Server) end) of
        false ->
            Text = <<"Too much waits for this person already, who is away. The message has been discarded.">>,
            ejabberd_router:route_error(Packet, xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet))),
            {stop, {drop, Packet}};
        true -> Acc
    end.

%% How much there is is known in memory, and counted when that would be too much: each look would make what a session has left come later, perhaps
%% after the next session has emptied the mailbox.
mailbox(User, Server) ->
    case ejabberd_sql:sql_query(Server, [<<"SELECT coalesce(sum(octet_length(xml)), 0) FROM spool WHERE username = ">>, xmpp_sql:quote(User),
                                         " AND server_host = ", xmpp_sql:quote(Server)]) of
        {selected, _, [[Sum]]} -> {ok, binary_to_integer(Sum)};
        _ -> unknown
    end.

account_removed(User, Server) ->
    ets:delete(?MODULE, {Server, User}),
    xmpp_sum:delete(?WAITING, {User, Server}).
