%% SPDX-License-Identifier: GPL-3.0-or-later
%% Deliver a subscription request completely to somebody who was away (RFC 6121 3.1.3), with its extensions, for example the proof of an
%% invitation (XEP-0379). ejabberd stores only what its table of contacts has columns for. The rest is stored in one that ejabberd clears with
%% each change of the contact and never reads, so it is gone when the request is answered, and with the contact or the account.
%% Hooks: roster_in_subscription, after mod_roster (50), and c2s_filter_send. Without this module a request arrives without its extensions.
-module(mod_xmpp_requests).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([keep/2, complete/1]).

-define(BYTES, 4096).  %% a stranger's words in somebody's contacts

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(roster_in_subscription, Host, ?MODULE, keep, 60),
    ejabberd_hooks:Do(c2s_filter_send, Host, ?MODULE, complete, 20),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_roster, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

keep(Acc, Presence) ->
    case xmpp:get_type(Presence) of
        subscribe ->
            Els = [xmpp:encode(El) || El <- xmpp:get_els(Presence)],
            Text = case Els =/= [] andalso fxml:element_to_binary({xmlel, <<"x">>, [], Els}) of
                       Xml when is_binary(Xml), byte_size(Xml) =< ?BYTES -> Xml;
                       _ -> <<>>
                   end,
            {_, Server, _} = jid:tolower(xmpp:get_to(Presence)),
            sql(Server, ["UPDATE rosterusers SET subscribe = ", xmpp_sql:quote(Text) | which(xmpp:get_to(Presence), xmpp:get_from(Presence))]);
        _ -> ok
    end,
    Acc.

complete({Presence, State}) when element(1, Presence) =:= presence ->
    case xmpp:get_type(Presence) =:= subscribe andalso xmpp:get_els(Presence) =:= [] of
        true -> {xmpp:set_els(Presence, kept(Presence)), State};
        false -> {Presence, State}
    end;
complete(Acc) ->
    Acc.

kept(Presence) ->
    {_, Server, _} = jid:tolower(xmpp:get_to(Presence)),
    case sql(Server, ["SELECT subscribe FROM rosterusers" | which(xmpp:get_to(Presence), xmpp:get_from(Presence))]) of
        {selected, _, [[<<"<x>", _/binary>> = Xml]]} ->
            {xmlel, _, _, Els} = fxml_stream:parse_element(Xml),
            Els;
        _ -> []
    end.

%% Of requests that wait for an answer only.
which(Asked, Asking) ->
    {User, Server, _} = jid:tolower(Asked),
    {Name, Domain, _} = jid:tolower(Asking),
    [" WHERE username = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Server), " AND jid = ", xmpp_sql:quote(jid:encode({Name, Domain, <<>>})),
     " AND ask IN ('I', 'B')"].

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
