%% SPDX-License-Identifier: GPL-3.0-or-later
%% Start a module without stopping ejabberd if that fails, as ejabberd would: the module has no effect then, and the journal says so.
-module(xmpp_start).
-export([attempt/2, is_first/1]).

attempt(Module, Start) ->
    try Start() of
        _ -> ok
    catch
        Class:Reason -> logger:critical("~s does not work: ~0tp ~0tp", [Module, Class, Reason])
    end.

%% What is there once for all domains comes and goes with the first of them.
is_first(Host) -> Host =:= hd(ejabberd_option:hosts()).
