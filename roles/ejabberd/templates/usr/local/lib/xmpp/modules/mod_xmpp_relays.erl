%% SPDX-License-Identifier: GPL-3.0-or-later
%% Tell apps the relays for calls (XEP-0215), each with credentials of its own: made for 12 hours with the key that it shares with us, or those that it
%% was given. mod_stun_disco has one key for all, and announces what does not answer.
%% Relays of others (those that are watched) are asked every half minute; a port that does not answer is not announced until it does.
%% The relay learns a name that is the same for one account on one day, which no other relay can tell to be the same person's. Not one a session:
%% the relay counts by it, and whoever makes up sessions would have its places.
%% Hooks: disco_local_features; one IQ. Without this module apps find no relay.
-module(mod_xmpp_relays).
-behaviour(gen_mod).
-behaviour(gen_server).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([announce/5, decode_iq_subel/1, answer/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(EXTDISCO, <<"urn:xmpp:extdisco:2">>).
-define(LIFETIME, 43200).  %% seconds
-define(EACH, 30_000).     %% milliseconds between two looks
-define(PATIENCE, 1_000).  %% milliseconds for an answer
-define(TRIES, 3).         %% of one look: packets get lost
-define(COOKIE, 16#2112A442:32).

start(Host, Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_start:is_first(Host) andalso ({ok, _} = gen_mod:start_child(?MODULE, Host, Opts)),
        gen_iq_handler:add_iq_handler(ejabberd_local, Host, ?EXTDISCO, ?MODULE, answer),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host),
    gen_iq_handler:remove_iq_handler(ejabberd_local, Host, ?EXTDISCO),
    xmpp_start:is_first(Host) andalso gen_mod:stop_child(?MODULE, Host),
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(disco_local_features, Host, ?MODULE, announce, 50),
    ok.

reload(Host, _New, _Old) ->
    xmpp_start:is_first(Host) andalso gen_server:cast(gen_mod:get_module_proc(Host, ?MODULE), look),
    ok.

depends(_Host, _Opts) -> [].
mod_options(_Host) -> [{relays, []}].
mod_doc() -> #{}.

mod_opt_type(relays) ->
    econf:list(econf:and_then(econf:options(
        #{host => econf:binary(), secret => econf:binary(), username => econf:binary(), password => econf:binary(), watched => econf:bool(),
          services => econf:list(econf:and_then(econf:options(
              #{type => econf:enum([stun, stuns, turn, turns]), transport => econf:enum([udp, tcp]), port => econf:port()},
              [{required, [type, transport, port]}]), fun maps:from_list/1))},
        [{required, [host, services]}]), fun maps:from_list/1)).

announce({result, Features}, From, To, <<>>, _Lang) ->
    {_, Host, _} = jid:tolower(To),
    {result, [?EXTDISCO || is_ours(From, Host)] ++ Features};
announce(empty, From, To, Node, Lang) -> announce({result, []}, From, To, Node, Lang);
announce(Other, _From, _To, _Node, _Lang) -> Other.

is_ours(From, Host) -> acl:match_rule(Host, local, From) =:= allow.

decode_iq_subel(El) -> El.

answer(IQ) ->
    {_, Host, _} = jid:tolower(xmpp:get_to(IQ)),
    From = xmpp:get_from(IQ),
    case {is_ours(From, Host), xmpp:get_type(IQ), xmpp:get_els(IQ)} of
        {false, _, _} -> xmpp:make_error(IQ, xmpp:err_forbidden());
        {true, get, [{xmlel, <<"services">>, _, _} = El]} -> result(IQ, <<"services">>, fxml:get_tag_attr(<<"type">>, El), offers(Host, From, wanted(El)));
        {true, get, [{xmlel, <<"credentials">>, _, _} = El]} ->
            case fxml:get_subtag(El, <<"service">>) of
                false -> xmpp:make_error(IQ, xmpp:err_bad_request());
                Service ->
                    case [Offer || {xmlel, _, Attrs, _} = Offer <- offers(Host, From, wanted(Service)), lists:keymember(<<"password">>, 1, Attrs)] of
                        [] -> xmpp:make_error(IQ, xmpp:err_item_not_found());
                        Offers -> result(IQ, <<"credentials">>, false, Offers)
                    end
            end;
        _ -> xmpp:make_error(IQ, xmpp:err_bad_request())
    end.

result(IQ, Name, Type, Offers) ->
    Attrs = [{<<"type">>, Value} || {value, Value} <- [Type]],
    xmpp:make_iq_result(IQ, {xmlel, Name, [{<<"xmlns">>, ?EXTDISCO} | Attrs], Offers}).

%% Transport is not in the XEP, but one that asks for it means it.
wanted({xmlel, _, Attrs, _}) ->
    [Attr || {Name, _} = Attr <- Attrs, lists:member(Name, [<<"host">>, <<"type">>, <<"port">>, <<"transport">>])].

offers(Host, From, Wanted) ->
    [{xmlel, <<"service">>, Attrs ++ credentials(Type, Relay, From), []}
     || #{services := Services} = Relay <- gen_mod:get_module_opt(Host, ?MODULE, relays), #{type := Type} = Service <- Services,
        Attrs <- [attributes(Relay, Service)], Wanted -- Attrs =:= [], not is_dead(place(Relay, Service))].

attributes(#{host := Name}, #{type := Type, transport := Transport, port := Port}) ->
    [{<<"host">>, Name}, {<<"port">>, integer_to_binary(Port)}, {<<"transport">>, atom_to_binary(Transport)}, {<<"type">>, atom_to_binary(Type)}].

credentials(Type, _, _) when Type =:= stun; Type =:= stuns -> [];
credentials(_, #{secret := Secret}, From) ->
    Now = erlang:system_time(second),
    Until = Now + ?LIFETIME,
    Tag = binary:part(base64:encode(crypto:mac(hmac, sha256, Secret, [jid:encode(jid:remove_resource(From)), integer_to_binary(Now div 86400)]),
                                    #{mode => urlsafe}), 0, 16),
    Name = <<(integer_to_binary(Until))/binary, ":", Tag/binary>>,
    Expires = list_to_binary(calendar:system_time_to_rfc3339(Until, [{offset, "Z"}])),
    [{<<"expires">>, Expires} | named(Name, base64:encode(crypto:mac(hmac, sha, Secret, Name)))];
credentials(_, #{username := Name, password := Password}, _) -> named(Name, Password).

named(Name, Password) ->
    [{<<"password">>, Password}, {<<"restricted">>, <<"true">>}, {<<"username">>, Name}].

%% ------------------------------------------------------------------ which of the others answer
place(#{host := Name}, #{transport := Transport, port := Port}) -> {Name, Transport, Port}.

is_dead(Place) -> ets:whereis(?MODULE) =/= undefined andalso ets:member(?MODULE, Place).

init([Host | _]) ->
    ?MODULE = ets:new(?MODULE, [named_table]),
    {ok, look(Host, make_ref())}.

look(Host, Before) ->
    _ = erlang:cancel_timer(Before),
    Server = self(),
    Relays = [Relay || #{watched := true} = Relay <- gen_mod:get_module_opt(Host, ?MODULE, relays)],
    Places = lists:usort([place(Relay, Service) || #{services := Services} = Relay <- Relays, Service <- Services]),
    [spawn(fun() -> Server ! {Place, answers(Place)} end) || Place <- Places],
    %% Of one that is no longer in the list.
    [ets:delete(?MODULE, Place) || {Place} <- ets:tab2list(?MODULE), not lists:member(Place, Places)],
    {Host, erlang:send_after(?EACH, Server, look)}.

handle_cast(look, {Host, Timer}) -> {noreply, look(Host, Timer)}.

handle_info(look, {Host, Timer}) ->
    {noreply, look(Host, Timer)};
handle_info({Place, true}, State) ->
    ets:delete(?MODULE, Place),
    {noreply, State};
handle_info({Place, false}, State) ->
    ets:insert(?MODULE, {Place}),
    {noreply, State}.

handle_call(_Request, _From, State) -> {noreply, State}.
terminate(_Reason, _State) -> ok.

%% At any of its addresses.
answers({Name, Transport, Port}) ->
    Addresses = [{Family, Address} || Family <- [inet, inet6], {ok, Found} <- [inet:getaddrs(binary_to_list(Name), Family)], Address <- Found],
    lists:any(fun({Family, Address}) -> answers(Transport, Family, Address, Port) end, Addresses).

answers(tcp, Family, Address, Port) ->
    case gen_tcp:connect(Address, Port, [Family], ?TRIES * ?PATIENCE) of
        {ok, Socket} -> gen_tcp:close(Socket), true;
        {error, _} -> false
    end;
%% A binding request (RFC 8489).
answers(udp, Family, Address, Port) ->
    {ok, Socket} = gen_udp:open(0, [Family, binary, {active, false}]),
    Identity = crypto:strong_rand_bytes(12),
    try
        lists:any(fun(_) ->
            gen_udp:send(Socket, Address, Port, <<1:16, 0:16, ?COOKIE, Identity/binary>>) =:= ok andalso
                case gen_udp:recv(Socket, 0, ?PATIENCE) of
                    {ok, {_, _, <<16#101:16, _:16, ?COOKIE, Identity:12/binary, _/binary>>}} -> true;
                    _ -> false
                end
        end, lists:seq(1, ?TRIES))
    after
        gen_udp:close(Socket)
    end.
