# SPDX-License-Identifier: GPL-3.0-or-later
"""An account is deleted: nothing that names it stays with others here, and who takes its name inherits nothing."""

from __future__ import annotations

import secrets
import shlex
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from ..kit.clients import Client, Inbox, affiliate, befriend, login
from ..kit.erlang import run_in_erlang
from ..kit.inviters import COMMANDS
from ..kit.newcomer import REGISTER
from ..kit.rooms import PRIVATE, PUBLIC, configure, enter, made_room, refusal
from ..kit.service import DATABASE, Account, Register, Service, sql
from ..kit.stream import ask_token
from ..kit.uploads import ask_slot, files_of

PUBSUB = "http://jabber.org/protocol/pubsub"
HATS = "urn:xmpp:hats:commands"
ROSTER_PUSH = "{jabber:client}iq/{jabber:iq:roster}query"


def rows_with(service: Service, text: str) -> list[str]:
    """Where the database holds a text, for the message of a test that failed."""
    script = f"import sqlite3\nfor row in sqlite3.connect({DATABASE!r}).iterdump(): print(repr(row))"
    dump = service.host.check_output(shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", script]))
    return [row for row in dump.splitlines() if text in row]


async def ask_push(client: Client) -> None:
    """Notifications go to a service somewhere (XEP-0357)."""
    await client.query("set", "<enable xmlns='urn:xmpp:push:0' jid='push.elsewhere.example' node='device'/>")


def preferences(always: list[str], never: list[str]) -> str:
    """Whom the archive takes, where the default does not say it (XEP-0441)."""
    lists = {"always": always, "never": never}
    inside = "".join(f"<{name}>{''.join(f'<jid>{jid}</jid>' for jid in jids)}</{name}>" for name, jids in lists.items())
    return f"<prefs xmlns='urn:xmpp:mam:2' default='never'>{inside}</prefs>"


async def make_room(client: Client, **fields: str) -> str:
    """A room that stays."""
    room = f"room-{secrets.token_hex(6)}@{client.service.name('muc')}"
    await enter(client, room, "owner")
    await configure(client, room, **fields)
    return room


async def pubsub(client: Client, inside: str, to: str, owner: str = "") -> ET.Element:
    return await client.query("set", f"<pubsub xmlns='{PUBSUB}{owner}'>{inside}</pubsub>", to=to)


async def command(client: Client, room: str, node: str, **fields: str) -> None:
    """Runs a command of a room that has hats (XEP-0317)."""
    inside = "".join(
        f"<field var='{name.replace('_', '#')}'><value>{value}</value></field>" for name, value in fields.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{inside}</x>"
    await client.query(
        "set", f"<command xmlns='{COMMANDS}' node='{HATS}:{node}' action='complete'>{form}</command>", to=room
    )


async def leave_traces(
    service: Service, alice: Client, bob: Client, with_her: str, without_her: str
) -> tuple[str, str]:
    """Alice is named wherever one can be, also in two rooms of Bob's; returns rooms: hers with Bob, hers alone."""
    shared, hidden = await make_room(alice, **PRIVATE), await make_room(alice, **PRIVATE)
    await affiliate(bob, with_her, alice.boundjid.bare, "admin")
    await affiliate(bob, without_her, alice.boundjid.bare, "outcast")
    await command(bob, with_her, "create", hats_uri="urn:test:hat", hats_title="Reader")
    await command(bob, with_her, "assign", hats_jid=alice.boundjid.bare, hat="urn:test:hat")
    await configure(bob, without_her, captcha_whitelist=alice.boundjid.full)
    await affiliate(alice, shared, bob.boundjid.bare, "member")
    await enter(alice, with_her, "alice")
    alice.send_raw(f"<message to='{with_her}' type='groupchat'><subject>Welcome</subject></message>")
    await bob.messages.get(lambda stanza: stanza.findtext("{jabber:client}subject") == "Welcome")
    events = "<event node='urn:xmpp:mucsub:nodes:messages'/>"
    await alice.query("set", f"<subscribe xmlns='urn:xmpp:mucsub:0' nick='alice'>{events}</subscribe>", to=with_her)
    for entity in (with_her, service.name("muc")):
        nick = f"<field var='muc#register_roomnick'><value>nick{secrets.token_hex(4)}</value></field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{nick}</x>"
        await alice.query("set", f"<query xmlns='{REGISTER}'>{form}</query>", to=entity)
    await pubsub(
        bob, "<publish node='urn:test:news'><item id='1'><x xmlns='urn:test'/></item></publish>", bob.boundjid.bare
    )
    subscribe = f"<subscribe node='urn:test:news' jid='{alice.boundjid.bare}'/>"
    await pubsub(alice, subscribe, bob.boundjid.bare)
    there, node = service.name("pubsub"), f"node-{secrets.token_hex(4)}"
    await pubsub(bob, f"<create node='{node}'/>", there)
    publisher = f"<affiliation jid='{alice.boundjid.bare}' affiliation='publisher'/>"
    await pubsub(bob, f"<affiliations node='{node}'>{publisher}</affiliations>", there, "#owner")
    await pubsub(alice, f"<publish node='{node}'><item id='hers'><x xmlns='urn:test'/></item></publish>", there)
    await pubsub(alice, f"<subscribe node='{node}' jid='{alice.boundjid.bare}'/>", there)
    await ask_push(alice)
    return shared, hidden


@pytest.mark.parametrize("by", ["app", "operator"])
async def test_nothing_of_a_deleted_account_stays_with_others(service: Service, register: Register, by: str) -> None:
    one, other, third = register(3)
    ask_token(service, one)
    pushes = Inbox()
    async with (
        login(service, other) as bob,
        made_room(bob, **PUBLIC) as with_her,
        made_room(bob, **PUBLIC) as without_her,
    ):
        await bob.query("set", preferences([third.jid], [third.jid, one.jid]))
        await bob.online()
        bob.register_handler(Callback("roster pushes", MatchXPath(ROSTER_PUSH), pushes.put))
        async with login(service, one) as alice:
            await alice.online()
            await befriend(alice, bob)
            shared, hidden = await leave_traces(service, alice, bob, with_her, without_her)
            service.checkpoint()
            assert service.stored(one.name)
            if by == "app":
                alice.send_raw(f"<iq type='set' id='delete'><query xmlns='{REGISTER}'><remove/></query></iq>")
                await alice.disconnected
            else:
                service.unregister([one])
        removed = f".//{{jabber:iq:roster}}item[@jid='{one.jid}'][@subscription='remove']"
        await pushes.get(lambda stanza: stanza.find(removed) is not None)
        service.checkpoint()
        assert not service.stored(one.name), rows_with(service, one.name)
        left = await bob.query("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
        assert [jid.text for jid in left.iter("{urn:xmpp:mam:2}jid")] == [third.jid, third.jid]

        password = service.api(("register", {"user": one.name, "host": service.domain}))[0]
        async with login(service, Account(one.name, password, service.domain)) as namesake:
            await namesake.online()
            assert (await enter(namesake, without_her, "namesake")).get("type") is None
            assert refusal(await enter(namesake, shared, "namesake")) == "registration-required"
            with pytest.raises(IqError):
                await affiliate(namesake, with_her, third.jid, "member")
            with pytest.raises(IqError):
                await namesake.announced(hidden)
            # Who takes the name of the room gets a new one.
            assert (await enter(namesake, hidden, "namesake")).get("type") is None
        assert (await enter(bob, shared, "bob")).get("type") is None, "a room with members lives on"


async def test_room_goes_with_the_last_of_its_people(service: Service, register: Register) -> None:
    """Who is no owner cannot end it, and its name and subject would stay for ever."""
    alice, bob = register(2)
    async with login(service, alice) as member:
        async with login(service, bob) as owner:
            room = await make_room(owner, **PRIVATE)
            await affiliate(owner, room, alice.jid, "member")
        service.unregister([bob])
        assert (await enter(member, room, "alice")).get("type") is None
    service.unregister([alice])
    [rooms] = service.api(("muc_online_rooms", {"service": service.name("muc")}))
    assert room not in rooms


# A room that hangs: root stops it, and lets it go on.
_HANG = """run([Verb, Name, Service]) ->
    {ok, Room} = mod_muc:find_online_room(list_to_binary(Name), list_to_binary(Service)),
    ok = sys:(list_to_atom(Verb))(Room).
"""


async def test_room_that_does_not_let_go_of_the_deleted_is_told(service: Service, register: Register) -> None:
    """To the operator, without saying whom; all others do let go."""
    alice, bob = register(2)
    async with login(service, bob) as owner, made_room(owner, **PRIVATE) as hangs, made_room(owner, **PRIVATE) as works:
        for room in (hangs, works):
            await affiliate(owner, room, alice.jid, "member")
        start = service.host.check_output("date +%s.%N")
        run_in_erlang(service, _HANG, "suspend", *hangs.split("@"))
        try:
            service.unregister([alice])
            journal = service.host.check_output(f"journalctl --unit=ejabberd --output=cat --since=@{start}")
        finally:
            run_in_erlang(service, _HANG, "resume", *hangs.split("@"))
        assert "what was deleted may still be named in a room" in journal
        assert not [name for name in (alice.name, *hangs.split("@")) if name in journal]
        name, _, muc = works.partition("@")
        [affiliations] = service.api(("get_room_affiliations", {"room": name, "service": muc}))
        assert [entry["jid"] for entry in affiliations] == [bob.jid]


async def test_names_reserved_in_a_room_go_with_it(service: Service, register: Register) -> None:
    alice, bob = register(2)
    nick = f"nick{secrets.token_hex(4)}"
    async with login(service, alice) as owner, login(service, bob) as other:
        async with made_room(owner, **PUBLIC) as room:
            field = f"<field var='muc#register_roomnick'><value>{nick}</value></field>"
            form = f"<x xmlns='jabber:x:data' type='submit'>{field}</x>"
            await owner.query("set", f"<query xmlns='{REGISTER}'>{form}</query>", to=room)
            assert refusal(await enter(other, room, nick)) == "conflict"
        assert sql(service, f"SELECT nick FROM muc_registered WHERE nick = '{nick}'") == []


async def test_name_of_many_code_points_is_deleted_as_well(service: Service, register: Register) -> None:
    """What SQLite and Erlang take for a letter differs."""
    (bob,) = register(1)
    name = f"g\u0331\u0308\u0301-{secrets.token_hex(4)}"
    password = service.api(("register", {"user": name, "host": service.domain}))[0]
    account = Account(name, password, service.domain)
    there, node = service.name("pubsub"), f"node-{secrets.token_hex(4)}"
    async with login(service, bob) as keeper:
        await pubsub(keeper, f"<create node='{node}'/>", there)
        await keeper.query("set", preferences([bob.jid], [account.jid]))
        async with login(service, account) as client:
            await pubsub(client, f"<subscribe node='{node}' jid='{client.boundjid.full}'/>", there)
        service.unregister([account])
        left = sql(service, "SELECT jid FROM pubsub_state")
        kept = sql(service, f"SELECT always, never FROM archive_prefs WHERE username = '{bob.name}'")
        await pubsub(keeper, f"<delete node='{node}'/>", there, "#owner")
    assert [(bob.name in always, never) for always, never in kept] == [(True, "[]")]
    assert not [jid for (jid,) in left if jid.startswith(name)]


async def test_file_that_came_after_the_deletion_is_removed(service: Service, register: Register) -> None:
    """A slot that was handed out before still takes a file."""
    alice, bob = register(2)
    async with login(service, alice) as client, login(service, bob) as friend:
        slot = await ask_slot(client, "note.txt", 5)
        kept = await ask_slot(friend, "note.txt", 5)
    service.unregister([alice])
    assert (await service.fetch("PUT", slot.put, data=b"hello")).status == 201
    assert (await service.fetch("PUT", kept.put, data=b"hello")).status == 201
    assert files_of(service, alice) != []
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert files_of(service, alice) == []
    assert files_of(service, bob) != []


async def test_tokens_and_push_that_are_good_for_nothing_leave_the_disk(service: Service, register: Register) -> None:
    alice, bob = register(2)
    for account in (alice, bob):
        ask_token(service, account)
        async with login(service, account) as client:
            await ask_push(client)
    sql(service, f"UPDATE auth_fast_tokens SET expires = datetime('now', '-1 minute') WHERE username = '{alice.name}'")
    sql(service, f"UPDATE push_session SET timestamp = timestamp - 91 * 86400000000 WHERE username = '{alice.name}'")
    (token,), *_ = sql(service, f"SELECT token FROM auth_fast_tokens WHERE username = '{alice.name}'")
    service.host.check_output("systemctl restart xmpp-expire.service")
    for table in ("auth_fast_tokens", "push_session"):
        left = sql(service, f"SELECT username FROM {table} WHERE username IN ('{alice.name}', '{bob.name}')")
        assert left == [[bob.name]], table
    assert not service.stored(token), "freed pages are overwritten"
