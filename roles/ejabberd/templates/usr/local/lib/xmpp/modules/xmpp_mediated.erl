%% SPDX-License-Identifier: GPL-3.0-or-later
%% Invitations that a room passes on (XEP-0045 7.8.2): they reach somebody, or are by somebody, to whom the stanza itself is not addressed.
-module(xmpp_mediated).
-export([people/3]).

-define(MUC_USER, <<"http://jabber.org/protocol/muc#user">>).

%% Whom a room is to invite ("invite", "to"), who invites by it ("invite", "from"), or declines ("decline", "from").
people(Packet, Name, Attribute) ->
    [JID || {xmlel, <<"x">>, _, _} = X <- [xmpp:encode(El) || El <- xmpp:get_els(Packet)], fxml:get_tag_attr_s(<<"xmlns">>, X) =:= ?MUC_USER,
            El <- fxml:get_subtags(X, Name), JID <- [address(fxml:get_tag_attr_s(Attribute, El))], JID =/= none].

address(Text) ->
    try jid:decode(Text) catch _:_ -> none end.
