%% SPDX-License-Identifier: GPL-3.0-or-later
%% Write text into statements for the database.
-module(xmpp_sql).
-export([quote/1]).

%% By bytes: string:replace/4 takes a quote and an accent that follows it for one character, which it does not find.
quote(Text) ->
    ["'", binary:replace(iolist_to_binary(Text), <<"'">>, <<"''">>, [global]), "'"].
