# SPDX-License-Identifier: GPL-3.0-or-later
"""An account of xmpp_limited reaches people of this service only, and only these reach it.

Stanzas of people elsewhere are made by ejabberd itself (send_stanza), as its neighbours' would come in.
"""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, login
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.limited import answers
from ..kit.limited import tim as tim
from ..kit.newcomer import newcomer
from ..kit.rooms import OWNER, PRIVATE, PUBLIC, USER, configure, enter, made_room, refusal
from ..kit.service import Account, Register, Service, sql
from ..kit.strangers import befriended, come_in, elsewhere

PING = "<ping xmlns='urn:xmpp:ping'/>"
COMMANDS = "http://jabber.org/protocol/commands"
PUBSUB = "http://jabber.org/protocol/pubsub"
REASON = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
_SUBSCRIBE = """run([Nodes, Node, Address]) ->
    Who = jid:decode(list_to_binary(Address)),
    {result, _} = mod_pubsub:subscribe_node(list_to_binary(Nodes), list_to_binary(Node), Who, Who, []).
"""
# What another server's connection does with a stanza.
_COMES = """run([Host, Stanza]) ->
    Packet = xmpp:decode(fxml_stream:parse_element(list_to_binary(Stanza)), <<"jabber:client">>, [ignore_els]),
    case ejabberd_hooks:run_fold(s2s_receive_packet, list_to_binary(Host), {Packet, #{}}, []) of
        {drop, _} -> ok;
        {Passed, _} -> ejabberd_router:route(Passed)
    end.
"""

# What cannot be understood.
_BREAKS = """run([Child, Person]) ->
    Attributes = [{<<"from">>, list_to_binary(Person)}, {<<"to">>, list_to_binary(Child)}],
    Message = xmpp:decode({xmlel, <<"message">>, Attributes, []}, <<"jabber:client">>, []),
    drop = mod_xmpp_limited:filter(xmpp:set_els(Message, [nonsense])),
    Said = xmpp:set_from_to(Message, xmpp:get_to(Message), xmpp:get_from(Message)),
    {stop, drop} = mod_xmpp_limited:say(Said, no_room, <<"nick">>).
"""


async def says_no(client: Client, kind: str, to: str) -> str:
    """The words of the server's refusal."""
    inbox = client.presences if kind == "presence" else client.messages
    error = await inbox.get(lambda stanza: stanza.get("type") == "error" and stanza.get("from") == to)
    assert error.find(f".//{REASON}not-allowed") is not None, ET.tostring(error)
    return error.findtext(f".//{REASON}text", "")


@pytest.mark.attack("reaching an account of `xmpp_limited` from another server, or another server from it")
async def test_limited_account_reaches_people_here_only(service: Service, register: Register, tim: Account) -> None:
    """By no stanza, not by a contact from before, not by a room that is to invite; nothing of it is archived."""
    (bob,) = register(1)
    stranger, friend = elsewhere(), elsewhere()
    befriended(service, tim, friend)
    async with login(service, tim) as client, login(service, bob) as here:
        await client.online()
        await here.online()
        for person in (stranger, friend):
            client.say(person, "out of here")
            assert "this service only" in await says_no(client, "message", person)
        client.send_raw(f"<presence to='{stranger}' type='subscribe' xml:lang='de-AT'/>")
        assert "nur Leute dieses Dienstes" in await says_no(client, "presence", stranger)
        client.send_raw(f"<presence to='room@muc.{stranger.partition('@')[2]}/tim'/>")
        await says_no(client, "presence", f"room@muc.{stranger.partition('@')[2]}/tim")
        for to in (stranger, stranger.partition("@")[2], service.name("pubsub")):
            with pytest.raises(IqError) as refused:
                await client.query("get", PING, to=to)
            assert refused.value.condition == "not-allowed"
        async with made_room(here, **(PRIVATE | {"allowinvites": "1"})) as room:
            for inside in (f"<invite to='{stranger}'/>", f"<decline to='{stranger}'/>"):
                client.send_raw(f"<message to='{room}'><x xmlns='{USER[1:-1]}'>{inside}</x></message>")
                await says_no(client, "message", room)
        client.say(bob.jid, "to somebody here")
        await here.hear("to somebody here")
        here.say(tim.jid, "and back")
        await client.hear("and back")
        assert await client.archive() == ["to somebody here", "and back"]
        await client.query("get", PING, to=service.domain)


@pytest.mark.attack("reaching an account of `xmpp_limited` from another server, or another server from it")
async def test_nobody_elsewhere_reaches_it_or_learns_of_it(service: Service, register: Register, tim: Account) -> None:
    """Not one answer is another one than about an account that does not exist."""
    (bob,) = register(1)
    nobody = newcomer().jid
    found: list[list[str]] = []
    async with login(service, tim) as client, login(service, bob) as here:
        await client.online()
        for account, resource in ((tim.jid, client.boundjid.resource), (nobody, "none")):
            name, domain = account.split("@")
            # As ejabberd prepares it, an address is not what was typed. And a name that is no name of an account.
            typed, odd = f"{name.capitalize()}@{domain.upper()}", f"nobody+{account}"
            stranger = elsewhere()
            befriended(service, tim, stranger)
            stanzas = [
                "<message type='chat'><body>psst</body></message>",
                "<message><body>psst</body></message>",
                "<message type='headline'><body>psst</body></message>",
                "<presence type='subscribe'/>",
                "<presence type='probe'/>",
                "<presence/>",
                *(
                    f"<iq type='get' id='one'>{inside}</iq>"
                    for inside in (
                        PING,
                        "<vCard xmlns='vcard-temp'/>",
                        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                        "<query xmlns='jabber:iq:last'/>",
                        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:mds'/></pubsub>",
                    )
                ),
            ]
            sent = [
                stanza.replace(" ", f" from='{stranger}' to='{to}' ", 1)
                if " " in stanza.partition(">")[0]
                else stanza.replace("<message>", f"<message from='{stranger}' to='{to}'>").replace(
                    "<presence/>", f"<presence from='{stranger}' to='{to}'/>"
                )
                for stanza in stanzas
                for to in (account, f"{account}/{resource}", f"&#x200D;{typed}/Foo&#xFF21;", odd)
            ]
            said = answers(service, stranger.partition("@")[2], *sent)
            said = (
                said.replace(resource, "RESOURCE")
                .replace(stranger, "STRANGER")
                .replace(typed, "TYPED")
                .replace(odd, "ODD")
            )
            found.append(sorted(said.replace(account, "ACCOUNT").splitlines()))
        here.say(tim.jid, "last")
        await client.hear("last")
        assert client.messages.all(lambda _: True) == []
        assert client.presences.all(lambda presence: "example" in (presence.get("from") or "")) == []
        assert await client.archive() == ["last"]
    assert len(found[0]) > 10
    assert found[0] == found[1]


@pytest.mark.attack("reaching an account of `xmpp_limited` from another server, or another server from it")
async def test_rooms_are_no_way_around(service: Service, register: Register, tim: Account) -> None:
    """It is in rooms for members with people from here, in which nobody from elsewhere can be."""
    (bob,) = register(1)
    stranger = elsewhere()
    async with login(service, tim) as client, login(service, bob) as owner:
        async with made_room(owner, **PUBLIC) as room:
            assert refusal(await enter(client, room, "tim")) == "not-allowed"
        async with made_room(owner, **PRIVATE) as room:
            await affiliate(owner, room, tim.jid, "member")
            await enter(client, room, "tim")
            owner.say(room, "one of us", kind="groupchat")
            await client.hear("one of us")
            # A member from elsewhere cannot come in as long as tim is there, and tim not with such a member.
            await affiliate(owner, room, stranger, "member")
            assert "own server" in knock(service, stranger, room)
            client.say(room, "who is that", kind="groupchat")
            assert "another server" in await says_no(client, "message", room)
            client.send_raw(f"<presence to='{room}/tim' type='unavailable'/>")
            await client.presences.get(
                lambda presence: (
                    presence.get("type") == "unavailable"
                    and presence.find(f"{USER}x/{USER}status[@code='110']") is not None
                )
            )
            assert refusal(await enter(client, room, "tim")) == "not-allowed"
            with pytest.raises(IqError):
                await client.archive(room)
            assert "own server" not in knock(service, stranger, room)
        # Of its own it makes one for members, as apps do.
        room = f"of-{tim.name}-{bob.name}@{service.name('muc')}"
        assert (await enter(client, room, "tim")).find(f"{USER}x/{USER}status[@code='201']") is not None
        await configure(client, room, **PRIVATE)
        assert "own server" in knock(service, stranger, room)
        # Nor does anybody elsewhere learn what the room says of itself.
        asked = ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "<vCard xmlns='vcard-temp'/>")
        questions = [f"<iq type='get' id='one' from='{stranger}/phone' to='{room}'>{inside}</iq>" for inside in asked]
        said = answers(service, stranger.partition("@")[2], *questions)
        assert said.count("own server") == len(asked), said
        await client.query("set", f"<query xmlns='{OWNER}'><destroy/></query>", to=room)
        await client.online()
        # What a stranger says by an invitation does not come through a room either.
        invite = f"<invite from='{stranger}/phone'><reason>psst</reason></invite>"
        stanza = f"<message><x xmlns='{USER[1:-1]}'>{invite}</x></message>"
        service.api(("send_stanza", {"from": room, "to": tim.jid, "stanza": stanza}))
        owner.say(tim.jid, "last")
        await client.hear("last")
        assert client.messages.all(lambda message: "psst" in ET.tostring(message, encoding="unicode")) == []


@pytest.mark.attack("reaching an account of `xmpp_limited` from another server, or another server from it")
async def test_nodes_are_no_way_around(service: Service, register: Register, tim: Account) -> None:
    """People elsewhere could publish at one that it subscribed to before it was limited."""
    (bob,) = register(1)
    nodes, node = service.name("pubsub"), f"node-{secrets.token_hex(4)}"
    async with login(service, tim) as client, login(service, bob) as owner:
        await client.online()
        await owner.query("set", f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/></pubsub>", to=nodes)
        try:
            for who in (tim, bob):
                run_in_erlang(service, _SUBSCRIBE, nodes, node, who.jid)
            item = "<item id='one'><text xmlns='urn:test'>psst</text></item>"
            publish = f"<publish node='{node}'>{item}</publish>"
            await owner.online()
            await owner.query("set", f"<pubsub xmlns='{PUBSUB}'>{publish}</pubsub>", to=nodes)
            await owner.messages.get(lambda message: message.find(".//{urn:test}text") is not None)
            owner.say(tim.jid, "last")
            await client.hear("last")
            assert client.messages.all(lambda message: message.get("from") == nodes) == []
        finally:
            await owner.query("set", f"<pubsub xmlns='{PUBSUB}#owner'><delete node='{node}'/></pubsub>", to=nodes)


@pytest.mark.attack("reaching an account of `xmpp_limited` from another server, or another server from it")
async def test_invitation_to_its_contacts_is_no_way_around(service: Service, tim: Account) -> None:
    """It makes none (XEP-0379), and one from before lets nobody in."""
    stranger, token = elsewhere(), secrets.token_hex(12)
    async with login(service, tim) as client:
        with pytest.raises(IqError) as refused:
            await client.query(
                "set",
                f"<command xmlns='{COMMANDS}' node='urn:xmpp:invite#invite' action='execute'/>",
                to=service.domain,
            )
        assert refused.value.condition == "not-allowed"
        columns = "token, username, server_host, invitee, type, created_at, expires, account_name"
        times = "datetime('now'), datetime('now', 'localtime', '+1 day')"
        row = f"'{token}', '{tim.name}', '{service.domain}', '', 'R', {times}, ''"
        run_in_erlang(service, STATEMENT, service.domain, f"INSERT INTO invite_token ({columns}) VALUES ({row})")
        inside = f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"
        asks = f"<presence type='subscribe' from='{stranger}' to='{tim.jid}'>{inside}</presence>"
        run_in_erlang(service, _COMES, service.domain, asks)
        contacts = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
        assert stranger not in ET.tostring(contacts, encoding="unicode")
    assert sql(service, f"SELECT invitee FROM invite_token WHERE token = '{token}'") == [[""]]


def test_what_cannot_be_judged_is_refused(service: Service, register: Register, tim: Account) -> None:
    (bob,) = register(1)
    run_in_erlang(service, _BREAKS, tim.jid, bob.jid)


async def affiliate(client: Client, room: str, who: str, what: str) -> None:
    """As an owner does it."""
    item = f"<item affiliation='{what}' jid='{who}'/>"
    await client.query("set", f"<query xmlns='http://jabber.org/protocol/muc#admin'>{item}</query>", to=room)


def knock(service: Service, stranger: str, room: str) -> str:
    """What the room says to somebody elsewhere who enters, and leaves again."""
    inside = "<x xmlns='http://jabber.org/protocol/muc'/>"
    enters = f"<presence from='{stranger}/phone' to='{room}/stranger'>{inside}</presence>"
    leaves = f"<presence type='unavailable' from='{stranger}/phone' to='{room}/stranger'/>"
    return answers(service, stranger.partition("@")[2], enters, leaves)


async def test_strangers_still_reach_everybody_else(service: Service, register: Register) -> None:
    (bob,) = register(1)
    stranger = elsewhere()
    async with login(service, bob) as client:
        await client.online()
        come_in(service, stranger, bob.jid, "hello")
        await client.hear("hello")
