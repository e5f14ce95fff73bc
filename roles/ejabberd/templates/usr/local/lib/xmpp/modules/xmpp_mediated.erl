%% SPDX-License-Identifier: GPL-3.0-or-later
%% Invitations that a room passes on, and answers to them (XEP-0045 7.8.2): they reach somebody, or are by somebody, to whom the stanza itself is not addressed.
-module(xmpp_mediated).
-export([people/3, reasons/2, reached/1, namespace/0]).

-define(MUC_USER, <<"http://jabber.org/protocol/muc#user">>).

namespace() -> ?MUC_USER.

%% Whom a stanza of somebody's reaches by a room.
reached(Packet) ->
    people(Packet, <<"invite">>, <<"to">>) ++ people(Packet, <<"decline">>, <<"to">>).

%% Whom a room is to invite ("invite", "to"), who invites by it ("invite", "from"), or declines ("decline", "from").
people(Packet, Name, Attribute) ->
    [JID || El <- inside(Packet, Name), JID <- [address(fxml:get_tag_attr_s(Attribute, El))], JID =/= none].

reasons(Packet, Name) ->
    [Text || El <- inside(Packet, Name), Text <- [fxml:get_path_s(El, [{elem, <<"reason">>}, cdata])], Text =/= <<>>].

inside(Packet, Name) ->
    [El || {xmlel, <<"x">>, _, _} = X <- [xmpp:encode(El) || El <- xmpp:get_els(Packet)], fxml:get_tag_attr_s(<<"xmlns">>, X) =:= ?MUC_USER,
           El <- fxml:get_subtags(X, Name)].

address(Text) ->
    try jid:decode(Text) catch _:_ -> none end.
