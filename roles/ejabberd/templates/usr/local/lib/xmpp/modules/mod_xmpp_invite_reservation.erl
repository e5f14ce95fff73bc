%% SPDX-License-Identifier: GPL-3.0-or-later
%% Reserve the name that an invitation is for, while the invitation is valid. ejabberd keeps others with an invitation from registering it;
%% this module keeps those without one from it. The answer is that of a name that is taken (ejabberd_auth_nobody): another one would tell everybody
%% who is invited. mod_invites has one of its own, also for strangers without an invitation or a form; here it is replaced, or not asked for.
%% Hooks: check_register_user; c2s_unauthenticated_packet, after mod_xmpp_invitations (6) and before mod_invites (10); c2s_filter_send. Without this module
%% anybody can register the name in open registration.
-module(mod_xmpp_invite_reservation).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([keep/4, is_kept/2, packet/2, register/3, send/1]).

-define(REGISTER, <<"jabber:iq:register">>).

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() -> hooks(add, Host) end).

stop(Host) ->
    hooks(delete, Host).

hooks(Do, Host) ->
    ejabberd_hooks:Do(check_register_user, Host, ?MODULE, keep, 50),
    ejabberd_hooks:Do(c2s_unauthenticated_packet, Host, ?MODULE, packet, 7),
    ejabberd_hooks:Do(c2s_filter_send, Host, ?MODULE, send, 15),
    ok.

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_invites, hard}, {mod_register, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% Called before an account is made, after the CAPTCHA. All registrations go through mod_register; the operator's commands do not, so
%% the operator can give the name to anybody.
keep(true, User, Server, _Password) ->
    {current_stacktrace, Callers} = process_info(self(), current_stacktrace),
    not (lists:keymember(mod_register, 1, Callers) andalso is_kept(jid:nodeprep(User), jid:nameprep(Server)));
keep(Free, _User, _Server, _Password) ->
    Free.

%% Whether the name is not for who asks for it now. If that cannot be told, it is not: the hook of one that fails is passed over.
is_kept(User, Server) ->
    try is_reserved(User, Server) catch _:_ -> true end.

%% Not so once the invitation is taken, which ejabberd notes first, nor by one to somebody's contacts (R), or for a new password (T).
is_reserved(User, Server) ->
    {selected, _, Tokens} = ejabberd_sql:sql_query(
        Server, iolist_to_binary(["SELECT token FROM invite_token WHERE server_host = ", xmpp_sql:quote(Server), " AND account_name = ", xmpp_sql:quote(User),
                                  " AND invitee = '' AND type IN ('A', 'S') AND expires > datetime('now', 'localtime')"])),
    Tokens =/= [].

%% With pictures, mod_register has one answer to all that comes without its form. Without them, it is asked at once.
packet(#{lserver := Host} = State, IQ) when element(1, IQ) =:= iq, not is_map_key(invite, State) ->
    Asked = [fxml:get_tag_attr_s(<<"xmlns">>, El) || {xmlel, _, _, _} = El <- xmpp:get_els(IQ)],
    case {xmpp:get_type(IQ), Asked} =:= {set, [?REGISTER]} andalso gen_mod:get_module_opt(Host, mod_register, captcha_protected) =/= true of
        true -> mod_register:c2s_unauthenticated_packet(State, IQ);
        false -> State
    end;
packet(State, _Packet) ->
    State.

%% With an invitation, of this kind. (A link for a new password is good for one name, and says so.)
register(State, IQ, Kind) ->
    Kind =/= reset_token andalso put(?MODULE, xmpp:get_lang(IQ)),
    try mod_invites:c2s_unauthenticated_packet(State, IQ) after erase(?MODULE) end.

%% What mod_invites says of a name that is reserved, and of nothing else, becomes what it says of one that is taken.
send({Packet, State} = Acc) when element(1, Packet) =:= iq ->
    Lang = get(?MODULE),
    case Lang =/= undefined andalso xmpp:get_error(Packet) =:= xmpp:err_not_allowed(mod_register:format_error(not_allowed), Lang) of
        true ->
            Taken = xmpp:err_conflict(mod_register:format_error(exists), Lang),
            {xmpp:set_els(Packet, [xmpp:err_internal_server_error(mod_register:format_error(Taken), Lang)]), State};
        false -> Acc
    end;
send(Acc) ->
    Acc.
