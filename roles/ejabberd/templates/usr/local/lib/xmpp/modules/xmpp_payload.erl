%% SPDX-License-Identifier: GPL-3.0-or-later
%% A request as ejabberd understands it: of several equal elements its decoder takes the last, and none of a foreign namespace. Who looks at the element
%% as it came may judge another one than ejabberd answers.
-module(xmpp_payload).
-export([understood/1]).

%% Nothing, if ejabberd cannot read it: it refuses that.
understood(El) ->
    try [xmpp:encode(xmpp:decode(El))] catch _:_ -> [] end.
