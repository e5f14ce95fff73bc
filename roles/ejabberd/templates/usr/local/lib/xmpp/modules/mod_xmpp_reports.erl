%% SPDX-License-Identifier: GPL-3.0-or-later
%% Reports of spam and abuse (XEP-0377), which ejabberd does not support: an app sends one when it blocks somebody. The block itself is
%% ejabberd's; each administrator gets a message about the report. Nothing else of it is stored.
%% Hooks: disco_local_features, user_send_packet. Without this module reports are not offered, and are ignored.
-module(mod_xmpp_reports).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([announce/5, forward/1]).

-define(REPORTING, <<"urn:xmpp:reporting:1">>).
-define(AT_ONCE, 10).  %% of one account; another one is possible
-define(EACH, 360).    %% each so many seconds
-define(TEXT, 2000).   %% characters of what the user wrote
-define(MESSAGES, 10). %% named in one report

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> xmpp_token_bucket:new(?MODULE), hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(disco_local_features, Host, ?MODULE, announce, 50),
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, forward, 50),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_blocking, hard}].
mod_options(_Host) -> [{admins, []}].
mod_opt_type(admins) -> econf:list(econf:jid()).
mod_doc() -> #{}.

announce({result, Features}, _From, _To, <<>>, _Lang) -> {result, [?REPORTING | Features]};
announce(empty, _From, _To, <<>>, _Lang) -> {result, [?REPORTING]};
announce(Other, _From, _To, _Node, _Lang) -> Other.

forward({Packet, State}) when element(1, Packet) =:= iq ->
    {From, To} = {xmpp:get_from(Packet), xmpp:get_to(Packet)},
    case {xmpp:get_type(Packet), jid:tolower(jid:remove_resource(From)) =:= jid:tolower(To), xmpp:get_els(Packet)} of
        {set, true, [{xmlel, <<"block">>, _, Items} = Block]} ->
            case fxml:get_tag_attr_s(<<"xmlns">>, Block) of
                <<"urn:xmpp:blocking">> ->
                    Reports = [{fxml:get_tag_attr_s(<<"jid">>, Item), Report}
                               || {xmlel, <<"item">>, _, _} = Item <- Items,
                                  Report <- [fxml:get_subtag_with_xmlns(Item, <<"report">>, ?REPORTING)], Report =/= false],
                    [pass_on(From, jid:encode(jid:tolower(About)), Report) || {Text, Report} <- Reports, About <- [decode(Text)], About =/= error];
                _ -> ok
            end;
        _ -> ok
    end,
    {Packet, State};
forward(Acc) ->
    Acc.

decode(Address) ->
    try jid:decode(Address) catch _:_ -> error end.

pass_on(Reporter, About, Report) ->
    {User, Host, _} = jid:tolower(Reporter),
    case xmpp_token_bucket:used_up(?MODULE, {User, Host}, ?AT_ONCE, ?EACH) of
        true -> ok;
        false ->
            xmpp_token_bucket:use(?MODULE, {User, Host}, ?EACH),
            Text = describe(jid:encode({User, Host, <<>>}), About, Report),
            [tell(Host, Admin, Text) || Admin <- gen_mod:get_module_opt(Host, ?MODULE, admins)]
    end.

describe(By, About, Report) ->
    What = case fxml:get_tag_attr_s(<<"reason">>, Report) of
               <<"urn:xmpp:reporting:spam">> -> <<"spam">>;
               <<"urn:xmpp:reporting:abuse">> -> <<"abuse">>;
               _ -> <<"unwanted messages">>
           end,
    Messages = [fxml:get_tag_attr_s(<<"id">>, Id)
                || Id <- lists:sublist(fxml:get_subtags(Report, <<"stanza-id">>), ?MESSAGES)],
    [<<"Report of ">>, What, <<"\nabout: ">>, About, <<"\nby: ">>, By,
     case cut(fxml:get_subtag_cdata(Report, <<"text">>), ?TEXT) of
         <<>> -> [];
         Text -> [<<"\n">>, quote(Text)]
     end,
     case Messages of
         [] -> [];
         _ -> [<<"\n\nMessages in the archive of ">>, By, <<":">>, [quote(cut(Id, 100)) || Id <- Messages]]
     end,
     <<"\n\nTo answer or to ask, write to xmpp:">>, By].

%% Each line of a user's text is marked, as it could pass for ours otherwise.
quote(Text) ->
    [[<<"\n> ">>, Line] || Line <- re:split(Text, <<"\\R">>, [unicode, {newline, any}])].

cut(Text, Characters) ->
    string:slice(Text, 0, Characters).

tell(Host, Admin, Text) ->
    Body = {xmlel, <<"body">>, [], [{xmlcdata, unicode:characters_to_binary(Text)}]},
    Attributes = [{<<"type">>, <<"chat">>}, {<<"id">>, p1_rand:get_string()}],
    Message = xmpp:decode({xmlel, <<"message">>, Attributes, [Body]}, <<"jabber:client">>, [ignore_els]),
    ejabberd_router:route(xmpp:set_from_to(Message, jid:make(Host), Admin)).
