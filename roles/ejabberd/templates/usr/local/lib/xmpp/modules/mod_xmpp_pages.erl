%% SPDX-License-Identifier: GPL-3.0-or-later
%% A page of an archive is bounded. ejabberd gives up to 250 messages at once, however large they are, and all that there are to who asks in
%% the oldest way (urn:xmpp:mam:tmp); while somebody asks and does not read, all of that is in memory. Here a page is of 50, which is
%% what whoever names no number gets anyway; it says that there is more, and apps go on from there.
%% Hooks: user_send_packet, muc_process_iq. Without this module pages are as large as ejabberd lets them be.
-module(mod_xmpp_pages).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([bound/1, bound/2]).

-define(PAGE, 50).
-define(RSM, <<"http://jabber.org/protocol/rsm">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, bound, 20),  %% of one's own archive
    ejabberd_hooks:Do(muc_process_iq, Host, ?MODULE, bound, 20),    %% of a room's, from wherever
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_mam, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

bound({Packet, State}) ->
    {bound(Packet, none), State}.

bound(Packet, _Room) when element(1, Packet) =:= iq ->
    xmpp:set_els(Packet, [smaller(El) || El <- xmpp:get_els(Packet)]);
bound(Packet, _Room) ->
    Packet.

smaller({xmlel, <<"query">>, Attrs, Els} = Query) ->
    case fxml:get_tag_attr_s(<<"xmlns">>, Query) of
        <<"urn:xmpp:mam:", _/binary>> ->
            {Sets, Others} = lists:partition(fun is_set/1, Els),
            Given = case Sets of
                        [] -> [{xmlel, <<"set">>, [{<<"xmlns">>, ?RSM}], []}];
                        _ -> Sets
                    end,
            {xmlel, <<"query">>, Attrs, Others ++ [limited(Set) || Set <- Given]};
        _ -> Query
    end;
smaller(Query) when element(1, Query) =:= mam_query ->  %% rooms have it read already
    xmpp:decode(smaller(xmpp:encode(Query)));
smaller(El) ->
    El.

is_set({xmlel, <<"set">>, _, _} = El) -> fxml:get_tag_attr_s(<<"xmlns">>, El) =:= ?RSM;
is_set(_) -> false.

limited({xmlel, Name, Attrs, Els}) ->
    {Wishes, Others} = lists:partition(fun(El) -> element(1, El) =:= xmlel andalso element(2, El) =:= <<"max">> end, Els),
    Numbers = [Number || Wish <- Wishes, {Number, <<>>} <- [string:to_integer(fxml:get_tag_cdata(Wish))], Number >= 0],
    Max = integer_to_binary(lists:min([?PAGE | Numbers])),
    {xmlel, Name, Attrs, [{xmlel, <<"max">>, [], [{xmlcdata, Max}]} | Others]}.
