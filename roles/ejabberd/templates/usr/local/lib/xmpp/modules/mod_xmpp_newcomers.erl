%% SPDX-License-Identifier: GPL-3.0-or-later
%% Let an account that a stranger has created write to few strangers in its first days, here and elsewhere together: a flood of accounts is made to
%% send. Accounts by invitation, by the operator or by an import are not limited: somebody vouches for them, and the people of a workshop add one another.
%% A stranger is who is not in the account's contacts, nor has written to it in the last day, nor runs the service (administrators, contact addresses). What counts is a message to
%% somebody, an invitation to a room or the answer to one, a request to become a contact, and presence to somebody with words (a status, a nickname), which goes without them
%% beyond the limit: it may enter or leave a room elsewhere. Not what is said in rooms to all, nor any part of the service. All other limits hold as well.
%% Stored: who is new, as a checksum, until the end of the last of these days; it survives a restart of ejabberd, not of the host. In memory, as checksums
%% for a day, whom the account has written to and who to it.
%% Hooks: register_user, remove_user, user_send_packet before mod_xmpp_outgoing, and sm_receive_packet after mod_xmpp_spam.
%% Without this module all accounts have the same limits.
-module(mod_xmpp_newcomers).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([come/2, leave/2, send/1, hear/1]).

-define(PEOPLE, mod_xmpp_newcomers_people).
-define(FOLDER, "/run/xmpp-guard").
-define(DAY, 86400).
-define(AT_ONCE, 10).   %% strangers
-define(EACH, 1200).    %% seconds until one more is possible
-define(MET, ?DAY).     %% seconds until somebody counts as reached anew
-define(HEARD, {200, 600}).  %% strangers who write to a new account and are remembered: at once, and seconds until one more is
-define(TYPE, 3).       %% element of ejabberd's record of presence

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_token_bucket:new(?MODULE, ?FOLDER),
        xmpp_token_bucket:new(?PEOPLE),
        hooks(add, Host)
    end).

%% Switched off, nobody is new any more.
stop(Host) ->
    hooks(delete, Host),
    case lists:keymember(?MODULE, 1, ejabberd_option:modules(Host)) of
        true -> ets:whereis(?MODULE) =:= undefined orelse xmpp_token_bucket:save(?MODULE);
        false -> [xmpp_token_bucket:forget(Table) || Table <- [?MODULE, ?PEOPLE]]
    end,
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(register_user, Host, ?MODULE, come, 50),
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, leave, 50),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, send, 15),
    ejabberd_hooks:Do(sm_receive_packet, Host, ?MODULE, hear, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_roster, hard}, {mod_xmpp_registration_rate, hard}].
mod_options(_Host) -> [{days, 3}, {contacts, []}].
mod_opt_type(days) -> econf:pos_int();
mod_opt_type(contacts) -> econf:list(econf:jid()).
mod_doc() -> #{}.

%% In the process that creates the account. The day of the account is not counted, so that all of a day are new until the same midnight (UTC).
come(User, Server) ->
    case mod_xmpp_registration_rate:is_stranger() of
        true ->
            Days = gen_mod:get_module_opt(Server, ?MODULE, days),
            Left = (Days + 1) * ?DAY - erlang:system_time(second) rem ?DAY,
            xmpp_token_bucket:remember(?MODULE, {User, Server}, Left);
        false -> ok
    end.

%% Whoever gets the name next can be somebody else.
leave(User, Server) ->
    xmpp_token_bucket:remembers(?MODULE, {User, Server}) andalso xmpp_token_bucket:remember(?MODULE, {User, Server}, 0).

send({drop, _} = Acc) -> Acc;
send({Packet, State} = Acc) ->
    From = bare(xmpp:get_from(Packet)),
    case writes(Packet) andalso is_new(From) andalso lists:any(fun(To) -> is_too_much(From, To) end, reached(Packet)) of
        false -> Acc;
        true when element(1, Packet) =:= presence, element(?TYPE, Packet) =/= subscribe -> {without_words(Packet), State};
        true ->
            Lang = xmpp:get_lang(Packet),
            ejabberd_router:route_error(Packet, xmpp:err_resource_constraint(text(xmpp_language:choose(Lang)), Lang)),
            {stop, {drop, State}}
    end.

%% Whoever has written first can be answered, also if the account was away.
hear(drop) -> drop;
hear(Packet) ->
    To = bare(xmpp:get_to(Packet)),
    element(1, Packet) =/= iq andalso is_new(To) andalso writes(Packet) andalso hears(To, whole(xmpp:get_from(Packet))),
    Packet.

%% Another server can make up any number of addresses, and in a full table all who are new would reach nobody.
hears(To, From) ->
    {AtOnce, Each} = ?HEARD,
    case xmpp_token_bucket:remembers(?PEOPLE, {met, To, From}) of
        true -> meet(To, From);
        false ->
            xmpp_token_bucket:used_up(?PEOPLE, {heard, To}, AtOnce, Each) orelse begin
                xmpp_token_bucket:use(?PEOPLE, {heard, To}, Each),
                meet(To, From)
            end
    end.

writes(Packet) -> writes(element(1, Packet), xmpp:get_type(Packet), Packet).

writes(message, Type, _Packet) -> Type =/= groupchat andalso Type =/= error;
writes(presence, subscribe, _Packet) -> true;
writes(presence, Type, Packet) when Type =/= error ->
    {User, Server, _} = To = bare(xmpp:get_to(Packet)),
    User =/= <<>> andalso To =/= bare(xmpp:get_from(Packet)) andalso not is_part(Server) andalso lists:any(fun is_words/1, inside(Packet));
writes(_, _, _) -> false.

inside(Packet) ->
    {xmlel, _, _, Els} = xmpp:encode(Packet),
    Els.

%% What apps show.
is_words({xmlel, Name, _, _} = El) -> lists:member(Name, [<<"status">>, <<"nick">>]) andalso fxml:get_tag_cdata(El) =/= <<>>;
is_words(_Text) -> false.

without_words(Packet) ->
    {xmlel, Name, Attrs, Els} = xmpp:encode(Packet),
    Left = xmpp:decode({xmlel, Name, Attrs, [El || El <- Els, not is_words(El)]}, <<"jabber:client">>, [ignore_els]),
    xmpp:set_meta(Left, xmpp:get_meta(Packet)).

is_new({User, Server, _}) -> xmpp_token_bucket:remembers(?MODULE, {User, Server}).

%% The recipient, and whom a room is to invite or to tell that its invitation is declined: what looks like a room elsewhere can be somebody.
reached(Packet) ->
    [whole(xmpp:get_to(Packet)) | [bare(Named) || Named <- xmpp_mediated:reached(Packet)]].

%% Not the account itself, nor a server, nor a part of this one: its rooms and nodes. Somebody in a room is a person.
is_too_much(From, From) -> false;
is_too_much(_From, {<<>>, _, _}) -> false;
is_too_much(From, {_, Server, Resource} = To) ->
    not (is_part(Server) andalso Resource =:= <<>>) andalso not xmpp_token_bucket:remembers(?PEOPLE, {met, From, To}) andalso not is_known(From, To)
        %% One of its sessions at a time: together they would all find the last token.
        andalso global:trans({{?MODULE, From}, self()}, fun() -> not take(From, To) end, [node()]).

take(From, To) ->
    not xmpp_token_bucket:used_up(?PEOPLE, From, ?AT_ONCE, ?EACH) andalso begin
        xmpp_token_bucket:use(?PEOPLE, From, ?EACH),
        meet(From, To),
        true
    end.

is_known({_, Home, _} = From, {_, Server, _} = To) ->
    mod_roster:is_subscribed(jid:make(To), jid:make(From))
        orelse lists:member(To, [bare(JID) || JID <- gen_mod:get_module_opt(Home, ?MODULE, contacts)])
        orelse (ejabberd_router:is_my_host(Server) andalso acl:match_rule(Server, admin, jid:make(To)) =:= allow).

meet(From, To) ->
    xmpp_token_bucket:remember(?PEOPLE, {met, From, To}, ?MET).

text(<<"de">>) ->
    <<"Ein neues Konto kann in seinen ersten Tagen nur wenigen Fremden schreiben. Bitte versuch es später noch einmal."/utf8>>;
text(_) ->
    <<"In its first days, a new account can write to few strangers only. Please try again later.">>.

is_part(Server) -> mod_xmpp_components:is_ours(Server) andalso not ejabberd_router:is_my_host(Server).

whole(undefined) -> bare(undefined);
whole(JID) ->
    {_, Server, _} = Full = jid:tolower(JID),
    case is_part(Server) of
        true -> Full;
        false -> bare(JID)
    end.

bare(undefined) -> {<<>>, <<>>, <<>>};
bare(JID) -> jid:tolower(jid:remove_resource(JID)).
