%% SPDX-License-Identifier: GPL-3.0-or-later
%% Look up other servers in DNS (RFC 6120 3.2, RFC 2782, XEP-0368) by Erlang's own resolver, in the process that asks.
%% xmpp_stream_out asks the C library instead, which takes one of Erlang's few threads for input and output: a name whose name servers
%% do not answer blocks it for a minute, and with all of them blocked no file is flushed and nothing is acknowledged.
-module(xmpp_names).
-export([addresses/4]).

-define(TARGETS, 8).    %% of one name, the first of which that answers is taken
-define(ADDRESSES, 4).  %% of each, of IPv4 and of IPv6

%% [{Address, Port, is it direct TLS}] in the order to be tried; [] if there is none, or none within so many ms.
addresses(Name, Port, Families, Timeout) ->
    Deadline = erlang:monotonic_time(millisecond) + Timeout,
    {ok, Interfaces} = inet:getifaddrs(),
    Own = [Address || {_, Properties} <- Interfaces, {addr, Address} <- Properties],
    [{Address, To, TLS} || {Target, To, TLS} <- targets(Name, Port, Deadline), Family <- Families,
                           Address <- look_up(Target, Family, Deadline), not is_inner(plain(Address), Own)].

targets(Name, Port, Deadline) ->
    case inet:parse_address(Name) of
        {ok, _} -> [{Name, Port, false}];
        {error, _} ->
            Records = services("_xmpps-server._tcp.", Name, true, Deadline) ++ services("_xmpp-server._tcp.", Name, false, Deadline),
            case Records of
                [] -> [{Name, Port, false}];
                _ -> [{Target, To, TLS} || {_, Target, To, TLS} <- lists:sublist(lists:sort(Records), ?TARGETS), Target =/= "."]
            end
    end.

%% By priority, then at random by weight (RFC 2782).
services(Prefix, Name, TLS, Deadline) ->
    [{{Priority, -(Weight + 1) * rand:uniform()}, Target, To, TLS}
     || {Priority, Weight, To, Target} <- inet_res:lookup(Prefix ++ Name, in, srv, [], left(Deadline))].

%% /etc/hosts first, as everywhere else on the host (mod_xmpp_s2s says so to Erlang).
look_up(Target, Family, Deadline) ->
    case inet:gethostbyname(Target, Family, left(Deadline)) of
        {ok, Host} -> lists:sublist(element(6, Host), ?ADDRESSES);
        {error, _} -> []
    end.

left(Deadline) ->
    max(1, Deadline - erlang:monotonic_time(millisecond)).

%% The owner of a name can point it at this host itself, where no firewall is in the way, and would learn from the error which ports
%% are open on it.
is_inner({0, _, _, _}, _) -> true;
is_inner({127, _, _, _}, _) -> true;
is_inner({169, 254, _, _}, _) -> true;
is_inner({0, 0, 0, 0, 0, 0, 0, _}, _) -> true;
is_inner({First, _, _, _, _, _, _, _}, _) when First band 16#FFC0 =:= 16#FE80 -> true;
is_inner(Address, Own) -> lists:member(Address, Own).

%% An address of IPv4 may be written as one of IPv6 (RFC 4291 2.5.5.2, RFC 6052).
plain({0, 0, 0, 0, 0, 16#FFFF, High, Low}) -> {High bsr 8, High band 255, Low bsr 8, Low band 255};
plain({16#64, 16#FF9B, 0, 0, 0, 0, High, Low}) -> {High bsr 8, High band 255, Low bsr 8, Low band 255};
plain(Address) -> Address.
