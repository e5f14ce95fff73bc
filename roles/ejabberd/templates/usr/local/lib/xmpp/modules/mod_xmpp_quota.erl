%% SPDX-License-Identifier: GPL-3.0-or-later
%% One limit for all that an account stores on this server: contacts and their groups, profile, bookmarks, private storage, nodes and their items,
%% block lists, push, invitations, nicknames. A request is judged before it is stored, and refused by default: a full account may send only what is
%% known to store nothing, or to delete something. What others store for an account (a contact request, an item in its open node) may fill half of
%% it. The size is measured in the database (xmpp_kept), not at each request (xmpp_sum).
%% Not here: messages (mod_xmpp_spam, the archive's days), files (mod_xmpp_upload), rooms (mod_xmpp_rooms). The operator's commands are not judged.
%% Hooks: user_send_packet, filter_packet, c2s_handle_sasl2_inline after mod_auth_fast (10), remove_user. Without this module nothing is limited.
-module(mod_xmpp_quota).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([send/1, arrive/1, few_tokens/1, account_removed/2]).

-define(ACCOUNT, 20_971_520).  %% bytes
-define(OTHERS, 10_485_760).   %% of these, what others may fill
-define(RESERVE, 2_097_152).   %% more, for what is small: an emptied profile is a profile
-define(SMALL, 8_192).         %% bytes
-define(ROW, 1_024).           %% bytes that a row counts at least
-define(NOBODY, 1_024).
-define(TOKENS, 100).          %% devices that log in without a password (XEP-0484)
-define(PUBSUB, <<"http://jabber.org/protocol/pubsub">>).
-define(OWNER, <<"http://jabber.org/protocol/pubsub#owner">>).

%% What is asked for by `set` and keeps nothing, or nothing of the account's: what a room keeps is limited there.
-define(KEEPS_NOTHING, [<<"urn:xmpp:carbons:2">>, <<"urn:xmpp:ping">>, <<"urn:ietf:params:xml:ns:xmpp-session">>, <<"conexizan:devices">>, <<"urn:xmpp:cam:0">>,
                        <<"conexizan:archive">>, <<"conexizan:stored">>,
                        <<"http://jabber.org/protocol/muc#admin">>, <<"http://jabber.org/protocol/muc#owner">>,
                        <<"urn:xmpp:message-moderate:0">>, <<"urn:xmpp:message-moderate:1">>]).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_sum:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, send, 25),
    ejabberd_hooks:Do(c2s_handle_sasl2_inline, Host, ?MODULE, few_tokens, 90),
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, account_removed, 95),
    %% Of all packets, once for all domains.
    Host =:= hd(ejabberd_option:hosts()) andalso ejabberd_hooks:Do(filter_packet, ?MODULE, arrive, 60),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_roster, hard}, {mod_pubsub, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% ---------------------------------------------------------------------- who wants something to be kept, and for whom
%% By an account here, for itself.
send({drop, _} = Acc) -> Acc;
send({Packet, State}) ->
    case is_kept_for_sender(Packet) andalso judge(Packet, bare(xmpp:get_from(Packet)), ?ACCOUNT) of
        {refuse, Error} ->
            ejabberd_router:route_error(Packet, Error),
            {stop, {drop, State}};
        _ -> {Packet, State}
    end.

%% By anybody, for an account here that is another one.
arrive(drop) -> drop;
arrive(Packet) ->
    case kept_for(Packet) of
        nobody -> Packet;
        {refuse, Error} -> refuse(Packet, Error);
        Account ->
            case judge(Packet, Account, ?OTHERS) of
                {refuse, Error} -> refuse(Packet, Error);
                ok -> Packet
            end
    end.

refuse(Packet, Error) ->
    ejabberd_router:route_error(Packet, Error),
    drop.

%% A contact is written down wherever the request goes. All else is kept by the domain itself, the account, or a service of ours.
is_kept_for_sender(Packet) when element(1, Packet) =:= presence ->
    lists:member(xmpp:get_type(Packet), [subscribe, subscribed]);
is_kept_for_sender(Packet) when element(1, Packet) =:= iq ->
    xmpp:get_type(Packet) =:= set andalso
        case address(xmpp:get_to(Packet)) of
            nowhere -> true;
            {User, Server, Resource} ->
                mod_xmpp_components:is_ours(Server)
                    andalso (User =:= <<>> orelse {User, Server, Resource} =:= bare(xmpp:get_from(Packet)) orelse not ejabberd_router:is_my_host(Server))
        end;
is_kept_for_sender(_Packet) ->
    false.

kept_for(Packet) when element(1, Packet) =:= presence ->
    case xmpp:get_type(Packet) =:= subscribe andalso account(xmpp:get_to(Packet)) of
        {_, _, _} = Account -> Account;
        _ -> nobody
    end;
kept_for(Packet) when element(1, Packet) =:= iq ->
    From = bare(xmpp:get_from(Packet)),
    case xmpp:get_type(Packet) =:= set andalso address(xmpp:get_to(Packet)) of
        {<<>>, Server, _} -> kept_by_service(Packet, From, Server);
        {_, _, <<>>} ->
            case account(xmpp:get_to(Packet)) of
                nobody -> nobody;
                Account ->
                    case subscribes(Packet) of
                        true -> {refuse, not_by_others(Packet)};
                        false when Account =:= From -> nobody;
                        false -> Account
                    end
            end;
        _ -> nobody
    end;
%% What a room is about is stored before anything in the room could refuse it.
kept_for(Packet) when element(1, Packet) =:= message ->
    case xmpp:get_type(Packet) =:= groupchat andalso is_long_subject(Packet, address(xmpp:get_to(Packet))) of
        true -> {refuse, too_large(Packet)};
        false -> nobody
    end;
kept_for(_Packet) ->
    nobody.

is_long_subject(Packet, {_, Server, <<>>}) ->
    erlang:external_size(Packet) > ?SMALL andalso ejabberd_router:is_my_route(Server)
        andalso begin
                    Els = content(Packet),
                    lists:keymember(<<"subject">>, 2, Els) andalso not lists:any(fun is_body/1, Els)
                end;
is_long_subject(_Packet, _To) ->
    false.

%% One of another namespace, which would have it written on it, is none to ejabberd.
is_body({xmlel, Name, Attrs, _}) -> Name =:= <<"body">> andalso not lists:keymember(<<"xmlns">>, 1, Attrs).

%% A node is the account's that made it, which stays its owner. Of two that are named, ejabberd would take either.
kept_by_service(Packet, From, Server) ->
    Nodes = lists:usort([Node || {xmlel, _, _, Children} <- content(Packet), {xmlel, _, _, _} = El <- Children,
                                 Node <- [fxml:get_tag_attr_s(<<"node">>, El)], Node =/= <<>>]),
    case is_pubsub(Server) andalso Nodes of
        [_, _ | _] -> {refuse, xmpp:err_bad_request(<<"One node at a time.">>, xmpp:get_lang(Packet))};
        [Node] ->
            case xmpp_kept:maker(Server, Node) of
                nobody -> nobody;
                Maker ->
                    case {takes_from(Maker, Packet), subscribes(Packet)} of
                        {true, _} -> {refuse, xmpp:err_not_allowed(<<"Who made a node stays its owner.">>, xmpp:get_lang(Packet))};
                        {_, true} -> {refuse, not_by_others(Packet)};
                        _ when Maker =:= From -> nobody;
                        _ -> account(jid:make(Maker))
                    end
            end;
        _ -> nobody
    end.

%% A node reaches whoever is subscribed, so an owner could have it write to anybody (XEP-0060 8.8.2).
subscribes(Packet) ->
    [] =/= [El || {xmlel, <<"pubsub">>, _, _} = Top <- content(Packet), {xmlel, <<"subscriptions">>, _, _} = Some <- fxml:get_subtags(Top, <<"subscriptions">>),
                  {xmlel, _, _, _} = El <- fxml:get_subtags(Some, <<"subscription">>), fxml:get_tag_attr_s(<<"subscription">>, El) =/= <<"none">>].

not_by_others(Packet) ->
    xmpp:err_not_allowed(<<"Nobody is subscribed by somebody else.">>, xmpp:get_lang(Packet)).

is_pubsub(Server) ->
    ejabberd_router:is_my_route(Server) andalso not ejabberd_router:is_my_host(Server)
        andalso lists:member(Server, gen_mod:get_module_opt_hosts(ejabberd_router:host_of_route(Server), mod_pubsub)).

takes_from(Maker, Packet) ->
    [] =/= [El || {xmlel, <<"pubsub">>, _, _} = Top <- content(Packet), {xmlel, <<"affiliations">>, _, _} = Some <- fxml:get_subtags(Top, <<"affiliations">>),
                  {xmlel, _, _, _} = El <- fxml:get_subtags(Some, <<"affiliation">>), fxml:get_tag_attr_s(<<"affiliation">>, El) =/= <<"owner">>,
                  decoded(fxml:get_tag_attr_s(<<"jid">>, El)) =:= Maker].

%% The answer is the same whether it exists or not.
account(JID) ->
    case address(JID) of
        {User, Server, _} when User =/= <<>> ->
            case ejabberd_router:is_my_host(Server) of
                true -> {User, Server, <<>>};
                false -> nobody
            end;
        _ -> nobody
    end.

%% ---------------------------------------------------------------------- how much that is
judge(Packet, Account, Limit) ->
    case weight(Packet) of
        0 -> ok;
        Weight when element(1, Packet) =:= presence, Weight > ?ROW + ?SMALL -> {refuse, too_large(Packet)};
        Weight ->
            Most = case Limit =:= ?ACCOUNT andalso Weight =< ?SMALL of
                       true -> Limit + ?RESERVE;
                       false -> Limit
                   end,
            case xmpp_sum:fits(?MODULE, place(Account), asker(Packet), Weight, Most, fun() -> xmpp_kept:bytes(Account) end) of
                true -> ok;
                false -> {refuse, full(Packet, Limit)}
            end
    end.

%% All addresses of another server count as one.
asker(Packet) ->
    {User, Server, _} = jid:tolower(xmpp:get_from(Packet)),
    case ejabberd_router:is_my_host(Server) of
        true -> {User, Server};
        false -> xmpp_token_bucket:site(Server)
    end.

%% Names that nobody has are counted together, some of them: it looks the same, takes as long, and no memory for each.
place({User, Server, _} = Account) ->
    case ejabberd_auth:user_exists(User, Server) of
        true -> Account;
        false -> {nobody, erlang:phash2(User, ?NOBODY)}
    end.

full(Packet, Limit) ->
    Text = case Limit of
               ?ACCOUNT -> <<"Your account has as much kept here as it may, 20 MiB: contacts, profile, bookmarks, nodes. Please delete some of it.">>;
               ?OTHERS -> <<"What others have kept for that account here is as much as it may be, 10 MiB. Please try again later.">>
           end,
    xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet)).

too_large(Packet) ->
    xmpp:err_policy_violation(<<"This is longer than 8 KiB, which is the limit for it.">>, xmpp:get_lang(Packet)).

%% At most: each element may become a row.
weight(Packet) when element(1, Packet) =:= iq ->
    case [El || {xmlel, _, _, _} = El <- content(Packet), not keeps_nothing(El, Packet)] of
        [] -> 0;
        Els -> erlang:external_size(Els) + ?ROW * elements(Els)
    end;
weight(Packet) ->
    erlang:external_size([xmpp:encode(Packet)]) + ?ROW.

elements(Els) ->
    lists:sum([1 + elements(Children) || {xmlel, _, _, Children} <- Els]).

content(Packet) ->
    {xmlel, _, _, Children} = xmpp:encode(Packet),
    [El || {xmlel, _, _, _} = El <- Children].

keeps_nothing({xmlel, Name, _, Children} = El, Packet) ->
    NS = fxml:get_tag_attr_s(<<"xmlns">>, El),
    Inside = [{Child, fxml:get_tag_attr_s(<<"subscription">>, Item)} || {xmlel, Child, _, _} = Item <- Children],
    case NS of
        <<"urn:xmpp:mam:", _/binary>> -> Name =:= <<"query">>;
        <<"jabber:iq:register">> ->
            case address(xmpp:get_to(Packet)) of
                nowhere -> true;
                {_, Server, _} -> ejabberd_router:is_my_host(Server) orelse Inside =:= [{<<"remove">>, <<>>}]
            end;
        <<"jabber:iq:roster">> -> Inside =/= [] andalso lists:all(fun({_, Subscription}) -> Subscription =:= <<"remove">> end, Inside);
        <<"urn:xmpp:blocking">> -> Name =:= <<"unblock">>;
        <<"urn:xmpp:push:0">> -> Name =:= <<"disable">>;
        %% A moderator's are kept for others, and limited by their number; of anybody else they are refused.
        <<"http://jabber.org/protocol/commands">> -> mod_xmpp_moderators:is_command(fxml:get_tag_attr_s(<<"node">>, El));
        <<"urn:xmpp:mucsub:0">> -> Name =:= <<"unsubscribe">>;
        ?PUBSUB -> all_of(Inside, [<<"retract">>, <<"unsubscribe">>]);
        ?OWNER -> all_of(Inside, [<<"delete">>, <<"purge">>]);
        _ -> lists:member(NS, ?KEEPS_NOTHING)
    end.

all_of(Inside, Names) ->
    Inside =/= [] andalso lists:all(fun({Child, _}) -> lists:member(Child, Names) end, Inside).

%% ---------------------------------------------------------------------- logins without a password
%% An app makes up the name of the device that a token is for.
few_tokens({#{user := User, server := Server}, _Els, Results} = Acc) ->
    lists:keymember(fast_token, 1, Results) andalso
        sql(Server, ["DELETE FROM auth_fast_tokens", whose(User, Server), " AND rowid NOT IN (SELECT rowid FROM auth_fast_tokens", whose(User, Server),
                     " ORDER BY created_at DESC, rowid DESC LIMIT ", integer_to_list(?TOKENS), ")"]),
    Acc;
few_tokens(Acc) ->
    Acc.

whose(User, Server) ->
    [" WHERE username = ", xmpp_sql:quote(jid:nodeprep(User)), " AND server_host = ", xmpp_sql:quote(jid:nameprep(Server))].

account_removed(User, Server) ->
    xmpp_sum:delete(?MODULE, {User, Server, <<>>}).

address(undefined) -> nowhere;
address(JID) -> jid:tolower(JID).

bare(JID) -> jid:tolower(jid:remove_resource(JID)).

decoded(Text) ->
    try bare(jid:decode(Text)) catch _:_ -> nobody end.

sql(Host, Statement) ->
    ejabberd_sql:sql_query(Host, iolist_to_binary(Statement)).
