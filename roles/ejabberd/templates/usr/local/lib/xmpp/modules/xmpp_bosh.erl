%% SPDX-License-Identifier: GPL-3.0-or-later
%% BOSH (XEP-0124) with a limit of sessions. A session outlives the request that opens it, so nginx, which limits concurrent requests, does not see it.
%% A request without a session id opens one: an address may open so many at once, then one each so often.
-module(xmpp_bosh).
-export([process/2]).

-define(AT_ONCE, 60).
-define(EACH, 1).   %% seconds
%% Elements of the record #request{} of ejabberd_http.
-define(DATA, 9).
-define(IP, 10).

process(Path, Request) ->
    case fxml_stream:parse_element(element(?DATA, Request)) of
        {xmlel, _, _, _} = Body ->
            case fxml:get_tag_attr_s(<<"sid">>, Body) of
                <<>> -> make(Path, Request, element(1, element(?IP, Request)));
                _ -> mod_bosh:process(Path, Request)
            end;
        _ -> mod_bosh:process(Path, Request)  %% which refuses it
    end.

make(Path, Request, Address) ->
    xmpp_token_bucket:new(?MODULE),
    case xmpp_token_bucket:used_up(?MODULE, Address, ?AT_ONCE, ?EACH) of
        true -> {503, [{<<"Retry-After">>, integer_to_binary(?EACH)}], <<"Too many new sessions from your network.">>};
        false ->
            xmpp_token_bucket:use(?MODULE, Address, ?EACH),
            mod_bosh:process(Path, Request)
    end.
