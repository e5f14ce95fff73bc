%% SPDX-License-Identifier: GPL-3.0-or-later
%% Components (XEP-0114, xmpp_components): programs that are a part of the service, and may lead anywhere.
%% - Each connects with its own secret, from its own hosts; without hosts, from this one on loopback.
%% - It speaks for its own name only, which ejabberd holds against all names of a port together.
%% - Unless it is public, it reaches nobody on other servers, nor is it reached from there.
%% - When the setting changes, all are disconnected: what one may do is decided when it connects.
%% - For all limits, people behind a component are people elsewhere (is_ours/1), not a room or a node of this service.
%% Nothing is stored. In memory: the names of the setting. Hooks: component_init; component_send_packet, in place of all others; s2s_receive_packet, before
%% all others.
%% Without this module no component can connect: the ports have no secret of their own.
-module(mod_xmpp_components).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([is_ours/1, connect/2, send/1, receive_packet/1]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_start:is_first(Host) andalso remember(Host),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host),
    xmpp_start:is_first(Host) andalso begin disconnect(), persistent_term:erase(?MODULE) end,
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(s2s_receive_packet, Host, ?MODULE, receive_packet, 4),
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(component_init, ?MODULE, connect, 50),
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(component_send_packet, ?MODULE, send, 5),
    ok.

reload(Host, _New, _Old) ->
    xmpp_start:is_first(Host) andalso begin remember(Host), disconnect() end,
    ok.

depends(_Host, _Opts) -> [].
mod_options(_Host) -> [{components, []}].
mod_doc() -> #{}.

%% Privileges are those of mod_privilege, and are here so that a change of them is one of this module's as well.
mod_opt_type(components) ->
    econf:map(econf:domain(), econf:and_then(econf:options(
        #{secret => econf:binary(), hosts => econf:list(econf:ip()), public => econf:bool(), privileges => econf:list(econf:atom())},
        [{required, [secret, hosts, public]}]), fun maps:from_list/1)).

%% Name to whether it is public. Each packet is compared with them.
remember(Host) -> persistent_term:put(?MODULE, maps:from_list([{Name, Public} || {Name, #{public := Public}} <- components(Host)])).

components(Host) -> gen_mod:get_module_opt(Host, ?MODULE, components).

%% Also those that are about to connect, with what they were allowed before. Programs connect again by themselves.
disconnect() ->
    whereis(ejabberd_service_sup) =:= undefined
        orelse [ejabberd_service:close(Pid) || {_, Pid, _, _} <- supervisor:which_children(ejabberd_service_sup), is_pid(Pid)].

is_component(Server) -> is_map_key(Server, persistent_term:get(?MODULE, #{})).

%% A domain of this service, its rooms, its nodes: what "here" is for limits. A component is not.
is_ours(Server) -> ejabberd_router:is_my_route(Server) andalso not is_component(Server).

%% The names that may connect from this address.
connect({ok, #{ip := {IP, _}} = State}, _Opts) ->
    Address = plain(IP),
    Allowed = [{Name, Secret} || {Name, #{secret := Secret, hosts := Hosts}} <- components(hd(ejabberd_option:hosts())),
                                 lists:member(Address, case Hosts of [] -> [{127, 0, 0, 1}]; _ -> Hosts end)],
    {ok, State#{host_opts => maps:from_list(Allowed)}};
connect(Other, _Opts) -> Other.

%% IPv4 on a port for both.
plain({0, 0, 0, 0, 0, 16#ffff, _, _} = Mapped) -> inet:ipv4_mapped_ipv6_address(Mapped);
plain(IP) -> IP.

%% Not mod_privilege after it, which would drop requests (IQ) of those that have no privilege, and of all others those to rooms. It has a right
%% to privileged requests to give, which the setting does not.
send({Packet, State}) ->
    From = server(xmpp:get_from(Packet)),
    Judged = case lists:member(From, maps:get(routes, State, [])) andalso is_component(From) of
                 false -> {drop, State};
                 true -> pass(Packet, State, is_public(From) orelse ejabberd_router:is_my_route(server(xmpp:get_to(Packet))))
             end,
    {stop, Judged}.

receive_packet({drop, _} = Acc) -> Acc;
receive_packet({Packet, State}) ->
    To = server(xmpp:get_to(Packet)),
    case pass(Packet, State, not is_component(To) orelse is_public(To)) of
        {drop, _} = Refused -> {stop, Refused};
        Passed -> Passed
    end.

is_public(Name) -> maps:get(Name, persistent_term:get(?MODULE, #{}), false).

pass(Packet, State, true) -> {Packet, State};
pass(Packet, State, false) ->
    ejabberd_router:route_error(Packet, refusal(Packet)),
    {drop, State}.

refusal(Packet) ->
    Lang = xmpp_language:choose(xmpp:get_lang(Packet)),
    xmpp:err_not_allowed(case Lang of
                             <<"de">> -> <<"Das ist nur für Leute dieses Dienstes."/utf8>>;
                             _ -> <<"This is for people of this service only.">>
                         end, Lang).

server(undefined) -> <<>>;
server(JID) -> element(2, jid:tolower(jid:remove_resource(JID))).
