%% SPDX-License-Identifier: GPL-3.0-or-later
%% Deliver a subscription request completely to somebody who was away (RFC 6121 3.1.3), with its extensions, for example the proof of an
%% invitation (XEP-0379). ejabberd stores only what its table of contacts has columns for. The rest is stored in one that ejabberd clears with
%% each change of the contact and never reads, so it is gone when the request is answered, and with the contact or the account.
%% Who is no app gets no requests: the account page is not available, which contacts would see. It asks for them, of its own account, and answers as apps do:
%% - <requests xmlns='conexizan:requests'/>, get: <requests><request jid=…>words</request>…</requests>
%% Hooks: roster_in_subscription, after mod_roster (50), and c2s_filter_send; one IQ. Without this module a request arrives without its extensions, and
%% the account page shows none.
-module(mod_xmpp_requests).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([keep/2, complete/1, decode_iq_subel/1, answer/1]).

-define(BYTES, 4096).  %% a stranger's words in somebody's contacts
-define(OWN, <<"conexizan:requests">>).
-define(WAITS, " AND ask IN ('I', 'B')").
-define(WORDS, 300).   %% characters of them that are shown

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        gen_iq_handler:add_iq_handler(ejabberd_sm, Host, ?OWN, ?MODULE, answer),
        hooks(add, Host)
    end).

stop(Host) ->
    gen_iq_handler:remove_iq_handler(ejabberd_sm, Host, ?OWN),
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

%% It is no element that ejabberd knows.
decode_iq_subel(El) -> El.

answer(IQ) ->
    {User, Server, _} = Owner = jid:tolower(jid:remove_resource(xmpp:get_from(IQ))),
    [{xmlel, Name, _, _}] = xmpp:get_els(IQ),
    case {jid:tolower(xmpp:get_to(IQ)), xmpp:get_type(IQ), Name} of
        {Owner, get, <<"requests">>} ->
            case sql(Server, ["SELECT jid, askmessage FROM rosterusers", of_account(User, Server), ?WAITS " ORDER BY jid"]) of
                {selected, _, Rows} ->
                    Requests = [{xmlel, <<"request">>, [{<<"jid">>, JID}], [{xmlcdata, words(Text)}]} || [JID, Text] <- Rows],
                    xmpp:make_iq_result(IQ, {xmlel, <<"requests">>, [{<<"xmlns">>, ?OWN}], Requests});
                _ -> xmpp:make_error(IQ, xmpp:err_internal_server_error())
            end;
        {Owner, _, _} -> xmpp:make_error(IQ, xmpp:err_bad_request());
        _ -> xmpp:make_error(IQ, xmpp:err_not_allowed())
    end.

%% A stranger's.
words(Text) -> mod_xmpp_reports:cut(xmpp_moderation:one_line(Text), ?WORDS).

%% Of requests that wait for an answer only.
which(Asked, Asking) ->
    {User, Server, _} = jid:tolower(Asked),
    {Name, Domain, _} = jid:tolower(Asking),
    [of_account(User, Server), " AND jid = ", xmpp_sql:quote(jid:encode({Name, Domain, <<>>})), ?WAITS].

of_account(User, Server) ->
    [" WHERE username = ", xmpp_sql:quote(User), " AND server_host = ", xmpp_sql:quote(Server)].

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
