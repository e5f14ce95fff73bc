# SPDX-License-Identifier: GPL-3.0-or-later
"""One account, or nobody at all, against everybody: strangers are judged whatever kind of stanza they send."""

from __future__ import annotations

import secrets

import pytest

from ..kit.clients import login
from ..kit.erlang import run_in_erlang
from ..kit.floods import ELSEWHERE, FLOOD, REFILL, bought
from ..kit.nodes import PUBSUB
from ..kit.raw_rooms import MUC, left_room, made_room
from ..kit.service import Register, Service
from ..kit.sessions import CONSTRAINT, came, logged_in, online

WORDS = 60  # of one stranger to one person at once
OTHERS = 100  # other stanzas, the same
OTHERS_OF_ALL = 300  # of all strangers to one person
ERROR = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

# What cannot be understood.
_BREAKS = """run([Room, Person]) ->
    Attributes = [{<<"from">>, list_to_binary(Room)}, {<<"to">>, list_to_binary(Person)}],
    Message = xmpp:decode({xmlel, <<"message">>, Attributes, []}, <<"jabber:client">>, []),
    Nonsense = xmpp:set_els(Message, [nonsense]),
    {stop, drop} = mod_xmpp_spam:receive_packet(Nonsense),
    ToApp = xmpp:set_to(Nonsense, jid:replace_resource(xmpp:get_to(Nonsense), <<"app">>)),
    {stop, {drop, _}} = mod_xmpp_spam:hear({ToApp, #{pres_a => gb_sets:new()}}).
"""

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
        item = "<item><x xmlns='urn:test'>buy</x></item>"
        item = f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'>{item}</publish></pubsub>"
        entry = f"<subscription jid='{alice.jid}' subscription='subscribed'/>"
        add = f"<pubsub xmlns='{PUBSUB}#owner'><subscriptions node='{node}'>{entry}</subscriptions></pubsub>"
        assert attacker.query("set", add, there).get("type") == "error"
        for decoy in ("<x xmlns='urn:test' node='none'/>", "<subscriptions node='none'/>"):
            assert (
                attacker.query("set", add.replace("<subscriptions", f"{decoy}<subscriptions"), there).get("type")
                == "error"
            )
        # Nor to a node of one's own account (XEP-0163).
        assert attacker.query("set", item).get("type") == "result"
        assert attacker.query("set", add).get("type") == "error"
        attacker.query("set", item, there)
        assert bought(came(receiver, address)) == 0
        subscribe_oneself = f"<pubsub xmlns='{PUBSUB}'><subscribe node='{node}' jid='{alice.jid}'/></pubsub>"
        assert receiver.query("set", subscribe_oneself, there).get("type") == "result"
        for _ in range(FLOOD):
            attacker.query("set", item, there)
        assert 1 <= bought(came(receiver, address)) <= WORDS + REFILL


@pytest.mark.attack("spam by any other kind of stanza, by rooms or nodes of one's own")
def test_what_cannot_be_judged_is_refused(service: Service, register: Register) -> None:
    (bob,) = register(1)
    run_in_erlang(service, _BREAKS, f"room@{service.name('muc')}", bob.jid)


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
@pytest.mark.parametrize("kind", ["message", "subscribe", "question", "invitation", "decline"])
def test_one_account_reaches_few_strangers_elsewhere(service: Service, register: Register, kind: str) -> None:
    """Questions go to servers, of which each would take a connection."""
    (mallory,) = register(1)
    server = f"{secrets.token_hex(4)}.example"
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        room = ""
        if kind == "invitation":
            room = made_room(attacker, service)
        elif kind == "decline":
            room = left_room(attacker, service)
        written = {
            "message": "<message to='u{0}@{1}' type='chat'><body>text</body></message>",
            "subscribe": "<presence to='u{0}@{1}' type='subscribe'/>",
            "question": "<iq to='s{0}.{1}' type='get' id='x'><query xmlns='urn:test'/></iq>",
            "invitation": "<message to='"
            + room
            + "'><x xmlns='"
            + MUC
            + "#user'><invite to='u{0}@{1}'/></x></message>",
            "decline": "<message to='" + room + "'><x xmlns='" + MUC + "#user'><decline to='u{0}@{1}'/></x></message>",
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
