%% SPDX-License-Identifier: GPL-3.0-or-later
%% Offer a question of the operator's beside the picture of a CAPTCHA, for people who cannot see it: in the form of apps and of the page as the field
%% "qa" (XEP-0158), in the form without scripts instead of the digits. Question and picture are one challenge with one answer: a wrong one uses it up, and
%% each challenge counts, so nobody has more attempts than with pictures alone. A right answer, in any language, is replaced by the digits before
%% ejabberd sees it. Of an answer, letters and digits count, without case and accents. The digits of the picture count if there are any.
%% Hooks: c2s_unauthenticated_packet, before all others, and c2s_filter_send. Without this module there is the picture alone.
-module(mod_xmpp_registration_question).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([packet/2, offer/1, read/1]).

-define(REGISTER, <<"jabber:iq:register">>).
-define(DATA, <<"jabber:x:data">>).
-define(WRONG, <<"-">>).  %% no digits
%% Elements of the record #captcha{} of ejabberd_captcha.
-define(KEY, 4).
-define(ARGS, 6).
-define(Q, 5).            %% of #request{} of ejabberd_http
-define(LONGEST, 1000).   %% bytes; the longest right answer has 400

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, packet, 1),
    ejabberd_hooks:Do(c2s_filter_send, Host, ?MODULE, offer, 15),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_register, hard}].
mod_options(_Host) -> [questions, answers].
mod_opt_type(questions) -> econf:map(econf:binary(), econf:binary(), [{return, map}]);
mod_opt_type(answers) -> econf:non_empty(econf:list(econf:binary())).
mod_doc() -> #{}.

%% A form whose question was answered starts again with digits in it, for whoever looks at registrations: a hook cannot change the packet of the next one.
packet(#{lserver := Host} = State, IQ) when element(1, IQ) =:= iq ->
    erase(?MODULE),
    case {xmpp:get_type(IQ), [El || {xmlel, <<"query">>, _, _} = El <- xmpp:get_els(IQ), xmlns(El) =:= ?REGISTER]} of
        {get, [_]} ->
            put(?MODULE, Host),  %% for the answer, in the same process
            State;
        {set, [Query]} ->
            case answered(Host, Query) of
                none -> State;
                Digits -> {stop, ejabberd_hooks:run_fold(c2s_unauthenticated_packet, Host, State, [xmpp:set_els(IQ, [Digits])])}
            end;
        _ -> State
    end;
packet(State, _Packet) ->
    State.

%% The same query with digits, if there are none and an answer instead.
answered(Host, Query) ->
    case form(Query) of
        {xmlel, _, _, Els} = Form ->
            case {value(Form, <<"ocr">>), value(Form, <<"qa">>)} of
                {<<>>, <<_, _/binary>> = Answer} ->
                    Digits = case is_right(Host, Answer) of
                                 true -> digits(value(Form, <<"challenge">>));
                                 false -> ?WRONG
                             end,
                    Others = [El || El <- Els, not lists:member(var(El), [<<"ocr">>, <<"qa">>])],
                    with_form(Query, Others ++ [field(<<"ocr">>, [], Digits)]);
                _ -> none
            end;
        false -> none
    end.

form(Query) -> fxml:get_subtag_with_xmlns(Query, <<"x">>, ?DATA).

with_form({xmlel, Name, Attributes, Els} = Query, Fields) ->
    {xmlel, X, Of, _} = Form = form(Query),
    {xmlel, Name, Attributes, [case El of Form -> {xmlel, X, Of, Fields}; _ -> El end || El <- Els]}.

value(Form, Var) ->
    case [fxml:get_subtag_cdata(Field, <<"value">>) || Field <- element(4, Form), var(Field) =:= Var] of
        [Value | _] -> Value;
        [] -> <<>>
    end.

%% Of the form without scripts, which has one field for both.
read(Request) ->
    Host = hd(ejabberd_option:hosts()),
    Fields = element(?Q, Request),
    case gen_mod:is_loaded(Host, ?MODULE) andalso is_right(Host, proplists:get_value(<<"key">>, Fields, <<>>)) of
        true ->
            Digits = digits(proplists:get_value(<<"id">>, Fields, <<>>)),
            setelement(?Q, Request, lists:keystore(<<"key">>, 1, Fields, {<<"key">>, Digits}));
        false -> Request
    end.

%% Not of a room's challenge, which has somebody as its argument: ejabberd gives these to any number of addresses.
digits(Challenge) ->
    case ets:lookup(captcha, Challenge) of
        [Captcha] when not is_tuple(element(?ARGS, Captcha)) -> element(?KEY, Captcha);
        _ -> ?WRONG
    end.

is_right(Host, Answer) ->
    Said = plain(Answer),
    Said =/= <<>> andalso lists:any(fun(Right) -> lists:member(Said, [plain(Right), plain(without_umlauts(Right))]) end,
                                    gen_mod:get_module_opt(Host, ?MODULE, answers)).

%% Nothing, of text that is no UTF-8.
plain(Text) when byte_size(Text) > ?LONGEST -> <<>>;
plain(Text) ->
    case unicode:characters_to_nfkd_binary(Text) of
        Known when is_binary(Known) -> re:replace(string:casefold(Known), "[^\\pL\\pN]", "", [global, unicode, {return, binary}]);
        _ -> <<>>
    end.

%% As people write who have no key for them.
without_umlauts(Text) ->
    lists:foldl(fun({Umlaut, Letters}, Changed) -> binary:replace(Changed, Umlaut, Letters, [global]) end,
                string:casefold(unicode:characters_to_nfc_binary(Text)), [{<<"ä"/utf8>>, <<"ae">>}, {<<"ö"/utf8>>, <<"oe">>}, {<<"ü"/utf8>>, <<"ue">>}]).

%% The picture's field is no longer required, or an app would not send the form without digits.
offer({IQ, _} = Acc) when element(1, IQ) =:= iq ->
    case erase(?MODULE) of
        undefined -> Acc;
        Host -> offer(xmpp:get_type(IQ), Host, Acc)
    end;
offer(Acc) ->
    Acc.

offer(result, Host, {IQ, State} = Acc) ->
    case [xmpp:encode(El) || El <- xmpp:get_els(IQ)] of
        [Query] ->
            case form(Query) of
                {xmlel, _, _, Els} ->
                    Text = question(gen_mod:get_module_opt(Host, ?MODULE, questions), xmpp:get_lang(IQ)),
                    Asked = field(<<"qa">>, [{<<"type">>, <<"text-single">>}, {<<"label">>, Text}], none),
                    Fields = lists:append([case var(El) of <<"ocr">> -> [optional(El), Asked]; _ -> [El] end || El <- Els]),
                    {xmpp:set_els(IQ, [with_form(Query, Fields)]), State};
                false -> Acc
            end;
        _ -> Acc
    end;
offer(_Type, _Host, Acc) ->
    Acc.

%% In the language that is asked for, else the server's.
question(Questions, Lang) ->
    maps:get(xmpp_language:short(Lang), Questions, maps:get(ejabberd_option:language(), Questions)).

optional({xmlel, Name, Attributes, Els}) ->
    {xmlel, Name, Attributes, [El || El <- Els, element(2, El) =/= <<"required">>]}.

field(Var, Attributes, Value) ->
    {xmlel, <<"field">>, [{<<"var">>, Var} | Attributes], [{xmlel, <<"value">>, [], [{xmlcdata, Value}]} || Value =/= none]}.

var({xmlel, <<"field">>, _, _} = Field) -> fxml:get_tag_attr_s(<<"var">>, Field);
var(_) -> none.

xmlns(El) -> fxml:get_tag_attr_s(<<"xmlns">>, El).
