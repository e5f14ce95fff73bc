%% SPDX-License-Identifier: GPL-3.0-or-later
%% Add forms to what service discovery says of a domain and its parts (XEP-0128): where the state of the service is published (XEP-0455), so that
%% apps know it before they cannot log in, and how long data is kept (XEP-0504). mod_disco itself can add fields to the form of XEP-0157 only.
%% Hook: disco_info. Without this module no app finds the address or the policy; nothing else depends on it.
-module(mod_xmpp_disco).
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
mod_options(_Host) -> [{forms, []}].
mod_doc() -> #{}.

mod_opt_type(forms) ->
    econf:list(econf:options(
        #{type => econf:binary(),
          module => econf:atom(),
          fields => econf:list(econf:options(
              #{name => econf:binary(), type => econf:binary(), values => econf:list(econf:binary())},
              [{required, [name, type, values]}]))},
        [{required, [type, module, fields]}])).

%% Asked by the module that answers for the domain (mod_disco) or for a part of it, and by mod_caps (undefined) for the checksum that the answer of
%% the domain goes by: it must be the same in every language. Accounts are asked with addresses instead.
tell(Forms, Host, undefined, Node, Lang) ->
    tell(Forms, Host, mod_disco, Node, Lang);
tell(Forms, Host, Module, <<>>, _Lang) when is_atom(Module) ->
    Forms ++ [form(Form) || Form <- gen_mod:get_module_opt(Host, ?MODULE, forms), proplists:get_value(module, Form) =:= Module];
tell(Forms, _Host, _Module, _Node, _Lang) ->
    Forms.

form(Form) ->
    Fields = [[{name, <<"FORM_TYPE">>}, {type, <<"hidden">>}, {values, [proplists:get_value(type, Form)]}] | proplists:get_value(fields, Form)],
    xmpp:decode({xmlel, <<"x">>, [{<<"xmlns">>, <<"jabber:x:data">>}, {<<"type">>, <<"result">>}], [field(Field) || Field <- Fields]}).

field(Field) ->
    {xmlel, <<"field">>, [{<<"var">>, proplists:get_value(name, Field)}, {<<"type">>, proplists:get_value(type, Field)}],
     [{xmlel, <<"value">>, [], [{xmlcdata, Value}]} || Value <- proplists:get_value(values, Field)]}.
