# SPDX-License-Identifier: GPL-3.0-or-later
"""One account, or nobody at all, against everybody: strangers are judged whatever kind of stanza they send."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import shlex
import time
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.erlang import run_in_erlang
from ..kit.newcomer import forget_addresses
from ..kit.nodes import PUBSUB
from ..kit.raw_rooms import MUC, MUC_OWNER, made_room, subscribe
from ..kit.service import Account, Service, sql, wait_for
from ..kit.sessions import CONSTRAINT, INFO, SM, back_online, came, came_through, came_until, logged_in, online, until
from ..kit.strangers import befriended, come_in, elsewhere
from ..kit.stream import CLIENT, Stream

Register = Callable[[int], list[Account]]

FLOOD = 300
WORDS = 60  # of one stranger to one person at once
OTHERS = 100  # other stanzas, the same
OTHERS_OF_ALL = 300  # of all strangers to one person
ELSEWHERE = 60  # strangers, or servers, on other servers that one account reaches at once
SAYS = 60  # of one person in one room at once
SAID = 4 * 1024 * 1024  # bytes that one account says in rooms at once
QUESTIONS = 600  # to people in rooms by one person at once
CHANGES = 300  # of rooms by one person at once
SLEEPING = 4 * 1024 * 1024  # bytes that come while a session sleeps
DENIED = 8 * 1024 * 1024  # bytes that an app denies to have got
LARGE = "x" * 65536
SESSIONS = 60  # of BOSH, at once
MEMORY = {"ejabberd": 65, "nginx": 15, "coturn": 15}  # percent of the host's
NEW_APPS = 20  # that one account shows at once
NAME = 1024  # bytes of an app's name
FEATURES = 500  # of an app
ELEMENTS = 5000  # of a stanza
MEMORY_OF_A_STANZA = 1.5  # MiB
REFILL = 30  # what limits let through while a test lasts
ERROR = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
NOT_FOUND = "{urn:ietf:params:xml:ns:xmpp-stanzas}remote-server-not-found"

# What a stranger may send instead of a plain message: how it is written, how many arrive at once, and
# whether the sender is told of the rest.
KINDS = {
    "headline": ("<message to='{to}' type='headline'><body>buy</body></message>", WORDS, True),
    "unknown type": ("<message to='{to}' type='other'><body>buy</body></message>", WORDS, True),
    "error": ("<message to='{to}' type='error'><body>buy</body>" + ERROR + "</message>", OTHERS, False),
    "groupchat": ("<message to='{to}' type='groupchat'><body>buy</body></message>", 0, True),
    "presence": ("<presence to='{to}'><status>buy</status></presence>", OTHERS, True),
    "goodbye": ("<presence to='{to}' type='unavailable'><status>buy</status></presence>", OTHERS, False),
    "refusal": ("<presence to='{to}' type='unsubscribed'><status>buy</status></presence>", OTHERS, False),
    "question": ("<iq to='{to}' type='get' id='x'><query xmlns='urn:test'>buy</query></iq>", OTHERS, True),
    "answer": ("<iq to='{to}' type='result' id='x'><query xmlns='urn:test'>buy</query></iq>", OTHERS, False),
}


@pytest.fixture
def forgotten(service: Service) -> Iterator[None]:
    """Whose address is used up by a test is not for the next one."""
    yield
    forget_addresses(service)


def bought(elements: list[ET.Element]) -> int:
    """How often somebody was told to buy; a refusal, which quotes it, is none."""
    return sum("buy" in ET.tostring(one, "unicode") and one.find(CONSTRAINT) is None for one in elements)


@pytest.mark.attack("subscribing somebody else to a room (MUC/Sub)")
@pytest.mark.parametrize("whom", ["somebody here", "somebody elsewhere", "nobody", "with a resource"])
def test_nobody_is_subscribed_to_a_room_by_somebody_else(service: Service, register: Register, whom: str) -> None:
    """Also where the owner has switched it on. One's own address may be named."""
    mallory, alice = register(2)
    victim = {
        "somebody here": alice.jid,
        "somebody elsewhere": elsewhere(),
        "nobody": f"nobody@{service.domain}",
        "with a resource": f"{alice.jid}/app",
    }[whom]
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as receiver:
        online(attacker)
        address = online(receiver)
        room = made_room(attacker, service, allow_subscription="1")
        assert subscribe(attacker, room, victim).find(".//{*}forbidden") is not None
        for _ in range(20):
            attacker.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
        assert subscribe(attacker, room, mallory.jid).get("type") == "result"
        assert bought(came(receiver, address)) == 0


def test_whoever_subscribes_to_a_room_gets_all_that_is_said(service: Service, register: Register) -> None:
    """More than a stranger could send, from several people."""
    owner, other, reader = register(3)
    with (
        logged_in(service, owner) as one,
        logged_in(service, other) as two,
        logged_in(service, reader) as subscriber,
    ):
        online(one)
        online(two)
        address = online(subscriber)
        room = made_room(one, service)
        two.send(f"<presence to='{room}/other'><x xmlns='{MUC}'/></presence>")
        assert subscribe(subscriber, room).get("type") == "result"
        for _ in range(SAYS):
            one.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
            two.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
        for speaker in (one, two):
            came_through(speaker, room)
        assert bought(came(subscriber, address)) == 2 * SAYS


@pytest.mark.attack("spam by any other kind of stanza, by rooms or nodes of one's own")
def test_subscribed_room_takes_no_place_of_contacts(service: Service, register: Register) -> None:
    """Of 1000 messages that wait for somebody who is away, 500 places are for contacts."""
    owner, reader = register(2)
    friend = elsewhere()
    befriended(service, reader, friend)
    come_in(service, friend, reader.jid, *(f"message {number}" for number in range(500)))
    with logged_in(service, owner) as speaker:
        online(speaker)
        room = made_room(speaker, service)
        with logged_in(service, reader) as subscriber:
            subscriber.bind()
            assert subscribe(subscriber, room).get("type") == "result"
        for _ in range(SAYS):
            speaker.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>")
        came_through(speaker, room)
    (waiting,) = service.api(("get_offline_count", {"user": reader.name, "host": service.domain}))
    assert waiting <= 510, "some are on their way while they are counted"
    come_in(service, friend, reader.jid, "last of a friend")
    with logged_in(service, reader) as back:
        assert "last of a friend" in [one.findtext(f"{CLIENT}body") for one in back_online(back)]


@pytest.mark.attack("spam by any other kind of stanza, by rooms or nodes of one's own")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bare", [False, True], ids=["to an app", "to the account"])
def test_stranger_here_does_not_flood_by_any_kind_of_stanza(
    service: Service, register: Register, kind: str, bare: bool
) -> None:
    written, most, told = KINDS[kind]
    mallory, alice = register(2)
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as receiver:
        own = online(attacker)
        address = online(receiver)
        attacker.send(written.format(to=alice.jid if bare else address) * FLOOD)
        answers = came(attacker, own)
        assert bought(came(receiver, address)) <= most + REFILL
        answers += came(attacker, own)
        if told and not bare:
            assert (
                sum(one.find(CONSTRAINT) is not None or kind == "groupchat" for one in answers) >= FLOOD - most - REFILL
            )


@pytest.mark.attack("spam by any other kind of stanza, by rooms or nodes of one's own")
@pytest.mark.parametrize("kind", ["error", "presence", "question", "headline"])
def test_strangers_elsewhere_do_not_flood_by_any_kind_of_stanza(
    service: Service, register: Register, kind: str
) -> None:
    """Each from another address, as a server can make them up."""
    (alice,) = register(1)
    server = f"{secrets.token_hex(4)}.example"
    with logged_in(service, alice) as receiver:
        address = online(receiver)
        stanza = KINDS[kind][0].format(to=address)
        for first in range(0, 900, 150):
            service.api(
                *(
                    ("send_stanza", {"from": f"u{number}@{server}", "to": address, "stanza": stanza})
                    for number in range(first, first + 150)
                )
            )
        assert bought(came(receiver, address)) <= OTHERS_OF_ALL + 2 * REFILL


@pytest.mark.attack("spam by any other kind of stanza, by rooms or nodes of one's own")
def test_node_of_a_stranger_does_not_flood(service: Service, register: Register) -> None:
    """Whoever asks a node for news by themselves gets them; no owner subscribes somebody else (XEP-0060 8.8)."""
    mallory, alice = register(2)
    node, there = secrets.token_hex(6), service.name("pubsub")
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as receiver:
        online(attacker)
        address = online(receiver)
        make = f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/></pubsub>"
        assert attacker.query("set", make, there).get("type") == "result"
        entry = f"<subscription jid='{alice.jid}' subscription='subscribed'/>"
        add = f"<pubsub xmlns='{PUBSUB}#owner'><subscriptions node='{node}'>{entry}</subscriptions></pubsub>"
        assert attacker.query("set", add, there).get("type") == "error"
        item = "<item><x xmlns='urn:test'>buy</x></item>"
        item = f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'>{item}</publish></pubsub>"
        attacker.query("set", item, there)
        assert bought(came(receiver, address)) == 0
        subscribe_oneself = f"<pubsub xmlns='{PUBSUB}'><subscribe node='{node}' jid='{alice.jid}'/></pubsub>"
        assert receiver.query("set", subscribe_oneself, there).get("type") == "result"
        for _ in range(FLOOD):
            attacker.query("set", item, there)
        assert 1 <= bought(came(receiver, address)) <= WORDS + REFILL


def test_answers_to_questions_are_not_limited(service: Service, register: Register) -> None:
    """As an app asks for the keys of all who are in a large room with it."""
    alice, bob = register(2)
    with logged_in(service, alice) as asker:
        own = online(asker)
        for number in range(OTHERS_OF_ALL + 100):
            items = f"<pubsub xmlns='{PUBSUB}'><items node='none'/></pubsub>"
            asker.send(f"<iq id='q{number}' type='get' to='{bob.jid}'>{items}</iq>")
        answers = [one for one in came(asker, own) if one.get("id", "").startswith("q")]
        assert len(answers) == OTHERS_OF_ALL + 100


@pytest.mark.attack("spam from here to other servers")
@pytest.mark.parametrize("kind", ["message", "subscribe", "question", "invitation"])
def test_one_account_reaches_few_strangers_elsewhere(service: Service, register: Register, kind: str) -> None:
    """Questions go to servers, of which each would take a connection."""
    (mallory,) = register(1)
    server = f"{secrets.token_hex(4)}.example"
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        room = made_room(attacker, service) if kind == "invitation" else ""
        written = {
            "message": "<message to='u{0}@{1}' type='chat'><body>text</body></message>",
            "subscribe": "<presence to='u{0}@{1}' type='subscribe'/>",
            "question": "<iq to='s{0}.{1}' type='get' id='x'><query xmlns='urn:test'/></iq>",
            "invitation": "<message to='"
            + room
            + "'><x xmlns='"
            + MUC
            + "#user'><invite to='u{0}@{1}'/></x></message>",
        }[kind]
        refused = 0
        for first in range(0, FLOOD, 20):
            attacker.send("".join(written.format(number, server) for number in range(first, first + 20)))
            refused += sum(one.find(CONSTRAINT) is not None for one in came(attacker, own))
        assert FLOOD - ELSEWHERE - REFILL <= refused <= FLOOD - ELSEWHERE


@pytest.mark.attack("spam from here to other servers")
@pytest.mark.parametrize(
    "stanza",
    [
        "<iq to='x@{0}.{1}' type='result' id='x'/>",
        "<message to='x@{0}.{1}' type='error'>" + ERROR + "</message>",
        "<presence to='x@{0}.{1}' type='unavailable'/>",
        "<presence to='x@{0}.{1}' type='unsubscribed'/>",
    ],
    ids=["answer", "error", "goodbye", "refusal"],
)
def test_no_kind_of_stanza_opens_connections_without_end(service: Service, register: Register, stanza: str) -> None:
    """Nobody is answered by a stanza that is an answer: the number of connections tells."""
    (mallory,) = register(1)
    server = f"{secrets.token_hex(4)}.example"
    (before,) = service.api(("outgoing_s2s_number", {}))
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        attacker.send("".join(stanza.format(number, server) for number in range(FLOOD)))
        assert [one for one in came(attacker, own) if one.find(CONSTRAINT) is not None] == []
        (after,) = service.api(("outgoing_s2s_number", {}))
    assert after - before <= ELSEWHERE + REFILL


# A name server that says of services that there are none, and of addresses nothing.
SILENT = "127.0.0.9"
SILENT_SERVER = f"""
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("{SILENT}", 53))
while True:
    asked, who = server.recvfrom(4096)
    end = asked.index(0, 12) + 5
    if asked[end - 4 : end - 2] == bytes([0, 33]):
        server.sendto(asked[:2] + bytes([0x81, 0x83, 0, 1]) + bytes(6) + asked[12:end], who)
"""


@pytest.fixture
def silent_name_server(service: Service) -> Iterator[None]:
    before = service.host.check_output("cat /etc/resolv.conf")
    service.host.check_output(f"systemd-run --quiet --unit=conexizan-silent python3 -c {shlex.quote(SILENT_SERVER)}")
    service.host.check_output(f"echo 'nameserver {SILENT}' >/etc/resolv.conf")
    service.restart()  # Erlang looks into that file now and then
    yield
    service.host.check_output(f"echo {shlex.quote(before)} >/etc/resolv.conf && systemctl stop conexizan-silent")
    service.restart()


@pytest.mark.attack("many names of servers that no name server resolves")
@pytest.mark.usefixtures("silent_name_server")
def test_names_that_nobody_answers_for_hold_up_no_acknowledgement(service: Service, register: Register) -> None:
    """As many as two accounts may ask for: more than Erlang has threads for what waits outside of it."""
    alice, bob, *mallories = register(4)
    with logged_in(service, alice) as stream, contextlib.ExitStack() as attackers:
        online(stream)
        stream.send(f"<enable xmlns='{SM}'/>")
        until(stream, f"{{{SM}}}enabled")
        question = "<iq to='{}.{}' type='get' id='x'><query xmlns='urn:test'/></iq>"
        for mallory in mallories:
            attacker = attackers.enter_context(logged_in(service, mallory))
            own, server = online(attacker), f"{secrets.token_hex(4)}.example"
            attacker.send("".join(question.format(number, server) for number in range(ELSEWHERE)))
            assert came(attacker, own) == []
        for said in range(1, 101):
            stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message><r xmlns='{SM}'/>")
            assert until(stream, f"{{{SM}}}a")["h"] == str(said)


INNER = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "169.254.169.254",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "fe80::1",
]
OWN = ["{0.address}", "{0.address6}", "::ffff:{0.address}"]


# Says whether ejabberd knows a name: Erlang looks into /etc/hosts now and then.
KNOWS = """run([Name]) ->
    Found = [ok || Family <- [inet, inet6],
                   {ok, _} <- [rpc:call(ejabberd@localhost, inet, gethostbyname, [Name, Family])]],
    io:put_chars(case Found of [] -> "no"; _ -> "yes" end).
"""


@pytest.fixture(scope="module")
def inner_names(service: Service) -> Iterator[dict[str, str]]:
    """Names of other servers that are said to be at these addresses, by address."""
    names = {address: f"{secrets.token_hex(4)}.example" for address in INNER + OWN}
    lines = "\n".join(f"{address.format(service)} {name}" for address, name in names.items())
    before = service.host.check_output("cat /etc/hosts")
    service.host.check_output(f"echo {shlex.quote(lines)} >>/etc/hosts")
    wait_for(lambda: all(run_in_erlang(service, KNOWS, name) == "yes" for name in names.values()), 30)
    yield names
    service.host.check_output(f"echo {shlex.quote(before)} >/etc/hosts")


@pytest.mark.attack("scanning the host's internal ports, by a name that points to one of its addresses")
@pytest.mark.parametrize("address", INNER + OWN)
def test_other_servers_are_not_at_this_host(
    service: Service, register: Register, inner_names: dict[str, str], address: str
) -> None:
    """Whoever owns a name says where it is; that there is none is all that is told of such a one."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        online(attacker)
        answer = attacker.query("get", "<query xmlns='urn:test'/>", inner_names[address])
    assert answer.find(f".//{NOT_FOUND}") is not None, ET.tostring(answer)


def test_contacts_elsewhere_are_not_limited(service: Service, register: Register) -> None:
    (alice,) = register(1)
    server = f"{secrets.token_hex(4)}.example"
    friends = [f"u{number}@{server}" for number in range(ELSEWHERE + 20)]
    contact = {"localuser": alice.name, "localhost": service.domain, "nick": "", "groups": "", "subs": "both"}
    people = [dict(zip(("user", "host"), friend.split("@"), strict=True)) for friend in friends]
    service.api(*(("add_rosteritem", {**contact, **person}) for person in people))
    with logged_in(service, alice) as stream:
        own = online(stream)
        stream.send("".join(f"<message to='{friend}' type='chat'><body>text</body></message>" for friend in friends))
        assert [one for one in came(stream, own) if one.find(CONSTRAINT) is not None] == []


@pytest.mark.attack("flooding a room")
def test_nobody_floods_a_room(service: Service, register: Register) -> None:
    owner, mallory, guest = register(3)
    with (
        logged_in(service, owner) as host,
        logged_in(service, mallory) as attacker,
        logged_in(service, guest) as occupant,
    ):
        online(host)
        online(attacker)
        address = online(occupant)
        room = made_room(host, service)
        for stream, nick in ((attacker, "mallory"), (occupant, "guest")):
            stream.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")
            until(stream, f"{CLIENT}presence")
        attacker.send(f"<message to='{room}' type='groupchat'><body>buy</body></message>" * FLOOD)
        refused = sum(one.find(CONSTRAINT) is not None for one in came_through(attacker, room))
        assert refused >= FLOOD - SAYS - REFILL
        attacker.send(f"<presence to='{room}/mallory'><status>buy</status></presence>" * FLOOD)
        came_through(attacker, room)
        assert bought(came(occupant, address)) <= SAYS + 30 + REFILL


@pytest.mark.attack("flooding a room")
def test_changes_of_rooms_are_limited(service: Service, register: Register) -> None:
    """Each is written down with all of the room, whichever of one's rooms it is."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        rooms = [made_room(attacker, service) for _ in range(2)]
        item = "<item affiliation='member' jid='u{}@b.test'/>"
        change = "<iq to='{}' id='c' type='set'><query xmlns='{}#admin'>" + item + "</query></iq>"
        for first in range(0, CHANGES + 200, 50):
            attacker.send("".join(change.format(rooms[n % 2], MUC, n) for n in range(first, first + 50)))
        answers = [one for room in rooms for one in came_through(attacker, room)] + came(attacker, own)
        refused = sum(one.find(CONSTRAINT) is not None for one in answers)
        assert 100 <= refused <= 200 + len(rooms), "their making is one as well"


@pytest.mark.attack("flooding a room")
def test_nobody_floods_somebody_in_a_room_with_questions(service: Service, register: Register) -> None:
    mallory, alice = register(2)
    with logged_in(service, mallory) as attacker, logged_in(service, alice) as occupant:
        own = online(attacker)
        address = online(occupant)
        room = made_room(attacker, service)
        occupant.send(f"<presence to='{room}/alice'><x xmlns='{MUC}'/></presence>")
        came_through(occupant, room)
        question = f"<iq to='{room}/alice' type='get' id='q'><query xmlns='urn:test'>buy</query></iq>"
        for _ in range(0, QUESTIONS + 100, 50):
            attacker.send(question * 50)
        assert sum(one.find(CONSTRAINT) is not None for one in came(attacker, own)) >= 100 - REFILL
        arrived = came_through(occupant, room) + came(occupant, address)
        assert QUESTIONS <= bought(arrived) <= QUESTIONS + REFILL


@pytest.mark.attack("flooding a room")
def test_much_text_in_rooms_is_limited(service: Service, register: Register) -> None:
    """Rooms keep what was said last in memory: all that one account says, in whichever room, has a limit in bytes."""
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        online(attacker)
        rooms = [made_room(attacker, service) for _ in range(5)]
        answers = []
        for number in range(SAID // len(LARGE) + 20):
            room = rooms[number % len(rooms)]
            attacker.send(f"<message to='{room}' type='groupchat'><body>{number} {LARGE}</body></message>")
            while not (answer := attacker.read()).findtext(f"{CLIENT}body", "").startswith(f"{number} "):
                pass
            answers.append(answer)
        assert 5 <= sum(one.find(CONSTRAINT) is not None for one in answers) <= 20


def test_new_room_takes_as_many_as_rooms_may_have(service: Service, register: Register) -> None:
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        online(stream)
        room = made_room(stream, service)
        form = stream.query("get", f"<query xmlns='{MUC_OWNER}'/>", room)
        most = form.find(".//{jabber:x:data}field[@var='muc#roomconfig_maxusers']/{jabber:x:data}value")
        assert most is not None
        assert most.text == "1000"


@pytest.mark.attack("filling the memory of a session that sleeps, or never acknowledges")
def test_memory_for_a_session_that_sleeps_is_bounded(service: Service, register: Register) -> None:
    """With more the session ends, and what a contact wrote waits in the mailbox."""
    alice, *friends = register(3)
    with logged_in(service, alice) as stream:
        managed(stream)
    count = 2 * SLEEPING // len(LARGE)  # some come before ejabberd knows that the connection is gone
    with contacts(service, alice, *friends) as writers:
        for number in range(count):
            writers[number % 2].send(f"<message to='{alice.jid}' type='chat'><body>{number} {LARGE}</body></message>")
        for writer, friend in zip(writers, friends, strict=True):
            assert [one for one in came(writer, friend.jid) if one.get("type") == "error"] == []
    assert numbers_kept(service, alice, count) == set(range(count))


@pytest.mark.attack("filling the memory of a session that sleeps, or never acknowledges")
@pytest.mark.parametrize("again", [False, True], ids=["once", "taken up again"])
def test_memory_for_what_is_never_acknowledged_is_bounded(service: Service, register: Register, again: bool) -> None:
    """By an app that reads everything, and answers each request with how much it had at the start."""
    alice, *friends = register(3)
    count = DENIED // len(LARGE) + 20
    with contacts(service, alice, *friends) as writers, contextlib.ExitStack() as connections:
        stream = connections.enter_context(logged_in(service, alice))
        name = managed(stream)

        def deny_until(arrived: Callable[[ET.Element], bool]) -> None:
            while not arrived(element := stream.read()):
                if element.tag == f"{{{SM}}}r":
                    stream.send(f"<a xmlns='{SM}' h='0'/>")

        for number in range(count):
            if again and number == count // 2:
                stream = connections.enter_context(logged_in(service, alice))
                stream.send(f"<resume xmlns='{SM}' h='0' previd='{name}'/>")
            message = f"<message to='{alice.jid}' type='chat'><body>{number} {LARGE}</body></message>"
            writers[number % 2].send(message)
            deny_until(functools.partial(begins, f"{number} "))
        with pytest.raises(ConnectionError):  # noqa: PT012  # the answer to each is one more that is not acknowledged
            while True:
                time.sleep(0.2)
                stream.send("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
                deny_until(lambda one: one.get("id") == "ping")
    assert set(range(count)) <= numbers_kept(service, alice, count)


@pytest.mark.parametrize("waits", [True, False], ids=["mailbox", "while it reads"])
def test_app_that_acknowledges_gets_any_burst(service: Service, register: Register, waits: bool) -> None:
    """Acknowledgements are read after what came in one go."""
    alice, *friends = register(3)
    count = DENIED // len(LARGE) + 10
    with contacts(service, alice, *friends) as writers, logged_in(service, alice) as stream:
        stream.bind()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        until(stream, f"{{{SM}}}enabled")
        if not waits:
            stream.send("<presence/>")
        for number in range(count):
            writers[number % 2].send(f"<message to='{alice.jid}' type='chat'><body>{number} {LARGE}</body></message>")
        if waits:
            for writer, friend in zip(writers, friends, strict=True):
                came(writer, friend.jid)
            stream.send("<presence/>")
        seen: set[int] = set()
        handled = 0
        while len(seen) < count:
            element = stream.read()
            if element.tag == f"{{{SM}}}r":
                stream.send(f"<a xmlns='{SM}' h='{handled}'/>")
            elif not element.tag.startswith(f"{{{SM}}}"):
                handled += 1
            if (body := element.findtext(f"{CLIENT}body", "")).endswith(LARGE):
                seen.add(int(body.split(" ")[0]))
        assert seen == set(range(count))
        assert stream.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


def begins(start: str, element: ET.Element) -> bool:
    """Is it a message with a text that begins so?"""
    return element.findtext(f"{CLIENT}body", "").startswith(start)


@contextlib.contextmanager
def contacts(service: Service, account: Account, *friends: Account) -> Iterator[list[Stream]]:
    """Friends who are online: each may send some megabytes at once."""
    with contextlib.ExitStack() as connections:
        streams = []
        for friend in friends:
            befriended(service, account, friend.jid)
            streams.append(connections.enter_context(logged_in(service, friend)))
            online(streams[-1])
        yield streams


def managed(stream: Stream) -> str:
    """Online with stream management (XEP-0198); returns the name of the session."""
    stream.bind()
    stream.send(f"<enable xmlns='{SM}' resume='true'/>")
    name = until(stream, f"{{{SM}}}enabled")["id"]
    stream.send("<presence/>")
    until(stream, f"{CLIENT}presence")
    return name


def numbers_kept(service: Service, account: Account, count: int) -> set[int]:
    """The numbers in front of the texts that waited, once a session that ends has put so many into the mailbox."""
    waiting = f"SELECT count(*) FROM spool WHERE username = '{account.name}'"
    wait_for(lambda: sql(service, waiting)[0][0] >= count, 30)
    (sessions,) = service.api(("user_sessions_info", {"user": account.name, "host": service.domain}))
    assert sessions == []
    with logged_in(service, account) as back:
        bodies = [one.findtext(f"{CLIENT}body", "") for one in back_online(back)]
        return {int(body.split(" ")[0]) for body in bodies if body.endswith(LARGE)}


@pytest.mark.attack("BOSH sessions without an account")
@pytest.mark.usefixtures("forgotten")
async def test_sessions_of_bosh_are_limited(service: Service) -> None:
    body = (
        f"<body xmlns='http://jabber.org/protocol/httpbind' to='{service.domain}' rid='1' ver='1.11' wait='1' hold='1' "
        "xml:lang='en' content='text/xml; charset=utf-8'{extra}/>"
    )
    made: list[bool] = []
    async with service.web() as web:

        async def make(number: int) -> bool:
            # One that names its session in another place than the protocol has it makes one as well.
            extra = " xsid='1' x='sid='" if number % 2 else ""
            async with web.post(f"https://{service.domain}/bosh", data=body.format(extra=extra).encode()) as answer:
                return answer.status == 200 and b"sid=" in await answer.read()

        for _ in range(6):
            made += await asyncio.gather(*(make(number) for number in range(30)))
    assert SESSIONS <= sum(made) <= SESSIONS + 2 * REFILL


async def test_sixty_requests_to_people_here_arrive(service: Service, register: Register) -> None:
    """A class, or a club. Whoever is refused is told."""
    teacher, *pupils = register(61)
    async with login(service, teacher) as client, login(service, pupils[-1]) as last:
        await client.online()
        await last.online()
        for pupil in pupils:
            client.send_presence_subscription(pto=pupil.jid, ptype="subscribe")
        await last.presences.get(lambda stanza: stanza.get("from") == teacher.jid and stanza.get("type") == "subscribe")
        assert client.presences.all(lambda stanza: stanza.get("type") == "error") == []


@pytest.mark.attack("requesting pages of large messages and not reading them")
@pytest.mark.parametrize("unit", MEMORY)
def test_services_leave_memory_to_the_host(service: Service, unit: str) -> None:
    """What one of them takes too much is taken from itself: together they may not have all of it."""
    has = int(service.host.check_output("awk '/^MemTotal/ {printf \"%.0f\", $2 * 1024}' /proc/meminfo"))
    show = f"systemctl show --value --property={{}} {unit}.service"
    high, most = (int(service.host.check_output(show.format(name))) for name in ("MemoryHigh", "MemoryMax"))
    assert 0.05 * has < high < most <= (MEMORY[unit] + 1) / 100 * has


# How one account makes itself look like many apps.
APPS = {
    "names": lambda number: f"node='https://{number}.test' ver='1'",
    "checksums": lambda number: f"node='https://app.test' ver='{number}' hash='sha-1'",
    "parts": lambda number: (
        f"node='https://app.test' ver='1' ext='{' '.join(f'x{number}y{part}' for part in range(99))}'"
    ),
}


@pytest.mark.attack("filling the table of what apps can do (XEP-0115)")
@pytest.mark.parametrize("name", APPS)
def test_what_apps_can_do_is_not_asked_without_end(service: Service, register: Register, name: str) -> None:
    """Each answer is stored. One app that shows itself again and again is one."""
    (account,) = register(1)
    with logged_in(service, account) as stream:
        stream.bind()
        stream.send(
            "<presence><c xmlns='http://jabber.org/protocol/caps' node='https://one.test' ver='1'/></presence>" * 50
        )
        for number in range(60):
            stream.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' {APPS[name](number)}/></presence>")
        stream.send("<iq type='get' id='end'><query xmlns='jabber:iq:roster'/></iq>")
        questions, shown = 0, 0
        while (stanza := stream.read()).get("id") != "end":
            questions += stanza.find(f"{{{INFO}}}query") is not None
            shown += stanza.tag == f"{CLIENT}presence"
        assert shown == 110, "the presence itself arrives"
        assert 1 <= questions <= NEW_APPS + 1


@pytest.mark.attack("filling the table of what apps can do (XEP-0115)")
@pytest.mark.parametrize("much", ["name", "features"])
def test_what_an_app_can_do_is_bounded(service: Service, register: Register, much: str) -> None:
    """A row for each feature, with the app's name in each."""
    (mallory,) = register(1)
    node = f"urn:test:{secrets.token_hex(6)}"
    long = node + ("x" * NAME if much == "name" else "")
    with logged_in(service, mallory) as attacker:
        online(attacker)
        attacker.send(
            f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='' node='{long}' ver='1'/></presence>"
        )
        attacker.send("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
        asked = 0
        while (stanza := attacker.read()).get("id") != "end":
            if (query := stanza.find(f"{{{INFO}}}query")) is not None:
                asked += 1
                features = "".join(f"<feature var='urn:test:{number}'/>" for number in range(FEATURES + 1))
                attacker.send(
                    f"<iq type='result' id='{stanza.get('id')}' to='{service.domain}'>"
                    f"<query xmlns='{INFO}' node='{query.get('node')}'>{features}</query></iq>"
                )
                attacker.send("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert asked == (1 if much == "features" else 0)
    assert sql(service, f"SELECT count(*) FROM caps_features WHERE node LIKE '{node}%'") == [[0]]


@pytest.mark.attack("stanzas that consist of elements or attributes only")
@pytest.mark.parametrize(
    "inside",
    [
        "<x/>" * (ELEMENTS + 1000),
        "<x " + " ".join(f"a{number}=''" for number in range(20_000)) + "/>",
        ("<x " + " ".join(f"a{number}=''" for number in range(10)) + "/>") * int(1666 * MEMORY_OF_A_STANZA),
    ],
    ids=["elements", "attributes", "both"],
)
def test_stanza_that_would_take_much_memory_ends_its_stream(service: Service, register: Register, inside: str) -> None:
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        with pytest.raises(ConnectionError):  # noqa: PT012  # it may end while somebody still talks
            attacker.send(f"<message to='{own}'><y xmlns='urn:test'>{inside}</y></message>")
            came_until(attacker, lambda _: False)


def test_message_with_the_keys_of_a_large_room_passes(service: Service, register: Register) -> None:
    """XEP-0384: a key for each device of each of a thousand people."""
    (alice,) = register(1)
    keys = "".join(f"<key rid='{number}'>{secrets.token_urlsafe(34)}</key>" for number in range(2500))
    with logged_in(service, alice) as stream:
        own = online(stream)
        header = f"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>{keys}</header></encrypted>"
        stream.send(f"<message to='{own}' id='keys'>{header}</message>")
        arrived = came(stream, own)
        assert [
            len(list(one.iter("{eu.siacs.conversations.axolotl}key"))) for one in arrived if one.get("id") == "keys"
        ] == [2500]
