# SPDX-License-Identifier: GPL-3.0-or-later
"""An account that a stranger has created reaches few strangers in its first days, and everybody whom it knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import Client, login
from ..kit.erlang import run_in_erlang
from ..kit.newcomer import ask_for, invite, is_newcomer, newcomer, refusal, reset_limits, show_invitation
from ..kit.rooms import PUBLIC, USER, made_room
from ..kit.service import Account, Register, Service
from ..kit.strangers import befriended, elsewhere
from ..kit.stream import connected

PEOPLE = 10  # strangers whom a newcomer reaches at once
SESSIONS = 4
MINUTES = 20  # until one more is reached
HEARD = 200  # strangers who write to a newcomer and can be answered
DAYS = 3  # roles/xmpp/defaults/main.yml
DAY = 86400
STATUS, SHOW = "{jabber:client}status", "{jabber:client}show"
NICK = "http://jabber.org/protocol/nick"
REASON = "{urn:ietf:params:xml:ns:xmpp-stanzas}resource-constraint"
SAID = {"en": "In its first days, a new account", "de": "Ein neues Konto kann in seinen ersten Tagen"}
# For how many seconds each newcomer is still one.
_LEFT = """run([]) ->
    Now = erlang:monotonic_time(millisecond),
    [io:format("~b~n", [(Time - Now) div 1000]) || {_, Time} <- ets:tab2list(mod_xmpp_newcomers), is_integer(Time)].
"""
# As if so many seconds had passed, for a table.
_PASS = """run([Name, Seconds]) ->
    Table = list_to_atom(Name),
    Moved = [{Key, Time - list_to_integer(Seconds) * 1000} || {Key, Time} <- ets:tab2list(Table), is_integer(Time)],
    true = ets:insert(Table, Moved).
"""
# So many people elsewhere write to an address; how many entries the table has more, then.
_FLOOD = """run([To, Number]) ->
    Before = ets:info(mod_xmpp_newcomers_people, size),
    Body = {xmlel, <<"body">>, [], [{xmlcdata, <<"hello">>}]},
    Write = fun(N) ->
        From = <<(integer_to_binary(N))/binary, "@flood.example">>,
        Attributes = [{<<"from">>, From}, {<<"to">>, list_to_binary(To)}, {<<"type">>, <<"chat">>}],
        Message = {xmlel, <<"message">>, Attributes, [Body]},
        ejabberd_router:route(xmpp:decode(Message, <<"jabber:client">>, [ignore_els]))
    end,
    [Write(N) || N <- lists:seq(1, list_to_integer(Number))],
    io:format("~b", [ets:info(mod_xmpp_newcomers_people, size) - Before]).
"""
# As xmpp_contact_addresses has it.
_CONTACT = """run([Host, Address]) ->
    Options = #{contacts => [jid:decode(list_to_binary(Address))]},
    gen_mod:update_module(list_to_binary(Host), mod_xmpp_newcomers, Options).
"""

pytestmark = pytest.mark.usefixtures("limits_reset_before", "limits_reset_after")


@pytest.fixture
def mallory(service: Service) -> Iterator[Account]:
    """Somebody who has come in like everybody else, just now."""
    account = newcomer()
    come(service, account)
    yield account
    service.unregister([account])


def come(service: Service, account: Account, token: str = "") -> None:
    """Create an account as a stranger, or as somebody with an invitation."""
    with connected(service) as stream:
        stream.starttls()
        if token:
            assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, account)) == ""


def left(service: Service) -> list[int]:
    return [int(line) for line in run_in_erlang(service, _LEFT).split()]


async def write_to_strangers(client: Client, people: list[Account]) -> None:
    """To as many as a newcomer reaches at once: half of them here, half of them elsewhere. Writing again is free."""
    for person in people[: PEOPLE // 2]:
        client.say(person.jid, "buy")
        client.say(person.jid, "cheap")
    for number in range(PEOPLE // 2):
        if number % 2:
            client.send_raw(f"<presence to='{elsewhere()}'><status>buy</status></presence>")
        else:
            client.say(elsewhere(), "buy")
    client.say(client.boundjid.bare, "all of it was sent")
    await client.hear("all of it was sent")


async def refused(client: Client, to: str) -> ET.Element:
    """What the server says to a stanza to somebody who is not reached."""
    return await client.messages.get(
        lambda stanza: (
            stanza.get("type") == "error" and stanza.get("from") == to and stanza.find(f".//{REASON}") is not None
        )
    )


@pytest.mark.attack("spam by accounts that were created for it, with `xmpp_registration: open`")
async def test_newcomer_reaches_few_strangers(
    service: Service, register: Register, admin: Account, mallory: Account
) -> None:
    """Not by messages, nor by invitations to rooms, requests or presence; neither here nor elsewhere."""
    *people, late, later, last, contact = register(PEOPLE // 2 + 4)
    async with login(service, late) as receiver, login(service, last) as asking, login(service, mallory) as client:
        await receiver.online()
        await asking.online()
        asking.say(mallory.jid, "who are you")  # who was away
        await asking.query("get", "<ping xmlns='urn:xmpp:ping'/>")
        await client.online()
        await client.hear("who are you")
        await write_to_strangers(client, people)
        for language, said in SAID.items():
            client.send_raw(f"<message to='{late.jid}' type='chat' xml:lang='{language}'><body>buy</body></message>")
            text = (await refused(client, late.jid)).findtext(".//{urn:ietf:params:xml:ns:xmpp-stanzas}text", "")
            assert said in text
        run_in_erlang(service, _PASS, "mod_xmpp_newcomers_people", str(MINUTES * 60))
        client.say(elsewhere(), "buy")
        stranger = elsewhere()
        client.say(stranger, "buy")
        await refused(client, stranger)
        client.send_raw(f"<presence to='{later.jid}' type='subscribe'/>")
        await client.presences.get(
            lambda stanza: stanza.get("from") == later.jid and stanza.find(f".//{REASON}") is not None
        )
        # Presence to somebody arrives without words, of whatever type it is; who was reached gets them.
        for words in (
            "<status>buy</status>",
            "<status xml:lang='de'>buy</status><status>buy</status>",
            f"<nick xmlns='{NICK}'>buy</nick>",
        ):
            client.send_raw(f"<presence to='{late.jid}'><show>away</show>{words}</presence>")
            shown = await receiver.presences.get(lambda stanza: stanza.get("from") == client.boundjid.full)
            assert [child.tag for child in shown if child.tag in (SHOW, STATUS, f"{{{NICK}}}nick")] == [SHOW]
        client.send_raw(f"<presence to='{late.jid}' type='unavailable'><status>buy</status></presence>")
        shown = await receiver.presences.get(lambda stanza: stanza.get("type") == "unavailable")
        assert shown.find(STATUS) is None
        client.send_raw(f"<presence to='{last.jid}'><status>an answer</status></presence>")
        shown = await asking.presences.get(lambda stanza: stanza.get("from") == client.boundjid.full)
        assert shown.findtext(STATUS) == "an answer"
        async with made_room(client, **PUBLIC) as room:
            client.send_raw(f"<presence to='{room}/owner'><status>to all in the room</status></presence>")
            await client.presences.get(lambda stanza: stanza.findtext(STATUS) == "to all in the room")
            inside = f"<invite to='{late.jid}'><reason>buy</reason></invite>"
            client.send_raw(f"<message to='{room}'><x xmlns='{USER[1:-1]}'>{inside}</x></message>")
            await refused(client, room)
            declines = f"<x xmlns='{USER[1:-1]}'><decline to='{late.jid}'/></x>"
            client.send_raw(f"<message to='{room}'>{declines}</message>")
            await refused(client, room)
            # An invitation for somebody who was reached, in words to somebody who was not.
            inside = f"<invite to='{people[0].jid}'/>"
            client.send_raw(f"<message to='{later.jid}'><body>buy</body><x xmlns='{USER[1:-1]}'>{inside}</x></message>")
            await refused(client, later.jid)
            client.say(f"{room}/somebody", "buy")
            await refused(client, f"{room}/somebody")
            client.say(room, "rooms do not count", kind="groupchat")
            await client.hear("rooms do not count")
        # Who was reached, who has written first, a contact, an administrator and a contact address still are.
        client.say(people[0].jid, "again")
        client.say(last.jid, "an answer")
        await asking.hear("an answer")
        run_in_erlang(service, _CONTACT, service.domain, contact.jid)
        client.say(contact.jid, "help")
        client.say(admin.jid, "help")
        await client.query("get", "<ping xmlns='urn:xmpp:ping'/>")
        run_in_erlang(service, _CONTACT, service.domain, admin.jid)
        befriended_here(service, mallory, late)
        client.say(late.jid, "to a friend")
        await receiver.hear("to a friend")
        assert receiver.presences.all(lambda stanza: "buy" in ET.tostring(stanza, encoding="unicode")) == []
        assert receiver.messages.all(lambda stanza: "buy" in ET.tostring(stanza, encoding="unicode")) == []
        limited = client.messages.all(lambda stanza: stanza.find(f".//{REASON}") is not None)
        assert [stanza.get("from") for stanza in limited] == []


@pytest.mark.attack("spam by accounts that were created for it, with `xmpp_registration: open`")
@pytest.mark.attack("filling the memory of whom newcomers know, from elsewhere")
async def test_strangers_who_write_to_a_newcomer_are_few(service: Service, mallory: Account) -> None:
    """A full memory would let no newcomer write to anybody: of one newcomer's strangers some are remembered."""
    async with login(service, mallory) as client:
        await client.online()
        more = run_in_erlang(service, _FLOOD, client.boundjid.full, str(2 * HEARD))
        assert HEARD < int(more) <= HEARD + 2


async def test_sessions_of_a_newcomer_reach_no_more_than_one(service: Service, mallory: Account) -> None:
    """All of them write at the same moment."""
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(login(service, mallory)) for _ in range(SESSIONS)]
        for session in sessions:
            await session.online()
        for _ in range(PEOPLE):
            for session in sessions:
                session.say(elsewhere(), "buy")
        too_many = 0
        for session in sessions:
            for _ in range(PEOPLE):
                error = await session.messages.get(lambda stanza: stanza.get("type") == "error")
                too_many += error.find(f".//{REASON}") is not None
    assert too_many == (SESSIONS - 1) * PEOPLE


def befriended_here(service: Service, account: Account, friend: Account) -> None:
    """The friend is among the contacts of the account."""
    befriended(service, account, friend.jid)


@pytest.mark.attack("spam by accounts that were created for it, with `xmpp_registration: open`")
async def test_newcomer_is_one_for_days_and_not_for_longer(
    service: Service, register: Register, mallory: Account
) -> None:
    """Until the same midnight for all of a day; a restart changes nothing; nobody's name is kept."""
    (time_left,) = left(service)
    assert is_newcomer(service, mallory)
    clock = int(service.host.check_output("date +%s"))
    assert DAYS * DAY <= time_left <= (DAYS + 1) * DAY
    assert abs((clock + time_left + DAY // 2) % DAY - DAY // 2) < 30
    service.restart()
    assert 0 <= time_left - left(service)[0] < 300
    kept = "/run/xmpp-guard/mod_xmpp_newcomers"
    assert service.host.run("grep --text --quiet %s %s", mallory.name, kept).rc == 1
    people = register(PEOPLE // 2 + 1)
    async with login(service, mallory) as client:
        await client.online()
        await write_to_strangers(client, people)
        client.say(people[-1].jid, "buy")
        await refused(client, people[-1].jid)
        run_in_erlang(service, _PASS, "mod_xmpp_newcomers", str((DAYS + 1) * DAY))
        async with login(service, people[-1]) as receiver:
            await receiver.online()
            client.say(people[-1].jid, "good day")
            await receiver.hear("good day")


def test_who_is_vouched_for_is_no_newcomer(service: Service, register: Register) -> None:
    """Neither those whom the operator has made nor the invited, nor who gets the name of a deleted account."""
    made = [newcomer(), newcomer()]
    try:
        register(1)
        come(service, made[0], invite(service))
        assert left(service) == []
        reset_limits(service)  # or who comes from one address would have to wait
        come(service, made[1])
        assert len(left(service)) == 1
        service.unregister([made[1]])
        assert [seconds for seconds in left(service) if seconds > 0] == []
    finally:
        service.unregister(made)
