%% SPDX-License-Identifier: GPL-3.0-or-later
%% Retry a connection to another server whose TLS handshake fails, or that begins with something that is no XML, before messages are returned.
%% ejabberd gives up at once and for a while, and one of its own faults is common on a busy host: a direct TLS connection whose
%% first answer comes between two lines of xmpp_socket (starttls lets it come as a message, finish_tls_handshake then waits for it to
%% be read). The bytes end up in the next connection.
%% Names are looked up by xmpp_names, through a callback of xmpp_stream_out that ejabberd does not use.
%% Return messages that cannot be written to their connection, and let a connection that ends leave ejabberd's table of connections first: ejabberd
%% takes it out when it has noticed the end, and loses what is routed to it in the meantime, which is long on a busy host.
%% Send nothing to a server that is denied (s2s_access) by the connection that it has opened: mod_s2s_bidi puts each one that offers to take our stanzas
%% (XEP-0288) into the table, and what is in the table is asked no more.
%% Hooks: s2s_out_init; s2s_in_auth_result; s2s_out_closed, s2s_in_closed; s2s_out_handle_send, s2s_in_handle_send. Without this module messages are
%% returned at the first failure, or lost at the end of a connection, a denied server can get some, and xmpp_stream_out looks names up.
-module(mod_xmpp_s2s).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([begins/2, denied/3, retry/2, ends/2, unsent/3, resolve/2, handle_timeout/1]).

-define(RETRIES, 6).
-define(PAUSE, 200).   %% milliseconds
-define(SECONDS, 30).  %% as ejabberd's own limit (negotiation_timeout)
-define(LATE, 100).    %% milliseconds that whoever has found a connection in the table has to send something to it
-define(CALLBACKS, xmpp_s2s_out).
-define(OURS, [{resolve, 2}, {handle_timeout, 1}]).
-define(OF_A_SITE, 200).  %% connections to servers with a domain in common
-define(NO_NAME, "..").  %% which nobody is asked for

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        inet_db:set_lookup([file, dns]),
        code:is_loaded(?CALLBACKS) =:= false andalso make_callbacks(),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(s2s_out_init, Host, ?MODULE, begins, 50),
    ejabberd_hooks:Do(s2s_in_auth_result, Host, ?MODULE, denied, 40),  %% before mod_s2s_bidi, which is at 50
    ejabberd_hooks:Do(s2s_out_closed, Host, ?MODULE, retry, 50),  %% before ejabberd_s2s_out, which gives up
    ejabberd_hooks:Do(s2s_in_closed, Host, ?MODULE, ends, 50),    %% before ejabberd_s2s_in, which stops
    ejabberd_hooks:Do(s2s_out_handle_send, Host, ?MODULE, unsent, 50),
    ejabberd_hooks:Do(s2s_in_handle_send, Host, ?MODULE, unsent, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% A module of all of ejabberd's own callbacks, but for ours.
make_callbacks() ->
    Theirs = ejabberd_s2s_out:module_info(exports) -- [{module_info, 0}, {module_info, 1} | ?OURS],
    {ok, Module, Code} = compile:forms(
        [{attribute, 1, module, ?CALLBACKS}, {attribute, 1, export, ?OURS ++ Theirs}
         | [calls(From, Function) || {From, Functions} <- [{?MODULE, ?OURS}, {ejabberd_s2s_out, Theirs}], Function <- Functions]]),
    {module, Module} = code:load_binary(Module, atom_to_list(Module), Code).

calls(Module, {Name, Arity}) ->
    Arguments = [{var, 1, list_to_atom("A" ++ integer_to_list(Number))} || Number <- lists:seq(1, Arity)],
    {function, 1, Name, Arity, [{clause, 1, Arguments, [], [{call, 1, {remote, 1, {atom, 1, Module}, {atom, 1, Name}}, Arguments}]}]}.

begins({ok, State}, _Opts) -> {ok, State#{mod := ?CALLBACKS}};
begins(Result, _Opts) -> Result.

denied(#{bidi_enabled := true, server_host := Host} = State, true, Server) ->
    case ejabberd_s2s:allow_host(Host, Server) of
        true -> State;
        false -> {stop, State}
    end;
denied(State, _Authenticated, _Server) ->
    State.

%% Whoever wants to send something, the server itself included: all connections together leave Erlang's ports to logins.
resolve(Name, #{server_host := Host, remote_server := Server}) ->
    Port = ejabberd_option:outgoing_s2s_port(Host),
    Families = ejabberd_option:outgoing_s2s_families(Host),
    case has_place(Server) andalso xmpp_names:addresses(Name, Port, Families, ejabberd_option:s2s_dns_timeout(Host)) of
        false -> [{?NO_NAME, Port, false}];
        [] -> [{?NO_NAME, Port, false}];
        Found -> Found
    end.

%% The table also has connections that others have opened, if they take our stanzas as well (XEP-0288).
has_place(Server) ->
    Site = xmpp_token_bucket:site(Server),
    length([To || {_, To} <- mnesia:dirty_all_keys(s2s), xmpp_token_bucket:site(To) =:= Site]) =< ?OF_A_SITE
        andalso proplists:get_value(active, supervisor:count_children(ejabberd_s2s_out_sup)) =< erlang:system_info(port_limit) div 4.

%% What waits to be sent stays in the queue.
retry(#{on_route := queue} = State, Reason) ->
    Left = maps:get(?MODULE, State, ?RETRIES),
    case Left > 0 andalso accident(Reason) of
        true ->
            %% Not before what came of the old connection has been taken for nothing.
            {ok, _} = timer:apply_after(?PAUSE, xmpp_stream_out, connect, [self()]),
            {stop, xmpp_stream_out:set_timeout(State#{?MODULE => Left - 1}, timer:seconds(?SECONDS))};
        false ->
            State
    end;
retry(#{on_route := send} = State, _Reason) ->
    {stop, leave_and_stop(State)};
retry(State, _Reason) ->
    State.

%% Messages have been returned for a while, after a failure.
handle_timeout(#{on_route := bounce} = State) -> leave_and_stop(State);
handle_timeout(State) -> ejabberd_s2s_out:handle_timeout(State).

leave_and_stop(State) ->
    leave(),
    {ok, _} = timer:apply_after(?LATE, xmpp_stream_out, stop_async, [self()]),
    xmpp_stream_out:set_timeout(State, infinity).

%% One that also takes our stanzas (XEP-0288) is in the table. (Without its socket, which is closed, ejabberd_s2s_in cannot stop in good order.)
ends(#{bidi_enabled := true} = State, _Reason) ->
    leave(),
    {ok, _} = timer:exit_after(?LATE, shutdown),
    {stop, State};
ends(State, _Reason) ->
    State.

leave() ->
    [ok = mnesia:dirty_delete_object(Connection) || Connection <- mnesia:dirty_match_object({s2s, '_', self()})].

unsent(State, Packet, {error, _}) ->
    xmpp:is_stanza(Packet) andalso ejabberd_router:route_error(Packet, xmpp:err_remote_server_timeout()),
    State;
unsent(State, _Packet, _Result) ->
    State.

accident({tls, _}) -> true;
accident({stream, {out, Error}}) -> element(1, Error) =:= stream_error andalso element(2, Error) =:= 'not-well-formed';
accident(_) -> false.
