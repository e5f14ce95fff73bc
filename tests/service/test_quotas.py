# SPDX-License-Identifier: GPL-3.0-or-later
"""What one account makes the server keep has a limit, whatever it is.

What is there is counted in the database: the tests write there what ejabberd has not seen come, as it has not after a
restart.
"""

from __future__ import annotations

import secrets
import time
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import ADMIN
from ..kit.nodes import PUBSUB
from ..kit.quotas import FORM, POLICY, REQUEST, is_refused, people
from ..kit.raw_rooms import MUC_OWNER, made_room
from ..kit.service import Account, Register, Service, sql
from ..kit.sessions import CONSTRAINT, came, logged_in, online
from ..kit.strangers import elsewhere
from ..kit.stream import CLIENT, Stream, ask_token

MIB = 1024 * 1024
ACCOUNT = 20 * MIB  # what an account may have kept here
OTHERS = 10 * MIB  # of it, what others may fill
RESERVE = 2 * MIB  # more of it, for what is small
ROW = 1024  # bytes that each entry counts at least
TOKENS = 100  # devices that log in without a password
SECONDS = 20
OWNER = f"{PUBSUB}#owner"


def filled(service: Service, account: Account, size: int) -> None:
    """So many bytes are kept for an account."""
    values = (
        f"'{account.name}', '{service.domain}', 'fill', '<x xmlns=\"fill\">' || hex(zeroblob({size // 2})) || '</x>'"
    )
    sql(service, f"INSERT INTO private_storage (username, server_host, namespace, data) VALUES ({values})")


def private(name: str, text: str = "") -> str:
    return f"<query xmlns='jabber:iq:private'><x xmlns='{name}'>{text}</x></query>"


def publish(node: str, text: str, item: str = "current") -> str:
    entry = f"<item id='{item}'><x xmlns='urn:test'>{text}</x></item>"
    return f"<pubsub xmlns='{PUBSUB}'><publish node='{node}'>{entry}</publish></pubsub>"


def contact(jid: str, name: str = "", groups: int = 0, subscription: str = "") -> str:
    inside = "".join(f"<group>{number}</group>" for number in range(groups))
    state = f" subscription='{subscription}'" if subscription else ""
    return f"<query xmlns='jabber:iq:roster'><item jid='{jid}' name='{name}'{state}>{inside}</item></query>"


def block(count: int) -> str:
    return "<block xmlns='urn:xmpp:blocking'>" + "".join(f"<item jid='{who}'/>" for who in people(count)) + "</block>"


def privacy_list(count: int) -> str:
    items = "".join(
        f"<item type='jid' value='{who}' action='deny' order='{n}'/>" for n, who in enumerate(people(count))
    )
    return f"<query xmlns='jabber:iq:privacy'><list name='{secrets.token_hex(4)}'>{items}</list></query>"


# What an app asks to be kept, and by whom.
KINDS = {
    "private storage": (private("urn:test:small", "text"), ""),
    "much private storage": (private("urn:test:large", "x" * 100_000), ""),
    "contact": (contact("friend@elsewhere.example", "Friend"), ""),
    "contact with a long name": (contact("friend@elsewhere.example", "x" * 50_000), ""),
    "contact in many groups": (contact("friend@elsewhere.example", "Friend", 100), ""),
    "profile": ("<vCard xmlns='vcard-temp'><NOTE>text</NOTE></vCard>", ""),
    "node": (publish("urn:test:node", "text"), ""),
    "node's configuration": (f"<pubsub xmlns='{PUBSUB}'><create node='urn:test:node'/></pubsub>", ""),
    "node of the service": (f"<pubsub xmlns='{PUBSUB}'><create node='x'/></pubsub>", "pubsub"),
    "bookmark": (publish("urn:xmpp:bookmarks:1", "text", "room@muc.elsewhere.example"), ""),
    "blocked people": (block(3), ""),
    "privacy list": (privacy_list(3), ""),
    "push": ("<enable xmlns='urn:xmpp:push:0' jid='push.elsewhere.example' node='device'/>", ""),
    "whose messages to keep": (
        "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>friend@elsewhere.example</jid></always><never/>"
        "</prefs>",
        "",
    ),
    "nickname": (
        "<query xmlns='jabber:iq:register'>"
        + FORM.format("<field var='nick'><value>nick</value></field>")
        + "</query>",
        "muc",
    ),
    "invitation": (
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite' action='execute'/>",
        "site",
    ),
    "what nobody knows": ("<x xmlns='urn:test:unknown'>text</x>", ""),
}


@pytest.fixture(scope="module")
def full(service: Service, register: Register) -> Account:
    """An account that has more than it may, as after a move."""
    (account,) = register(1)
    filled(service, account, ACCOUNT + RESERVE + MIB)
    return account


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
@pytest.mark.parametrize("kind", KINDS)
def test_full_account_keeps_nothing_more(service: Service, full: Account, kind: str) -> None:
    payload, part = KINDS[kind]
    to = {"": "", "site": service.domain}.get(part, service.name(part))
    with logged_in(service, full) as stream:
        stream.bind()
        assert is_refused(stream.query("set", payload, to), f"{ACCOUNT // MIB} MiB"), kind


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
@pytest.mark.parametrize("kind", ["subscribe", "subscribed"])
def test_full_account_asks_nobody_more(service: Service, full: Account, kind: str) -> None:
    with logged_in(service, full) as stream:
        own = online(stream)
        stream.send(f"<presence to='friend@elsewhere.example' type='{kind}'/>")
        assert any(is_refused(one, f"{ACCOUNT // MIB} MiB") for one in came(stream, own))


def test_full_account_goes_on_otherwise(service: Service, register: Register, full: Account) -> None:
    """It writes, reads, deletes, is in rooms and can be deleted."""
    (friend,) = register(1)
    with logged_in(service, full) as stream, logged_in(service, friend) as other:
        own = online(stream)
        address = online(other)
        stream.send(f"<message to='{friend.jid}' type='chat'><body>hello</body></message>")
        came(stream, own)
        assert any(one.findtext(f"{CLIENT}body") == "hello" for one in came(other, address))
        made = [f"<item affiliation='member' jid='{friend.jid}'/>", f"<item affiliation='none' jid='{friend.jid}'/>"]
        room = made_room(stream, service)
        password = f"<username>{full.name}</username><password>{full.password}</password>"
        deeds = {
            "<query xmlns='urn:xmpp:mam:2'/>": "",
            "<enable xmlns='urn:xmpp:carbons:2'/>": "",
            contact(friend.jid, subscription="remove"): "",
            f"<pubsub xmlns='{PUBSUB}'><retract node='urn:test:node'><item id='current'/></retract></pubsub>": "",
            f"<pubsub xmlns='{OWNER}'><delete node='urn:test:node'/></pubsub>": "",
            "<unblock xmlns='urn:xmpp:blocking'/>": "",
            "<disable xmlns='urn:xmpp:push:0' jid='push.elsewhere.example'/>": "",
            f"<query xmlns='{ADMIN}'>{made[0]}</query>": room,
            f"<query xmlns='{ADMIN}'>{made[1]}</query>": room,
            f"<query xmlns='{MUC_OWNER}'><destroy/></query>": room,
            f"<query xmlns='jabber:iq:register'>{password}</query>": service.domain,
        }
        for deed, to in deeds.items():
            answer = stream.query("set", deed, to)
            assert not is_refused(answer, ""), ET.tostring(answer, "unicode")


def test_what_is_deleted_makes_room(service: Service, register: Register) -> None:
    (alice,) = register(1)
    filled(service, alice, ACCOUNT + MIB)
    large = private("urn:test", "x" * 100_000)
    with logged_in(service, alice) as stream:
        stream.bind()
        assert is_refused(stream.query("set", large), f"{ACCOUNT // MIB} MiB")
        assert stream.query("set", private("fill")).get("type") == "result", "emptied"
        deadline = time.monotonic() + SECONDS
        while is_refused(stream.query("set", large), ""):
            assert time.monotonic() < deadline, "it is counted again after 2 seconds"


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_nobody_has_more_than_the_limit(service: Service, register: Register) -> None:
    """By any mixture, of a size that is counted apart from what the server counts."""
    (mallory,) = register(1)
    filled(service, mallory, ACCOUNT - MIB)
    with logged_in(service, mallory) as stream:
        stream.bind()
        text = "x" * 150_000
        for number in range(12):
            stream.query("set", private(f"urn:test:{number}", text))
            stream.query("set", publish(f"urn:test:{number}", text))
            stream.query("set", contact(f"friend{number}@elsewhere.example", "x" * 50_000, 30))
        answers = [
            stream.query("set", payload)
            for payload in (
                private("urn:test:last", text),
                publish("urn:test:last", text),
                contact("last@elsewhere.example", text),
            )
        ]
        assert all(is_refused(one, f"{ACCOUNT // MIB} MiB") for one in answers)
    whose = f"WHERE username = '{mallory.name}'"
    ((kept,),) = sql(
        service,
        f"SELECT (SELECT sum(length(data)) FROM private_storage {whose})"
        f" + (SELECT sum(length(nick)) FROM rosterusers {whose})"
        f" + (SELECT sum(length(payload)) FROM pubsub_item WHERE publisher LIKE '{mallory.jid}%')",
    )
    assert ACCOUNT - MIB < kept <= ACCOUNT + RESERVE


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_small_entries_count(service: Service, register: Register) -> None:
    """Each as 1 KiB: a list of 20,480 contacts is long to read, however short they are."""
    (mallory,) = register(1)
    rows = f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {(ACCOUNT + RESERVE) // ROW})"
    columns = "(username, server_host, jid, nick, subscription, approved, ask, askmessage, server, subscribe, type)"
    values = f"'{mallory.name}', '{service.domain}', x || '@elsewhere.example', '', 'N', 0, 'N', '', 'N', '', 'item'"
    sql(service, f"INSERT INTO rosterusers {columns} {rows} SELECT {values} FROM n")
    with logged_in(service, mallory) as stream:
        stream.bind()
        assert is_refused(stream.query("set", contact("one@more.example")), f"{ACCOUNT // MIB} MiB")


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_others_fill_half_of_an_account_by_requests(service: Service, register: Register) -> None:
    """Whoever asks, from here or elsewhere. The account has the other half for itself."""
    alice, bob = register(2)
    filled(service, alice, OTHERS)
    with logged_in(service, alice) as asked, logged_in(service, bob) as asking:
        own = online(asked)
        address = online(asking)
        asking.send(f"<presence to='{alice.jid}' type='subscribe'/>")
        assert any(is_refused(one, f"{OTHERS // MIB} MiB") for one in came(asking, address))
        service.api(("send_stanza", {"from": elsewhere(), "to": alice.jid, "stanza": "<presence type='subscribe'/>"}))
        assert [one for one in came(asked, own) if one.get("type") == "subscribe"] == []
        assert asked.query("set", private("urn:test", "x" * 100_000)).get("type") == "result"


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_others_fill_half_of_an_account_by_its_node(service: Service, register: Register) -> None:
    """One that takes items of everybody."""
    alice, bob = register(2)
    filled(service, alice, OTHERS - 120_000)
    node, there = secrets.token_hex(6), service.name("pubsub")
    open_to_all = FORM.format(
        f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
        "<field var='pubsub#publish_model'><value>open</value></field>"
    )
    with logged_in(service, alice) as owner, logged_in(service, bob) as stranger:
        owner.bind()
        stranger.bind()
        made = f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/><configure>{open_to_all}</configure></pubsub>"
        assert owner.query("set", made, there).get("type") == "result"
        assert stranger.query("set", publish(node, "x" * 90_000, "first"), there).get("type") == "result"
        answer = stranger.query("set", publish(node, "x" * 90_000, "second"), there)
        assert is_refused(answer, f"{OTHERS // MIB} MiB"), ET.tostring(answer, "unicode")
        assert owner.query("set", publish(node, "x" * 90_000, "own"), there).get("type") == "result"


def test_who_made_a_node_stays_its_owner(service: Service, register: Register) -> None:
    """Or what is in it would count for somebody else, or for nobody. Another one can be an owner as well."""
    alice, bob = register(2)
    node, there = secrets.token_hex(6), service.name("pubsub")

    def affiliate(stream: Stream, jid: str, affiliation: str) -> ET.Element:
        entry = f"<affiliation jid='{jid}' affiliation='{affiliation}'/>"
        return stream.query(
            "set", f"<pubsub xmlns='{OWNER}'><affiliations node='{node}'>{entry}</affiliations></pubsub>", there
        )

    with logged_in(service, alice) as maker, logged_in(service, bob) as other:
        maker.bind()
        other.bind()
        assert (
            maker.query("set", f"<pubsub xmlns='{PUBSUB}'><create node='{node}'/></pubsub>", there).get("type")
            == "result"
        )
        assert affiliate(maker, bob.jid, "owner").get("type") == "result"
        for stream in (maker, other):
            answer = affiliate(stream, alice.jid, "none")
            assert answer.find(".//{*}not-allowed") is not None, ET.tostring(answer, "unicode")
        assert affiliate(maker, bob.jid, "none").get("type") == "result"


@pytest.mark.attack("storing much data: contacts, profile, nodes, lists, push, invitations, anything")
def test_contact_request_is_short(service: Service, register: Register) -> None:
    alice, bob = register(2)
    with logged_in(service, alice) as asking, logged_in(service, bob) as asked:
        own = online(asking)
        address = online(asked)
        asking.send(f"<presence to='{bob.jid}' type='subscribe'><status>{'x' * (REQUEST + 1)}</status></presence>")
        assert any(one.find(POLICY) is not None for one in came(asking, own))
        stanza = f"<presence type='subscribe'><status>{'x' * (REQUEST + 1)}</status></presence>"
        service.api(("send_stanza", {"from": elsewhere(), "to": bob.jid, "stanza": stanza}))
        asking.send(f"<presence to='{bob.jid}' type='subscribe'><status>{'y' * 1000}</status></presence>")
        came(asking, own)
        texts = [one.findtext(f"{CLIENT}status", "") for one in came(asked, address) if one.get("type") == "subscribe"]
        assert texts == ["y" * 1000]


def test_avid_user_meets_no_limit(service: Service, register: Register) -> None:
    """1,000 contacts in two groups each, keys of ten devices, 200 bookmarks, a picture as large as a stanza."""
    (alice,) = register(1)
    bundle = "".join(
        f"<preKeyPublic preKeyId='{number}'>{secrets.token_hex(22)}</preKeyPublic>" for number in range(100)
    )
    deeds = [contact(who, "Somebody", 2) for who in people(1000)]
    deeds += [publish(f"eu.siacs.conversations.axolotl.bundles:{number}", bundle) for number in range(10)]
    deeds += [publish("urn:xmpp:bookmarks:1", "bookmark", f"room{number}@muc.example") for number in range(200)]
    deeds += [publish("urn:xmpp:mds:displayed:0", "position", f"user{number}@example") for number in range(300)]
    deeds += [publish("urn:xmpp:avatar:data", "x" * 240_000), block(500)]
    with logged_in(service, alice) as stream:
        stream.bind()
        for first in range(0, len(deeds), 20):
            some = {f"d{number}": deed for number, deed in enumerate(deeds[first : first + 20])}
            stream.send("".join(f"<iq id='{name}' type='set'>{deed}</iq>" for name, deed in some.items()))
            answers: dict[str, ET.Element] = {}
            while len(answers) < len(some):
                element = stream.read()
                if element.tag == f"{CLIENT}iq" and element.get("id") in some:
                    answers[element.get("id", "")] = element
            assert not [ET.tostring(one) for one in answers.values() if one.find(CONSTRAINT) is not None]


@pytest.mark.attack("tokens for logins without a password, without number")
def test_so_many_devices_have_tokens(service: Service, register: Register) -> None:
    """The oldest go: an app makes up the name of the device that a token is for (XEP-0484)."""
    (alice,) = register(1)
    rows = f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {TOKENS + 20})"
    columns = "(username, server_host, ua, type, token, created_at, expires)"
    times = "datetime('now', '-1 hour'), datetime('now', '1 hour')"
    values = f"'{alice.name}', '{service.domain}', 'device' || x, 'c', 'token', {times}"
    sql(service, f"INSERT INTO auth_fast_tokens {columns} {rows} SELECT {values} FROM n")
    ask_token(service, alice)
    kept = sql(service, f"SELECT token FROM auth_fast_tokens WHERE username = '{alice.name}'")
    assert len(kept) == TOKENS
    assert len([token for (token,) in kept if token != "token"]) == 1


@pytest.mark.attack("using up a limit, so that others cannot ask somebody for something")
def test_who_fills_an_account_in_vain_keeps_nobody_else_out(service: Service, register: Register) -> None:
    """What was never kept is counted out as soon as somebody else asks."""
    mallory, alice, bob = register(3)
    # Each element counts as a row: up to the last one that fits.
    counts = [4900, 4900, *(2**power for power in range(8, -1, -1)), 0]
    heavy = "<iq type='set' id='h' to='{}'><query xmlns='urn:example:unknown'>{}</query></iq>"
    with (
        logged_in(service, mallory) as attacker,
        logged_in(service, bob) as friend,
        logged_in(service, alice) as victim,
    ):
        for stream in (attacker, friend, victim):
            online(stream)
        attacker.send("".join(heavy.format(alice.jid, "<x/>" * count) for count in counts))
        assert any(is_refused(one, "10 MiB") for one in came(attacker, mallory.jid))
        friend.send(f"<presence type='subscribe' to='{alice.jid}'/>")
        while (asked := victim.read()).get("type") != "subscribe":
            pass
        assert asked.get("from") == bob.jid
