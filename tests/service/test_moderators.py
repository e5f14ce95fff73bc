# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is a moderator, on whom they never act, and that they reach nothing else of the administration."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, affiliate, login, report
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.inviters import CREATE
from ..kit.moderators import (
    BODY,
    CONFIGURATION,
    DATA,
    NODE,
    Team,
    ask,
    condition,
    listed,
    moderating,
    reload,
    run,
    submission,
    told,
    upload,
    with_moderators,
    without_moderators,
)
from ..kit.quotas import MIB, filled, publish
from ..kit.rooms import enter
from ..kit.service import Account, Register, Service, sql
from ..kit.uploads import files_of

VERBS = ["reports", "account", "ban", "unban", "sessions", "upload", "destroy", "outcast", "reset", "invite"]
AT_ONCE = 60
INVITATIONS = 20  # the same, and as many in an hour
FULL = 23 * MIB  # more than an account may have kept (mod_xmpp_quota)
# Nodes of ejabberd's own commands for administrators, beside those that have the name of a command.
NODES = [
    "config",
    "running nodes",
    "all users",
    "online users",
    "outgoing s2s",
    "announce",
    *(
        f"http://jabber.org/protocol/admin#{name}"
        for name in ("announce", "announce-all", "add-user", "delete-user", "get-user-roster", "get-online-users-list")
    ),
    "urn:xmpp:invite#create-account",
    *(f"{NODE}{name}" for name in ("", "delete", "act", "start_module")),
]
# Also those that are for ejabberd itself.
NAMES = "run([]) -> [io:format('~s~n', [element(2, One)]) || One <- ejabberd_commands:get_commands_definition()]."
# Who may register a name.
RULE = """run([Host | Names]) ->
    Who = fun(Name) -> jid:decode(list_to_binary(Name ++ "@" ++ Host)) end,
    [io:format("~s~n", [acl:match_rule(list_to_binary(Host), register, Who(Name))]) || Name <- Names].
"""
# How many commands the domain has for somebody.
COMMANDS_OF = """run([Host | Addresses]) ->
    To = jid:make(list_to_binary(Host)),
    Items = fun(Address) ->
        Asked = [jid:decode(list_to_binary(Address)), To, <<>>],
        ejabberd_hooks:run_fold(adhoc_local_items, list_to_binary(Host), {result, []}, Asked)
    end,
    Ours = fun(Item) -> string:find(element(4, Item), "moderators") =/= nomatch end,
    [io:format("~b~n", [length(lists:filter(Ours, element(2, Items(Address))))]) || Address <- Addresses].
"""


async def test_moderators_see_their_commands(service: Service, team: Team, register: Register) -> None:
    (alice,) = register(1)
    async with login(service, team.one) as client, login(service, alice) as other:
        theirs, others = await listed(client), await listed(other)
        form = await ask(client, f"{NODE}ban")
        german = await ask(client, f"{NODE}ban", language="de-AT")
        info = await client.query(
            "get",
            f"<query xmlns='http://jabber.org/protocol/disco#info' node='{NODE}ban'/>",
            to=service.domain,
        )
    assert [node.removeprefix(NODE) for node in theirs if node not in others] == VERBS
    assert [field.get("var") for field in form.iter(f"{DATA}field")] == ["account", "reason"]
    assert form.get("status") == "executing"
    assert form.findtext(f"{DATA}x/{DATA}title") == theirs[f"{NODE}ban"] == "Ban an account"
    assert german.findtext(f"{DATA}x/{DATA}title") == "Konto sperren"
    assert "jabber:x:data" in ET.tostring(info, encoding="unicode")


@pytest.mark.attack("acting as a moderator without being one")
async def test_others_find_no_command(service: Service, team: Team, register: Register, admin: Account) -> None:
    """Not even that there are any: the answers are those for a command that does not exist."""
    alice, mallory, victim = register(3)
    filled = submission(account=victim.jid, reason="x", room="support", link="x", done="1")
    async with login(service, mallory) as client, login(service, victim) as other, login(service, admin) as operator:
        await other.online()
        await operator.online()
        asked = [condition(client, NODE + verb, form) for verb in VERBS for form in ("", filled)]
        assert set(await asyncio.gather(*asked)) == {await condition(client, f"{NODE}none")} == {"item-not-found"}
        await report(client, alice.jid)
        await told(operator, alice.jid)
        assert operator.messages.all(lambda stanza: f"Moderator {mallory.jid}" in stanza.findtext(BODY, "")) == []
        await other.query("get", "<query xmlns='jabber:iq:roster'/>")


@pytest.mark.attack("acting as a moderator without being one")
async def test_form_of_a_moderator_is_of_no_use_to_others(service: Service, team: Team, register: Register) -> None:
    """Nor is the same name on another server."""
    alice, mallory = register(2)
    async with login(service, team.one) as client, login(service, mallory) as other:
        session = (await ask(client, f"{NODE}ban")).get("sessionid", "")
        assert session
        filled = submission(account=alice.jid, reason="x")
        for action in ("execute", "complete", "next", "prev", "cancel"):
            assert await condition(other, f"{NODE}ban", filled, sessionid=session, action=action) == "item-not-found"
        # It would be one of a moderator who has given up.
        assert (await ask(client, f"{NODE}ban", filled, sessionid=session, action="cancel")).get("status") == "canceled"
    async with login(service, alice):
        pass
    name = team.one.name
    others = [f"{name}@elsewhere.example", f"{name}@{service.name('muc')}", f"{name}x@{service.domain}", service.domain]
    asked = [f"{team.one.jid}/phone", f"{name.upper()}@{service.domain}", *others]
    assert run_in_erlang(service, COMMANDS_OF, service.domain, *asked).split() == ["10", "10", "0", "0", "0", "0"]


@pytest.mark.attack("a moderator who tries to reach more of the administration")
async def test_nothing_else_of_the_administration_is_reachable(
    service: Service, team: Team, register: Register
) -> None:
    """Every command that ejabberd has, by each name that a module of ejabberd could offer it under.

    What is found is what any account finds: where members invite, the command to do so.
    """
    (alice,) = register(1)
    names = run_in_erlang(service, NAMES).split()
    assert {"ban_account", "unregister", "get_roster", "change_password", "send_message"} <= set(names)
    nodes = NODES + [f"{before}{name}" for name in names for before in ("", "api-commands/")]

    async def look(client: Client, node: str) -> str:
        """Whether it is found, as information or as a list."""
        found = []
        for kind in ("info", "items"):
            with contextlib.suppress(IqError):
                query = f"<query xmlns='http://jabber.org/protocol/disco#{kind}' node={quoteattr(node)}/>"
                await client.query("get", query, to=service.domain)
                found.append(kind)
        return " ".join([node, *found]) if found else ""

    async with login(service, team.one) as client:
        refused = await asyncio.gather(*(condition(client, node, submission(user="x")) for node in nodes))
        assert set(refused) <= {"item-not-found", "forbidden", "not-allowed"}, refused
        async with login(service, alice) as member:
            found, theirs = [
                set(await asyncio.gather(*(look(one, node) for node in nodes))) for one in (client, member)
            ]
        assert found - theirs == set()
        assert not [node for node in found if node and "urn:xmpp:invite#" not in node]
        # What an administrator may do with any room.
        with pytest.raises(IqError):
            await affiliate(client, f"support@{service.name('muc')}", team.one.jid, "owner")


@pytest.mark.attack("a moderator who acts on an administrator or another moderator")
async def test_administrators_and_moderators_are_spared(
    service: Service, team: Team, admin: Account, register: Register
) -> None:
    """In any spelling; nor their files and rooms."""
    (alice,) = register(1)
    async with moderating(service, team, admin) as (client, operator), login(service, team.other) as other:
        await other.online()
        written = [
            "admin",
            "ＡＤＭＩＮ",
            f" {admin.jid}\t",
            f"xmpp:xmpp:{admin.jid}",
            admin.jid.upper(),
            f"{admin.jid}/phone",
            f"{admin.jid}/x@{service.name('muc')}",
        ]
        spellings = [("ban", who) for who in written]
        verbs = [(verb, admin.jid) for verb in ("account", "ban", "unban", "sessions", "reset", "outcast")]
        for verb, who in [*verbs, *spellings, ("ban", team.other.jid), ("reset", team.one.jid)]:
            done = await run(client, verb, account=who, reason="x", room="support")
            assert not done.well, (verb, who)
            assert "administrator or a moderator" in done.words, (verb, who, done)
        # Addresses that are no account's here.
        elsewhere = [f"admin@{name}" for name in (f"{service.domain}.", service.name("muc"), "elsewhere.example", "")]
        for who in [*elsewhere, f"@{service.domain}", service.domain, f"admin/x@{service.domain}", "%61dmin"]:
            for verb in ("ban", "reset", "sessions"):
                assert (await run(client, verb, account=who, reason="x")).words == "There is no such account.", who
        link = await upload(service, other)
        assert not (await run(client, "upload", link=link)).well
        assert len(files_of(service, team.other)) == 1
        assert not (await run(client, "destroy", room="support", reason="x")).well
        await enter(client, f"support@{service.name('muc')}", "still there")
        await report(client, admin.jid)
        await report(client, alice.jid)
        await told(operator, f"about: {alice.jid}")
        # The report about the administrator is not the moderators' to read.
        assert sql(service, f"SELECT about FROM open_reports WHERE reporter = '{team.one.jid}'") == [[alice.jid]]
        await other.query("get", "<query xmlns='jabber:iq:roster'/>")


@pytest.mark.attack("a moderator's account in wrong hands")
async def test_moderator_cannot_do_any_number_of_things(service: Service, team: Team) -> None:
    """Nor make any number of invitations."""
    async with login(service, team.other) as client:
        done = [await run(client, "account", account="nobody-here") for _ in range(AT_ONCE + 1)]
        invited = [await run(client, "invite") for _ in range(INVITATIONS + 1)]
    assert {one.words for one in done[:AT_ONCE]} == {"There is no such account."}
    assert done[AT_ONCE].words.startswith("That was much at once.")
    assert [one.well for one in invited] == [True] * INVITATIONS + [False]
    assert invited[INVITATIONS].words == done[AT_ONCE].words
    links = [one.fields["link"] for one in invited[:INVITATIONS]]
    assert len(set(links)) == INVITATIONS
    tokens = [{"host": service.domain, "token": link.partition("preauth=")[2]} for link in links]
    await asyncio.to_thread(service.api, *(("delete_invite_by_token", token) for token in tokens))


async def test_moderator_with_a_full_account_acts_all_the_same(
    service: Service, team: Team, register: Register
) -> None:
    """What the commands store is not the moderator's own. Nobody else gets around the limit so."""
    alice, mallory = register(2)
    for account in (team.one, mallory):
        await asyncio.to_thread(filled, service, account, FULL)
    bookmark = publish("urn:xmpp:bookmarks:1", "text", "room@muc.elsewhere.example")
    try:
        async with login(service, team.one) as client, login(service, mallory) as other:
            assert (await run(client, "account", account=alice.name)).well
            assert (await run(client, "ban", account=alice.name, reason="spam")).well
            assert (await run(client, "unban", account=alice.name)).well
            assert (await run(client, "invite")).well
            assert (await ask(client, f"{NODE}reports")).get("status") in ("completed", "executing")
            assert await condition(client, CREATE) == "resource-constraint"
            assert await condition(other, f"{NODE}ban", submission(account=alice.name)) == "item-not-found"
            for one in (client, other):
                with pytest.raises(IqError) as refused:
                    await one.query("set", bookmark)
                assert refused.value.condition == "resource-constraint"
    finally:
        emptied = f"DELETE FROM private_storage WHERE namespace = 'fill' AND username = '{team.one.name}'"
        await asyncio.to_thread(run_in_erlang, service, STATEMENT, service.domain, emptied)


async def test_no_links_without_a_page_for_them(service: Service, team: Team) -> None:
    """With closed registration; where strangers create accounts, nobody can know whose password is to be set anew."""
    kept = service.host.file(CONFIGURATION).content_string

    async def without(*gone: str) -> None:
        async with login(service, team.one) as client:
            theirs = await listed(client)
            assert {verb for verb in VERBS if NODE + verb in theirs} == set(VERBS) - set(gone)
            for verb in gone:
                assert await condition(client, NODE + verb) == "item-not-found"

    try:
        reload(service, lambda text: text.replace("    resets: true\n", "    resets: false\n"))
        await without("reset")
        reload(service, lambda text: text.replace("    links: true\n", "    links: false\n"))
        await without("reset", "invite")
    finally:
        reload(service, lambda _: kept)


@pytest.mark.attack("a moderator's account in wrong hands")
async def test_off_means_gone(service: Service, team: Team) -> None:
    """In sessions that go on. Without the setting there are no commands, and no open reports."""
    kept = service.host.file(CONFIGURATION).content_string
    filled = submission(account="nobody-here")
    try:
        async with login(service, team.one) as client, login(service, team.other) as other:
            session = (await ask(client, f"{NODE}account")).get("sessionid", "")
            reload(service, lambda text: with_moderators(text, team.other.jid))
            assert await condition(client, f"{NODE}account", filled, sessionid=session) == "item-not-found"
            assert (await ask(other, f"{NODE}account")).get("status") == "executing"
            reload(service, without_moderators)
            for one in (client, other):
                assert not any(node.startswith(NODE) for node in await listed(one))
                assert await condition(one, f"{NODE}account", filled, sessionid=session) == "item-not-found"
        assert sql(service, "SELECT name FROM sqlite_master WHERE name = 'open_reports'") == []
    finally:
        reload(service, lambda _: kept)
    assert sql(service, "SELECT count(*) FROM open_reports") == [[0]]


def test_names_of_moderators_cannot_be_registered(service: Service, team: Team) -> None:
    """Whose account was deleted stays a moderator until the setting changes."""
    names = [team.one.name, "admin", f"person-{secrets.token_hex(5)}"]
    assert run_in_erlang(service, RULE, service.domain, *names).split() == ["deny", "deny", "allow"]
