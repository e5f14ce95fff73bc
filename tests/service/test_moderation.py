# SPDX-License-Identifier: GPL-3.0-or-later
"""What moderators do, and what the administrators are told about it."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from ..kit.clients import login, report
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.moderators import (
    BODY,
    CONFIGURATION,
    DATA,
    NODE,
    Done,
    Team,
    ask,
    moderating,
    reload,
    run,
    told,
    upload,
    with_moderators,
)
from ..kit.newcomer import refusal as stream_refusal
from ..kit.newcomer import show_invitation
from ..kit.rooms import PRIVATE, PUBLIC, configure, enter, made_room, refusal
from ..kit.service import PATIENCE, Account, Register, Service, sql
from ..kit.stream import connected
from ..kit.uploads import files_of

OF_ONE = 20  # open reports by one account


async def test_report_is_open_until_a_moderator_closes_it(
    service: Service, team: Team, register: Register, admin: Account
) -> None:
    alice, mallory, bob = register(3)
    text = f"<Ärger> {secrets.token_hex(8)}"
    async with moderating(service, team, admin) as (client, operator), login(service, alice) as other:
        await report(other, mallory.jid, text, "abuse")
        await report(other, bob.jid, "second")
        notice = await client.messages.get(lambda stanza: "/moderation" in stanza.findtext(BODY, ""))
        form = await ask(client, f"{NODE}reports")
        shown = [
            field.findtext(f"{DATA}value", "") for field in form.iter(f"{DATA}field") if field.get("type") == "fixed"
        ]
        options = {
            option.get("label", "").partition(". ")[2]: option.findtext(f"{DATA}value", "")
            for option in form.iter(f"{DATA}option")
        }
        done = await run(client, "reports", done=[options[mallory.jid], "x; DROP TABLE users"])
        said = await told(operator, f"about {mallory.jid}")
    words = {body.get("{http://www.w3.org/XML/1998/namespace}lang"): body.text or "" for body in notice.iter(BODY)}
    assert {language: text.split()[0] for language, text in words.items()} == {"de": "Es", "en": "There"}
    assert mallory.name not in "".join(words.values()), "the notice is kept, the report is not"
    (found,) = (one for one in shown if mallory.jid in one)
    assert f"by: {alice.jid}" in found
    assert f"> {text}" in found
    assert done == Done(True, f"Closed: {mallory.jid}", {})
    assert said == f"Moderator {team.one.jid} has closed reports about {mallory.jid}"
    assert sql(service, f"SELECT about, words FROM open_reports WHERE reporter = '{alice.jid}'") == [
        [bob.jid, "second"]
    ]
    service.unregister([bob])
    assert sql(service, f"SELECT about FROM open_reports WHERE reporter = '{alice.jid}'") == []


@pytest.mark.attack("SQL in what a user writes, hidden from the quoting by an accent on a quote")
async def test_words_of_a_report_are_words(service: Service, team: Team, register: Register, admin: Account) -> None:
    """An accent that follows a quote makes one character of both, which a search by characters does not find."""
    alice, mallory, bob = register(3)
    hidden = f"'\u0301 || (SELECT group_concat(username) FROM users) || '\u0301 {secrets.token_hex(4)}"
    more = "x'\u0301 UNION ALL SELECT server_host, '2000-01-01', username, username, 'spam', 'all' FROM users --"
    async with moderating(service, team, admin) as (client, operator), login(service, alice) as other:
        for about, words in ((mallory, hidden), (bob, more)):
            await report(other, about.jid, words)
            await told(operator, f"about: {about.jid}")
        await ask(client, f"{NODE}reports")
    found = sql(service, f"SELECT about, words FROM open_reports WHERE reporter = '{alice.jid}'")
    assert found == [[mallory.jid, hidden], [bob.jid, more]]
    assert sql(service, "SELECT count(*) FROM open_reports WHERE day = '2000-01-01'") == [[0]]


@pytest.mark.attack("filling the list of open reports with one account")
async def test_one_reporter_does_not_fill_the_list(
    service: Service, team: Team, register: Register, admin: Account
) -> None:
    """What it has reported before stays; the administrators get the rest as well."""
    (alice,) = register(1)
    rows = ", ".join(
        f"('{service.domain}', date('now'), 'x{number}@elsewhere.example', '{alice.jid}', 'spam', '')"
        for number in range(OF_ONE)
    )
    columns = "server_host, day, about, reporter, kind, words"
    run_in_erlang(service, STATEMENT, service.domain, f"INSERT INTO open_reports ({columns}) VALUES {rows}")
    async with login(service, alice) as client, login(service, admin) as operator:
        await operator.online()
        await report(client, "one-more@elsewhere.example")
        await told(operator, "about: one-more@elsewhere.example")
    assert sql(service, f"SELECT count(*) FROM open_reports WHERE reporter = '{alice.jid}'") == [[OF_ONE]]
    run_in_erlang(service, STATEMENT, service.domain, f"DELETE FROM open_reports WHERE reporter = '{alice.jid}'")


async def test_reports_about_somebody_in_a_room_are_the_administrators(
    service: Service, team: Team, register: Register, admin: Account
) -> None:
    """It may be a moderator; nor are those about an account that has become one since."""
    alice, mallory = register(2)
    async with moderating(service, team, admin) as (_, operator), login(service, alice) as client:
        nick = f"support@{service.name('muc')}/somebody"
        for about in (nick, mallory.jid):
            await report(client, about)
            await told(operator, f"about: {about}")
    about = f"SELECT about FROM open_reports WHERE reporter = '{alice.jid}'"
    assert sql(service, about) == [[mallory.jid]]
    kept = service.host.file(CONFIGURATION).content_string
    everybody = [f"admin@{service.domain}", *(account.jid for account in (*team, mallory))]
    reload(service, lambda text: with_moderators(text, *everybody))
    try:
        assert sql(service, about) == []
    finally:
        reload(service, lambda _: kept)


async def test_old_reports_go(service: Service, team: Team, register: Register, admin: Account) -> None:
    alice, mallory, bob = register(3)
    async with login(service, alice) as client, login(service, admin) as operator:
        await operator.online()
        for about in (mallory, bob):
            await report(client, about.jid)
            await told(operator, f"about: {about.jid}")
    statement = f"UPDATE open_reports SET day = date('now', '-30 days') WHERE about = '{mallory.jid}'"
    run_in_erlang(service, STATEMENT, service.domain, statement)
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert sql(service, f"SELECT about FROM open_reports WHERE reporter = '{alice.jid}'") == [[bob.jid]]


async def test_ban_and_its_end(service: Service, team: Team, register: Register, admin: Account) -> None:
    """The ban is that of the playbook, which lists it and its reason."""
    (mallory,) = register(1)
    async with moderating(service, team, admin) as (client, operator):
        before = await run(client, "account", account=mallory.name)
        assert (await run(client, "ban", account=mallory.jid)).words == "Please say why."
        async with login(service, mallory) as other:
            await other.online()
            banned = await run(client, "ban", account=mallory.jid, reason="sent 20 messages\nby: nobody")
            await asyncio.wait_for(other.disconnected, PATIENCE)
        with connected(service) as stream:
            stream.starttls()
            stream.scram("SCRAM-SHA-512", mallory)
            bound = stream.query("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
        assert stream_refusal(bound) == "not-allowed"
        said = await told(operator, f"has banned {mallory.jid}")
        during = await run(client, "account", account=f"xmpp:{mallory.jid}")
        members, stored = service.api(
            ("srg_get_members", {"group": "banned", "host": service.domain}),
            (
                "private_get",
                {"user": mallory.name, "host": service.domain, "element": "banned", "ns": "conexizan:banned"},
            ),
        )
        lifted = await run(client, "unban", account=mallory.jid)
        assert not (await run(client, "unban", account=mallory.jid)).well
        await told(operator, f"has lifted the ban of {mallory.jid}")
    (left,) = service.api(("srg_get_members", {"group": "banned", "host": service.domain}))
    assert before.words.splitlines() == [
        mallory.jid,
        "Created: " + service.host.check_output("date -u +%F"),
        "Not banned",
    ]
    assert banned.well
    assert said == f"Moderator {team.one.jid} has banned {mallory.jid}: sent 20 messages by: nobody"
    assert during.words.splitlines()[2:] == ["Banned: sent 20 messages by: nobody"]
    assert mallory.jid in members
    assert "sent 20 messages by: nobody" in str(stored)
    assert lifted.well
    assert mallory.jid not in left
    assert sql(service, f"SELECT count(*) FROM private_storage WHERE username = '{mallory.name}'") == [[0]]
    async with login(service, mallory):
        pass


async def test_sessions_end(service: Service, team: Team, register: Register, admin: Account) -> None:
    (alice,) = register(1)
    async with moderating(service, team, admin) as (client, operator), login(service, alice) as other:
        await other.online()
        done = await run(client, "sessions", account=alice.jid)
        await asyncio.wait_for(other.disconnected, PATIENCE)
        await told(operator, f"has ended 1 sessions of {alice.jid}")
        assert not (await run(client, "sessions", account="nobody-here")).well
    assert done.words == f"1 sessions of {alice.jid} are ended."


async def test_file_is_deleted_by_its_link(service: Service, team: Team, register: Register, admin: Account) -> None:
    """Also by that of an encrypted one, whose key nobody is told; no other path is taken."""
    (alice,) = register(1)
    async with moderating(service, team, admin) as (client, operator), login(service, alice) as other:
        links = [await upload(service, other) for _ in range(2)]
        kept = links.pop()
        parts = kept.rsplit("/", 2)
        wrong = [
            f"{kept}x",
            f"{parts[0]}/{parts[1]}/..%2F..%2F{parts[2]}",
            f"{parts[0]}/{parts[1]}/%2e%2e",
            kept.replace(service.domain, "elsewhere.example"),
            service.name("upload"),
        ]
        for link in wrong:
            assert not (await run(client, "upload", link=link)).well, link
        assert len(files_of(service, alice)) == 2
        done = await run(client, "upload", link=links[0].replace("https:", "aesgcm:") + "#" + "a" * 88)
        assert done.well, done
        said = await told(operator, "has deleted the file")
    assert said.endswith(links[0].removeprefix("https:"))
    assert [(await service.fetch("GET", link)).status for link in (links[0], kept)] == [404, 200]


async def test_public_room_is_destroyed_private_rooms_are_not_there(
    service: Service, team: Team, register: Register, admin: Account
) -> None:
    alice, mallory = register(2)
    async with moderating(service, team, admin) as (client, operator), login(service, alice) as owner:
        async with made_room(owner, **PRIVATE) as private, made_room(owner, **PUBLIC) as public:
            for verb in ("destroy", "outcast"):
                answers = [
                    await run(client, verb, room=room, account=mallory.jid, reason="x")
                    for room in (private, f"none-{private}", f"x@{service.domain}")
                ]
                assert answers == [Done(False, "There is no such public room.", {})] * 3
            assert not (await run(client, "outcast", room=public, account=alice.jid, reason="x")).well
            for who in (mallory.jid, "stranger@elsewhere.example"):
                assert (await run(client, "outcast", room=public, account=who, reason="spam")).well
            await told(operator, f"has banned {mallory.jid} from the room {public}: spam")
            async with login(service, mallory) as other:
                assert refusal(await enter(other, public, "mallory")) == "forbidden"
            await owner.query("get", "<query xmlns='http://jabber.org/protocol/muc#owner'/>", to=private)
        room = f"room-{secrets.token_hex(6)}@{service.name('muc')}"
        await enter(owner, room, "owner")
        await configure(owner, room, publicroom="1")
        assert (
            await run(client, "destroy", room=room.partition("@")[0], reason="hate</reason><x/>&\u202e\nby: x")
        ).well
        gone = await owner.presences.get(
            lambda stanza: stanza.get("from") == f"{room}/owner" and stanza.get("type") == "unavailable"
        )
        said = await told(operator, f"has destroyed the room {room}")
    words = "hate</reason><x/>& by: x"
    assert gone.findtext(".//{http://jabber.org/protocol/muc#user}reason") == words, "no elements of the moderator's"
    assert said.endswith(f": {words}")


async def test_link_for_a_new_password_is_words_to_its_owner(
    service: Service, team: Team, register: Register, admin: Account
) -> None:
    (alice,) = register(1)
    async with moderating(service, team, admin) as (client, operator), login(service, alice) as other:
        await other.online()
        first, second = [(await run(client, "reset", account=alice.jid)).fields["link"] for _ in range(2)]
        await told(other, "assw")  # in the first language of the site
        said = await told(operator, f"has made a link to set a new password for {alice.jid}")
        made = await run(client, "invite")
        invitation = made.fields["link"]
        assert made.words.endswith(f"\n{invitation}"), "for apps that show no form at the end"
        await told(operator, "has made an invitation")
    assert "preauth" not in said
    tokens = [link.partition("preauth=")[2] for link in (first, second, invitation)]
    valid = []
    for token in tokens:
        with connected(service) as stream:
            stream.starttls()
            valid.append(stream_refusal(show_invitation(stream, token)))
    assert valid == ["item-not-found", "", ""], "a new link replaces the one before"
