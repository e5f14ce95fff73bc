%% SPDX-License-Identifier: GPL-3.0-or-later
%% Choose the language of words of ours, as ejabberd does for its own: the one that is asked for, else the server's.
-module(xmpp_language).
-export([choose/1, short/1]).

choose(Lang) ->
    case short(Lang) of
        Known when Known =:= <<"de">>; Known =:= <<"en">> -> Known;
        _ -> short(ejabberd_option:language())
    end.

short(Lang) ->
    hd(binary:split(string:lowercase(Lang), <<"-">>)).
