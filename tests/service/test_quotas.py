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
from ..kit.quotas import (
    FORM,
    MIB,
    OWNER,
    block,
    contact,
    filled,
    is_refused,
    people,
    privacy_list,
    private,
    publish,
)
from ..kit.raw_rooms import MUC_OWNER, made_room
from ..kit.service import PATIENCE, Account, Register, Service, sql
from ..kit.sessions import CONSTRAINT, came, logged_in, online
from ..kit.stream import CLIENT, ask_token

ACCOUNT = 20 * MIB  # what an account may have kept here
RESERVE = 2 * MIB  # more of it, for what is small
ROW = 1024  # bytes that each entry counts at least
TOKENS = 100  # devices that log in without a password


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
            "<delete xmlns='conexizan:archive'/>": "",
            "<delete-file xmlns='conexizan:stored' id='x'/>": "",
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
        deadline = time.monotonic() + PATIENCE
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


@pytest.mark.timeout(600)  # the server reads the whole roster for each change
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


@pytest.mark.attack("creating login tokens without limit")
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
