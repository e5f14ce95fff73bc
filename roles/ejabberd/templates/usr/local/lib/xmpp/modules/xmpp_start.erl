%% SPDX-License-Identifier: GPL-3.0-or-later
%% ejabberd stops as a whole with a module that does not start. Ours are without effect then, and the journal says so.
-module(xmpp_start).
-export([attempt/2]).

attempt(Module, Start) ->
    try Start() of
        _ -> ok
    catch
        Class:Reason -> logger:critical("~s does not work: ~0tp ~0tp", [Module, Class, Reason])
    end.
