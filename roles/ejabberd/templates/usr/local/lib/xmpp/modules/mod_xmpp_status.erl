%% SPDX-License-Identifier: GPL-3.0-or-later
%% Tell apps where the state of the service is published (XEP-0455), so that they know it before they cannot log in.
%% Hook: disco_info. Without this module no app finds the address; nothing else depends on it.
-module(mod_xmpp_status).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([tell/5]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(disco_info, Host, ?MODULE, tell, 110),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_disco, hard}].
mod_options(_Host) -> [{url, <<>>}].
mod_opt_type(url) -> econf:binary().
mod_doc() -> #{}.

%% Of the domain itself only. It is asked by mod_disco, and by mod_caps (undefined) for the checksum that the answer goes by.
tell(Forms, Host, Asking, <<>>, _Lang) when Asking =:= mod_disco; Asking =:= undefined ->
    Form = {xmlel, <<"x">>, [{<<"xmlns">>, <<"jabber:x:data">>}, {<<"type">>, <<"result">>}],
            [field(<<"FORM_TYPE">>, <<"hidden">>, <<"urn:xmpp:sos:0">>),
             field(<<"external-status-addresses">>, <<"list-multi">>, gen_mod:get_module_opt(Host, ?MODULE, url))]},
    [xmpp:decode(Form) | Forms];
tell(Forms, _Host, _Asking, _Node, _Lang) ->
    Forms.

field(Name, Type, Value) ->
    {xmlel, <<"field">>, [{<<"var">>, Name}, {<<"type">>, Type}], [{xmlel, <<"value">>, [], [{xmlcdata, Value}]}]}.
