%% SPDX-License-Identifier: GPL-3.0-or-later
%% Show an account what is stored for it now, in numbers and bytes, and its uploaded files, of which it can delete single ones: for the account page.
%% Asked by the account of itself. Tables have their own names here; the page knows which entry of the ledger each belongs to.
%% - <measure xmlns='conexizan:stored'/>, get: <measure><table name=… rows=… bytes=…/>…</measure>. Measured beside everything else, in portions; one
%%   at a time for each account.
%% - <files xmlns='conexizan:stored'/>, get: <files count=… bytes=…><file id=… name=… bytes=… at=…/>…</files>, the newest ones.
%% - <delete-file xmlns='conexizan:stored' id=…/>, set.
%% Without this module the account page shows no sizes and no files.
-module(mod_xmpp_stored).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_doc/0]).
-export([decode_iq_subel/1, answer/1]).

-define(OWN, <<"conexizan:stored">>).
-define(SOME, 1000).   %% messages that are measured at once
-define(SHOWN, 200).   %% files
-define(ID, "^(?:[0-9a-f]{24}|[A-Za-z0-9]{40})$").  %% mod_xmpp_upload, and mod_http_upload before

start(Host, _Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_queue:new(?MODULE, 1),
        gen_iq_handler:add_iq_handler(ejabberd_sm, Host, ?OWN, ?MODULE, answer),
        ok
    end).

stop(Host) ->
    gen_iq_handler:remove_iq_handler(ejabberd_sm, Host, ?OWN).

reload(_Host, _New, _Old) -> ok.
depends(_Host, _Opts) -> [{mod_mam, hard}, {mod_xmpp_upload, hard}].
mod_options(_Host) -> [].
mod_doc() -> #{}.

%% They are no elements that ejabberd knows.
decode_iq_subel(El) -> El.

answer(IQ) ->
    {User, Server, _} = Owner = jid:tolower(jid:remove_resource(xmpp:get_from(IQ))),
    [{xmlel, Name, _, _} = El] = xmpp:get_els(IQ),
    case {jid:tolower(xmpp:get_to(IQ)), xmpp:get_type(IQ), Name} of
        {Owner, get, <<"measure">>} -> later(IQ, Owner, fun() -> measured(Owner) end);
        {Owner, get, <<"files">>} -> later(IQ, Owner, fun() -> files(files_of(User, Server)) end);
        {Owner, set, <<"delete-file">>} ->
            Id = fxml:get_tag_attr_s(<<"id">>, El),
            case [Path || re:run(Id, ?ID, [dollar_endonly]) =/= nomatch, #{path := Path} <- files_of(User, Server, [Id])] of
                [] -> xmpp:make_error(IQ, xmpp:err_item_not_found());
                Paths ->
                    [mod_xmpp_upload:remove(mod_xmpp_upload:folder(User, Server), Path) || Path <- Paths],
                    xmpp:make_iq_result(IQ)
            end;
        {Owner, _, _} -> xmpp:make_error(IQ, xmpp:err_bad_request());
        _ -> xmpp:make_error(IQ, xmpp:err_not_allowed())
    end.

later(IQ, {User, Server, _} = Owner, Work) ->
    case xmpp_queue:add(?MODULE, Owner, fun() ->
             xmpp_fair:belongs(self(), {User, Server}, all),
             ejabberd_router:route(try xmpp:make_iq_result(IQ, Work()) catch _:_ -> xmpp:make_error(IQ, xmpp:err_internal_server_error()) end)
         end) of
        ok -> ignore;
        full -> xmpp:make_error(IQ, xmpp:err_resource_constraint(<<"This is being counted already.">>, xmpp:get_lang(IQ)))
    end.

%% ---------------------------------------------------------------------- the database
measured(Owner) ->
    Tables = [archive(Owner, "", {0, 0}) | xmpp_kept:parts(Owner)],
    {xmlel, <<"measure">>, [{<<"xmlns">>, ?OWN}],
     [{xmlel, <<"table">>, [{<<"name">>, Table}, {<<"rows">>, Rows}, {<<"bytes">>, Bytes}], []} || {Table, Rows, Bytes} <- Tables]}.

%% Messages, newest first.
archive({User, Server, _} = Owner, Before, {Rows, Bytes}) ->
    {selected, _, [[Number, Size, Oldest]]} = ejabberd_sql:sql_query(Server, [
        <<"SELECT cast(count(*) AS text), cast(coalesce(sum(size), 0) AS text), cast(coalesce(min(timestamp), 0) AS text) FROM (SELECT timestamp, "
          "coalesce(octet_length(xml), 0) + coalesce(octet_length(txt), 0) AS size FROM archive WHERE username = ">>, xmpp_sql:quote(User),
        " AND server_host = ", xmpp_sql:quote(Server), Before, " ORDER BY timestamp DESC LIMIT ", integer_to_list(?SOME), ")"]),
    Sum = {Rows + binary_to_integer(Number), Bytes + binary_to_integer(Size)},
    case binary_to_integer(Number) of
        ?SOME -> archive(Owner, [" AND timestamp < ", Oldest], Sum);
        _ -> {<<"archive">>, integer_to_binary(element(1, Sum)), integer_to_binary(element(2, Sum))}
    end.

%% ---------------------------------------------------------------------- uploads
%% Each is in a folder of its own, whose name says nothing: its id.
files_of(User, Server) -> files_of(User, Server, list(folder(User, Server))).

files_of(User, Server, Ids) ->
    Folder = folder(User, Server),
    [#{id => unicode:characters_to_binary(Id), name => shown(Name), path => Path, bytes => element(2, Info), at => element(6, Info)}
     || Id <- Ids, Name <- list(filename:join(Folder, Id)), Path <- [filename:join([Folder, Id, Name])],
        {ok, Info} <- [file:read_file_info(Path, [raw, {time, posix}])], element(3, Info) =:= regular].

folder(User, Server) ->
    filename:join(gen_mod:get_module_opt(hd(ejabberd_option:hosts()), mod_http_upload, docroot), mod_xmpp_upload:folder(User, Server)).

list(Folder) ->
    case file:list_dir_all(Folder) of
        {ok, Names} -> Names;
        {error, _} -> []  %% removed meanwhile, or never there
    end.

files(Found) ->
    Newest = lists:sublist(lists:sort(fun(#{at := One}, #{at := Other}) -> One >= Other end, Found), ?SHOWN),
    All = lists:sum([Bytes || #{bytes := Bytes} <- Found]),
    {xmlel, <<"files">>, [{<<"xmlns">>, ?OWN}, {<<"count">>, integer_to_binary(length(Found))}, {<<"bytes">>, integer_to_binary(All)}],
     [{xmlel, <<"file">>, [{<<"id">>, Id}, {<<"name">>, Name}, {<<"bytes">>, integer_to_binary(Bytes)}, {<<"at">>, at(Time)}], []}
      || #{id := Id, name := Name, bytes := Bytes, at := Time} <- Newest]}.

at(Time) -> list_to_binary(calendar:system_time_to_rfc3339(Time, [{offset, "Z"}])).

%% A name that XML can hold.
shown(Name) ->
    Text = case unicode:characters_to_binary(Name) of
               Good when is_binary(Good) -> Good;
               _ -> <<"?">>
           end,
    re:replace(Text, "[\\x{00}-\\x{1f}\\x{7f}-\\x{9f}\\x{fffe}\\x{ffff}]", "?", [global, unicode, {return, binary}]).
