%% SPDX-License-Identifier: GPL-3.0-or-later
%% Add the missing media type of a profile picture (XEP-0054), from its first bytes: old apps and programs leave it out. Without the type
%% mod_avatar cannot store the picture's description: it refuses the profile with an internal error when half of it is stored.
%% Hook: vcard_iq_set, before mod_avatar (30 and 100). Without this module such profiles are refused.
-module(mod_xmpp_photo).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([complete/1]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hook(add, Host) end).

stop(Host) ->
    hook(delete, Host).

hook(Do, Host) ->
    ejabberd_hooks:Do(vcard_iq_set, Host, ?MODULE, complete, 20),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_avatar, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

complete(IQ) when element(1, IQ) =:= iq ->
    xmpp:set_els(IQ, [typed(El) || El <- xmpp:get_els(IQ)]);
complete(Acc) ->
    Acc.

typed(Profile) when element(1, Profile) =:= vcard_temp ->
    list_to_tuple([photo(Field) || Field <- tuple_to_list(Profile)]);
typed(El) ->
    El.

photo({vcard_photo, None, Data, Elsewhere}) when None =:= undefined orelse None =:= <<>>, is_binary(Data), Data =/= <<>> ->
    {vcard_photo, type(Data), Data, Elsewhere};
photo(Field) ->
    Field.

type(<<16#89, "PNG\r\n", 16#1A, "\n", _/binary>>) -> <<"image/png">>;
type(<<16#FF, 16#D8, 16#FF, _/binary>>) -> <<"image/jpeg">>;
type(<<"GIF8", _/binary>>) -> <<"image/gif">>;
type(<<"RIFF", _:4/binary, "WEBP", _/binary>>) -> <<"image/webp">>;
type(<<_:4/binary, "ftypavif", _/binary>>) -> <<"image/avif">>;
type(<<_:4/binary, "ftyphei", _/binary>>) -> <<"image/heic">>;
type(<<16#FF, 16#0A, _/binary>>) -> <<"image/jxl">>;
type(<<"BM", _/binary>>) -> <<"image/bmp">>;
type(<<"<svg", _/binary>>) -> <<"image/svg+xml">>;
type(<<"<?xml", _/binary>>) -> <<"image/svg+xml">>;
type(_) -> <<"application/octet-stream">>.
