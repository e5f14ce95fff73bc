%% SPDX-License-Identifier: GPL-3.0-or-later
%% Choose the language of words of ours, as ejabberd does for its own: the one that is asked for, else the server's, else English.
-module(xmpp_language).
-export([choose/1, short/1]).

choose(Lang) ->
    Asked = [short(Lang), short(ejabberd_option:language())],
    hd([Known || Known <- Asked, lists:member(Known, [<<"de">>, <<"en">>])] ++ [<<"en">>]).

short(Lang) ->
    hd(binary:split(string:lowercase(Lang), <<"-">>)).
