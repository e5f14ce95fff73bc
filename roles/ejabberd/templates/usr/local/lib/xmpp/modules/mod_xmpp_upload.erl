%% SPDX-License-Identifier: GPL-3.0-or-later
%% Quotas for uploads (XEP-0363): of an account, in bytes and in files, and of all accounts together, so that there is always room for the
%% database. A slot reserves its room when it is handed out, and releases it after an hour if nothing was uploaded; its token is valid for
%% that long. So nginx, which takes the files, has nothing to count. Files on the disk are counted in a process of its own, one account after
%% the other, each at most once a minute; it removes the oldest files of an account that has too many. All counters are in memory.
%% URLs are percent-encoded, as XEP-0363 asks, and do not name the account: ejabberd does neither.
%% mod_http_upload is one process for all, so the slots that an account can ask for at once are limited.
%% Hooks: user_send_packet, http_upload_slot_request (the size of a file), filter_packet (the slot; in the same process of mod_http_upload), remove_user.
%% Without this module no slot has a token that nginx accepts: nothing can be uploaded.
-module(mod_xmpp_upload).
-behaviour(gen_server).
-behaviour(gen_mod).
-export([start/2, stop/1, reload/3, depends/2, mod_options/1, mod_opt_type/1, mod_doc/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([ask/1, note_size/6, hand_out/1, count_again/2, place/3, remove/2, folder/2]).

-define(SLOTS, {4000, 1}).          %% that an account asks for: at once, seconds until one more
-define(SLOT, 3600).               %% seconds that a slot is good for
-define(LEAST, 8192).              %% bytes that a file takes with its folder, however small
-define(FILES, 10).                %% of one account, for each MiB of its quota
-define(COUNT, 60).                %% seconds until an account is counted again
-define(COUNT_ALL, 3_600_000).     %% ms until all are
-define(LOOK, 10_000).             %% ms between looks at the disk
-define(RESERVE, 2_147_483_648).   %% bytes of a disk that uploads leave free, or a tenth of it
-define(FULL, "/run/ejabberd/uploads-full").  %% nginx takes no file while this is there

start(Host, Opts) ->
    xmpp_start:attempt(?MODULE, fun() ->
        xmpp_start:is_first(Host) andalso ({ok, _} = gen_mod:start_child(?MODULE, Host, Opts)),
        xmpp_token_bucket:new(?MODULE),
        hooks(add, Host)
    end).

stop(Host) ->
    hooks(delete, Host),
    xmpp_start:is_first(Host) andalso gen_mod:stop_child(?MODULE, Host),
    ok.

hooks(Do, Host) ->
    ejabberd_hooks:Do(user_send_packet, Host, ?MODULE, ask, 30),
    ejabberd_hooks:Do(http_upload_slot_request, Host, ?MODULE, note_size, 90),
    ejabberd_hooks:Do(remove_user, Host, ?MODULE, count_again, 90),
    xmpp_start:is_first(Host) andalso ejabberd_hooks:Do(filter_packet, ?MODULE, hand_out, 50).

%% All domains share one folder, and one count.
server() -> gen_mod:get_module_proc(hd(ejabberd_option:hosts()), ?MODULE).

reload(Host, Opts, _Old) ->
    xmpp_start:is_first(Host) andalso gen_server:cast(server(), {set, Opts}),
    ok.

depends(_Host, _Opts) -> [{mod_http_upload, hard}].
mod_options(_Host) -> [{quota_mib, 1000}, {total_mib, 0}].
mod_opt_type(quota_mib) -> econf:pos_int();
mod_opt_type(total_mib) -> econf:non_neg_int().
mod_doc() -> #{}.

ask({IQ, State} = Acc) when element(1, IQ) =:= iq ->
    {User, Server, _} = jid:tolower(xmpp:get_from(IQ)),
    {Size, Seconds} = ?SLOTS,
    case lists:any(fun(El) -> is_upload(xmpp:get_ns(El)) end, xmpp:get_els(IQ)) of
        true ->
            case xmpp_token_bucket:used_up(?MODULE, {User, Server}, Size, Seconds) of
                true ->
                    Text = <<"These are many files at once. Please wait a moment.">>,
                    ejabberd_router:route_error(IQ, xmpp:err_resource_constraint(Text, xmpp:get_lang(IQ))),
                    {stop, {drop, State}};
                false ->
                    xmpp_token_bucket:use(?MODULE, {User, Server}, Seconds),
                    Acc
            end;
        false -> Acc
    end;
ask(Acc) ->
    Acc.

is_upload(<<"urn:xmpp:http:upload", _/binary>>) -> true;
is_upload(_) -> false.

%% ---------------------------------------------------------------------- slots, in the process of mod_http_upload
note_size(allow, Host, _JID, _Folder, Size, _Lang) ->
    put(?MODULE, {Host, Size}),
    allow;
note_size(Acc, _Host, _JID, _Folder, _Size, _Lang) ->
    Acc.

%% What that process routes next is its answer.
hand_out(Packet) when is_tuple(Packet) ->
    case erase(?MODULE) of
        undefined -> Packet;
        {Host, Size} ->
            case xmpp:get_els(Packet) of
                [Slot] when element(1, Slot) =:= upload_slot_0; element(1, Slot) =:= upload_slot ->
                    hand_out(Packet, Slot, Host, Size);
                _ -> Packet
            end
    end;
hand_out(Packet) ->
    Packet.

hand_out(Packet, Slot, Host, Size) ->
    {Get, Put} = {2, 3},  %% of ejabberd's record
    [Base, Account, Random, File] = split(element(Get, Slot)),
    Secret = gen_mod:get_module_opt(Host, mod_http_upload, external_secret),
    {Shown, Folder} = conceal(Account, Random, Secret),
    case gen_server:call(server(), {take, Account, Folder, Size}) of
        ok ->
            Until = list_to_binary(io_lib:format("~8.16.0b", [erlang:system_time(second) + ?SLOT])),
            Data = [Shown, "/", Random, "/", File, " ", integer_to_binary(Size), " ", Until],
            Token = str:to_hexlist(crypto:mac(hmac, sha256, Secret, Data)),
            URL = iolist_to_binary([Base, "/", Shown, "/", Random, "/", uri_string:quote(File)]),
            xmpp:set_els(Packet, [setelement(Get, setelement(Put, Slot, <<URL/binary, "?v=", Until/binary, Token/binary>>), URL)]);
        {full, Text} ->
            xmpp:set_els(xmpp:set_type(Packet, error), [xmpp:err_resource_constraint(Text, xmpp:get_lang(Packet))])
    end.

%% The account's folder is a checksum of its address: a link shows it under a key that is another one for each file, and the file's folder
%% has another name than in the link, so that nobody can try a link with the checksum of an address. (njs/xmpp-upload.js does the reverse.)
conceal(Account, Random, Secret) ->
    <<Mask:20/binary, Folder:12/binary>> = crypto:mac(hmac, sha256, Secret, ["path ", Random]),
    {hex(crypto:exor(binary:decode_hex(Account), Mask)), hex(Folder)}.

hex(Bytes) -> binary:encode_hex(Bytes, lowercase).

%% Whose folder the file of a link is in, and where: the reverse. Links from before folders were concealed are the path itself.
place(Shown, Random, File) ->
    [Root, Secret] = [gen_mod:get_module_opt(hd(ejabberd_option:hosts()), mod_http_upload, Name) || Name <- [docroot, external_secret]],
    {Account, Folder} = conceal(Shown, Random, Secret),
    Places = [{Account, filename:join([Root, Account, Folder, File])}, {Shown, filename:join([Root, Shown, Random, File])}],
    case [Place || {_, Path} = Place <- Places, filelib:is_regular(Path)] of
        [Place | _] -> Place;
        [] -> none
    end.

%% For a moderator, or the owner.
remove(Account, Path) ->
    ok = removed(file:delete(Path)),
    _ = file:del_dir(filename:dirname(Path)),
    gen_server:cast(server(), {count, Account}).

split(URL) ->
    [File, Random, Account | Base] = lists:reverse(binary:split(URL, <<"/">>, [global])),
    [lists:join("/", lists:reverse(Base)), Account, Random, File].

count_again(User, Server) ->
    gen_server:cast(server(), {count, folder(User, Server)}).

folder(User, Server) -> str:sha(<<User/binary, "@", Server/binary>>).

%% ---------------------------------------------------------------------- who has how much
%% accounts: by their folders, {bytes, files, slots that nothing came for: size and end, when it was counted}.
init([Host, Opts]) ->
    self() ! all,
    self() ! look,
    State = #{root => gen_mod:get_module_opt(Host, mod_http_upload, docroot), accounts => #{}, sum => 0, full => false, wanted => [], counts => none},
    {ok, set(Opts, State)}.

set(Opts, State) ->
    State#{quota => mib(gen_mod:get_opt(quota_mib, Opts)), total => mib(gen_mod:get_opt(total_mib, Opts)),
           files => max(1000, ?FILES * gen_mod:get_opt(quota_mib, Opts))}.

mib(Number) -> Number * 1048576.

handle_call({take, Account, Random, Size}, _From, #{accounts := Accounts, sum := Sum, full := Full, most := Most} = State) ->
    Charge = charge(Size),
    {Bytes, Files, Slots, At} = account(Account, State),
    Waiting = waiting(Slots),
    {Soft, Hard} = limits(State),
    Taken = {Bytes + Waiting + Charge, Files + map_size(Slots) + 1},
    Wants = exceeds(Taken, Soft),
    Granted = fun() ->
        Entry = {Bytes, Files, Slots#{Random => {Charge, now_s() + ?SLOT}}, At},
        State#{accounts := Accounts#{Account => Entry}, sum := Sum + Charge}
    end,
    if
        Full orelse Sum + Charge > Most ->
            {reply, {full, <<"The server has no room for more files. Please try again later.">>}, State};
        true ->
            %% Unused slots cannot be removed to make room.
            case exceeds({Waiting + Charge, map_size(Slots) + 1}, Hard) of
                true ->
                    Text = <<"You have asked for more uploads than you may have files here. Please try again later.">>,
                    {reply, {full, Text}, want(Account, State)};
                false when Wants -> {reply, ok, want(Account, Granted())};
                false -> {reply, ok, Granted()}
            end
    end.

handle_cast({set, Opts}, State) -> {noreply, look(set(Opts, State))};
handle_cast({count, Account}, State) -> {noreply, want(Account, State)}.

handle_info(look, State) ->
    erlang:send_after(?LOOK, self(), look),
    {noreply, count_next(look(State))};
handle_info(all, #{root := Root, accounts := Accounts, wanted := Wanted} = State) ->
    erlang:send_after(?COUNT_ALL, self(), all),
    Found = case file:list_dir(Root) of
                {ok, Names} -> [list_to_binary(Name) || Name <- Names];
                {error, _} -> []  %% a disk that is not there
            end,
    {noreply, count_next(State#{wanted := Wanted ++ lists:usort(Found ++ maps:keys(Accounts)) -- Wanted})};
handle_info({counted, Account, Bytes, Files, Here, Gone}, #{accounts := Accounts} = State) ->
    {_, _, Slots, _} = account(Account, State),
    %% A slot may be used again when its file is gone.
    Again = maps:from_list([{Random, {Charge, now_s() + ?SLOT}} || {Random, Charge} <- Gone]),
    Left = maps:merge(maps:without(Here, Slots), Again),
    {noreply, State#{accounts := Accounts#{Account => {Bytes, Files, Left, now_s()}}}};
handle_info({'DOWN', _, process, Pid, _}, #{counts := Pid} = State) ->
    {noreply, count_next(State#{counts := none})};
handle_info(_Message, State) ->
    {noreply, State}.

account(Account, #{accounts := Accounts}) -> maps:get(Account, Accounts, {0, 0, #{}, never}).
is_due(At) -> At =:= never orelse now_s() - At >= ?COUNT.
charge(Size) -> max(Size, ?LEAST).
waiting(Slots) -> maps:fold(fun(_, {Charge, _}, Sum) -> Sum + Charge end, 0, Slots).
exceeds({Bytes, Files}, {MostBytes, MostFiles}) -> Bytes > MostBytes orelse Files > MostFiles.
now_s() -> erlang:monotonic_time(second).

%% Beyond the first limit, old files are removed. Unused slots never exceed the second.
limits(#{quota := Quota, files := Files}) -> {{Quota, Files}, {Quota + Quota div 10 + 1048576, Files + Files div 10}}.

%% Drops expired slots, and measures the free room.
look(#{accounts := Accounts, root := Root, total := Total} = State) ->
    Now = now_s(),
    Kept = maps:filtermap(fun(_, {Bytes, Files, Slots, At}) ->
        (Files > 0 orelse map_size(Slots) > 0 orelse not is_due(At))
            andalso {true, {Bytes, Files, maps:filter(fun(_, {_, End}) -> End > Now end, Slots), At}}
    end, Accounts),
    Sum = maps:fold(fun(_, {Bytes, _, Slots, _}, Acc) -> Acc + Bytes + waiting(Slots) end, 0, Kept),
    Disks = disks([Root, <<"/var/lib/ejabberd">>]),
    Most = case {Total, Disks} of
               {0, [{Size, _} | _]} -> Size div 2;
               _ -> Total
           end,
    Full = Sum > Most orelse lists:any(fun({All, Free}) -> Free < min(All div 10, ?RESERVE) end, Disks),
    case Full of
        true -> file:write_file(?FULL, <<>>);
        false -> file:delete(?FULL)
    end,
    State#{accounts := Kept, sum := Sum, full := Full, most => Most}.

%% Of what is there: a disk may be missing.
disks(Folders) ->
    Text = os:cmd(lists:flatten(["df -B1 --output=size,avail"] ++ [[" ", binary_to_list(Folder)] || Folder <- Folders] ++ [" 2>/dev/null"])),
    [{Size, Free} || Line <- string:lexemes(Text, "\n"), [First, Second] <- [string:lexemes(Line, " ")],
                     {Size, []} <- [string:to_integer(First)], {Free, []} <- [string:to_integer(Second)]].

%% ---------------------------------------------------------------------- counting
want(Account, #{wanted := Wanted} = State) ->
    count_next(State#{wanted := [Account | lists:delete(Account, Wanted)]}).

count_next(#{counts := none, wanted := Wanted, root := Root} = State) ->
    case lists:dropwhile(fun(Account) -> not is_due(element(4, account(Account, State))) end, Wanted) of
        [] -> State;
        [Account | _] ->
            {_, _, Slots, _} = account(Account, State),
            {Server, Limits} = {self(), limits(State)},
            {Pid, _} = spawn_monitor(fun() -> Server ! count(Account, Root, Slots, Limits) end),
            State#{counts := Pid, wanted := lists:delete(Account, Wanted)}
    end;
count_next(State) ->
    State.

count(Account, Root, Slots, {Soft, _}) ->
    Folder = filename:join(Root, Account),
    Found = lists:sort([File || Random <- list(Folder), File <- files(Folder, Random)]),
    Here = maps:from_list([{Random, true} || {_, _, _, Random, _} <- Found]),
    Waiting = maps:without(maps:keys(Here), Slots),
    All = {lists:sum([Charge || {_, Charge, _, _, _} <- Found]) + waiting(Waiting), length(Found) + map_size(Waiting)},
    {Gone, Left} = make_room(Found, All, Soft, []),
    [begin ok = removed(file:delete(Path)), file:del_dir(filename:dirname(Path)) end || {_, _, _, _, Path} <- Gone],
    Hour = erlang:system_time(second) - ?SLOT,
    {counted, Account, lists:sum([Charge || {_, Charge, _, _, _} <- Left]), length(Left), [Random || {_, _, _, Random, _} <- Left],
     [{Random, Charge} || {_, Charge, Made, Random, _} <- Gone, Made > Hour]}.

%% The oldest first.
make_room([{_, Charge, _, _, _} = File | Others], {Bytes, Files} = All, Soft, Gone) ->
    case exceeds(All, Soft) of
        true -> make_room(Others, {Bytes - Charge, Files - 1}, Soft, [File | Gone]);
        false -> {Gone, [File | Others]}
    end;
make_room([], _, _, Gone) ->
    {Gone, []}.

removed({error, enoent}) -> ok;
removed(Result) -> Result.

list(Folder) ->
    case file:list_dir_all(Folder) of
        {ok, Names} -> Names;
        {error, _} -> []  %% removed meanwhile
    end.

files(Folder, Random) ->
    [{Time, charge(Size), Made, unicode:characters_to_binary(Random), Path}
     || Name <- list(filename:join(Folder, Random)), Path <- [filename:join([Folder, Random, Name])],
        {ok, Info} <- [file:read_file_info(Path, [raw, {time, posix}])],
        {Size, Time, Made} <- [{element(2, Info), element(6, Info), element(7, Info)}], element(3, Info) =:= regular].
