# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an account exists is not told to who asks: answers about a missing one are those about any other."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import shlex
import statistics
import time
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.erlang import run_in_erlang
from ..kit.scram import Scram
from ..kit.service import DATABASE, Account, Register, Service
from ..kit.stream import BIND2_REQUEST, CLIENT, DEVICE, FAST, SASL, SASL2, Stream, connected

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS"]
PORT_TLS = 5223
# What the module knows of the accounts here is an hour old at most; the test does not wait for it.
_LOOK_AGAIN = "run([]) -> ets:delete_all_objects(ejabberd_auth_nobody)."


def nobody() -> Account:
    """A name of the same form as other accounts of the tests, that no account has, with a guess at its password."""
    return Account(f"person-{secrets.token_hex(5)}", secrets.token_hex(8))


def guesser(account: Account) -> Account:
    return Account(account.name, secrets.token_hex(8))


def shape(element: ET.Element, account: Account) -> str:
    """An answer without the name that it is about, and without what is new in each."""
    text = ET.tostring(element, encoding="unicode").replace(account.jid, "JID").replace(account.name, "NAME")
    return re.sub(r'\b(id|ver)="[^"]*"', r"\1", text)


def challenge(stream: Stream, scram: Scram, mechanism: str, sasl2: bool) -> tuple[ET.Element, dict[str, str]]:
    """The server's answer to the first message, and what it says if it is a challenge."""
    answer = (stream.authenticate2 if sasl2 else stream.authenticate)(mechanism, scram.first())
    data = base64.b64decode(answer.text or "").decode()
    return answer, dict(part.split("=", 1) for part in data.split(",") if "=" in part)


def guess(service: Service, account: Account, mechanism: str, sasl2: bool) -> tuple[list[str], dict[str, str]]:
    """The shapes of all answers to a login with a wrong password, and the server's first message."""
    with connected(service, PORT_TLS, account if sasl2 else None) as stream:
        stream.encrypt()
        features = stream.open()
        scram = Scram(mechanism, account, stream.binding if mechanism.endswith("-PLUS") else None)
        first, fields = challenge(stream, scram, mechanism, sasl2)
        if not fields:
            return [shape(features, account), shape(first, account)], fields
        proof = base64.b64encode(scram.final(base64.b64decode(first.text or ""))).decode()
        stream.send(f"<response xmlns='{(SASL2 if sasl2 else SASL)[1:-1]}'>{proof}</response>")
        return [shape(features, account), first.tag, shape(stream.read(), account)], fields


@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.attack("testing by logins whether an account exists")
def test_wrong_password_and_missing_account_get_the_same_answers(
    service: Service, register: Register, mechanism: str
) -> None:
    (alice,) = register(1)
    missing = nobody()
    for sasl2 in (False, True):
        theirs, real = guess(service, guesser(alice), mechanism, sasl2)
        ours, made_up = guess(service, missing, mechanism, sasl2)
        assert ours == theirs
        assert theirs[-1].count("not-authorized") == 1, "the last answer is a refusal"
        # Not the nonce and the salt themselves, nor the checksum of what is offered on this connection (XEP-0474).
        assert made_up.keys() == real.keys()
        assert made_up["i"] == real["i"]
        assert len(base64.b64decode(made_up["s"])) == len(base64.b64decode(real["s"]))
        assert len(made_up["r"]) == len(real["r"])
    # As a real one: the same each time, however the name is written, and another one for everybody.
    assert guess(service, Account(missing.name.upper(), ""), mechanism, False)[1]["s"] == made_up["s"]
    assert guess(service, nobody(), mechanism, False)[1]["s"] != made_up["s"]


@pytest.mark.usefixtures("forgiven")
def test_keys_of_different_kinds_have_different_salts(service: Service) -> None:
    missing = nobody()
    assert len({guess(service, missing, kind, False)[1]["s"] for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")}) == 2


def refused(service: Service, account: Account, sasl2: bool, mechanism: str, first: bytes, inside: str = "") -> str:
    """The shape of the answer to a login of one message."""
    with connected(service, PORT_TLS, account if sasl2 else None) as stream:
        stream.encrypt()
        stream.open()
        if sasl2:
            return shape(stream.authenticate2(mechanism, first, inside), account)
        return shape(stream.authenticate(mechanism, first), account)


@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize("sasl2", [False, True], ids=["SASL", "SASL 2"])
@pytest.mark.attack("testing by logins whether an account exists")
def test_plain_tells_nothing_of_a_name(service: Service, register: Register, sasl2: bool) -> None:
    (alice,) = register(1)
    said = {
        refused(service, one, sasl2, "PLAIN", f"\0{one.name}\0{one.password}".encode())
        for one in (guesser(alice), nobody())
    }
    assert len(said) == 1
    assert "not-authorized" in said.pop()


@pytest.mark.usefixtures("forgiven")
@pytest.mark.attack("testing by logins whether an account exists")
def test_token_tells_nothing_of_a_name(service: Service, register: Register) -> None:
    (alice,) = register(1)
    inside = f"<user-agent id='{DEVICE}'/><fast xmlns='{FAST[1:-1]}'/>{BIND2_REQUEST}"
    said = {
        refused(service, one, True, "HT-SHA-256-NONE", one.name.encode() + b"\0" + bytes(32), inside)
        for one in (alice, nobody())
    }
    assert len(said) == 1
    assert "not-authorized" in said.pop()


@pytest.mark.usefixtures("forgiven")
@pytest.mark.attack("testing by logins whether an account exists")
def test_plain_takes_as_long_for_a_missing_account(service: Service, register: Register) -> None:
    """Checking a password is work: without it, the answer for a missing account would come in a tenth of the time.

    Compared are medians of attempts in turns, so that it is the same whatever else the machine does.
    """
    (alice,) = register(1)
    missing = nobody()
    seconds: dict[str, list[float]] = {alice.name: [], missing.name: []}
    with connected(service, PORT_TLS) as stream:
        stream.encrypt()
        stream.open()
        for number in range(15):
            for name, taken in seconds.items():
                start = time.monotonic()
                stream.authenticate("PLAIN", f"\0{name}\0guess {number}".encode())
                taken.append(time.monotonic() - start)
    ours, theirs = (statistics.median(seconds[name]) for name in (missing.name, alice.name))
    assert 0.5 < ours / theirs < 2, f"{ours * 1000:.2f} ms against {theirs * 1000:.2f} ms"


# What an account can ask about another, or say to it, and is not limited as messages to strangers are.
QUESTIONS = {
    "profile": "<iq type='get'{to}><vCard xmlns='vcard-temp'/></iq>",
    "features": "<iq type='get'{to}><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    "items": "<iq type='get'{to}><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
    "last activity": "<iq type='get'{to}><query xmlns='jabber:iq:last'/></iq>",
    "version": "<iq type='get'{to}><query xmlns='jabber:iq:version'/></iq>",
    "time": "<iq type='get'{to}><time xmlns='urn:xmpp:time'/></iq>",
    "ping": "<iq type='get'{to}><ping xmlns='urn:xmpp:ping'/></iq>",
    "contacts": "<iq type='get'{to}><query xmlns='jabber:iq:roster'/></iq>",
    "contacts, changed": "<iq type='set'{to}><query xmlns='jabber:iq:roster'><item jid='a@b.test'/></query></iq>",
    "private storage": "<iq type='get'{to}><query xmlns='jabber:iq:private'><x xmlns='y'/></query></iq>",
    "block list": "<iq type='get'{to}><blocklist xmlns='urn:xmpp:blocking'/></iq>",
    "archive": "<iq type='set'{to}><query xmlns='urn:xmpp:mam:2'/></iq>",
    "archive settings": "<iq type='get'{to}><prefs xmlns='urn:xmpp:mam:2'/></iq>",
    "registration": "<iq type='get'{to}><query xmlns='jabber:iq:register'/></iq>",
    "push": "<iq type='set'{to}><enable xmlns='urn:xmpp:push:0' jid='push.b.test' node='n'/></iq>",
    "commands": "<iq type='set'{to}><command xmlns='http://jabber.org/protocol/commands' node='n'/></iq>",
    "something unknown": "<iq type='get'{to}><query xmlns='urn:example:unknown'/></iq>",
    "keys": "<iq type='get'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    "<items node='eu.siacs.conversations.axolotl.devicelist'/></pubsub></iq>",
    "avatar": "<iq type='get'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    "<items node='urn:xmpp:avatar:metadata'/></pubsub></iq>",
    "a node": "<iq type='set'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    "<publish node='n'><item/></publish></pubsub></iq>",
    "a subscription": "<iq type='set'{to}><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    "<subscribe node='n' jid='{me}'/></pubsub></iq>",
    "an app of its own": "<iq type='get'{to_app}><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    "presence asked for": "<presence type='probe'{to}/>",
    "presence shown": "<presence{to}/>",
    "presence shown to an app": "<presence{to_app}/>",
    "contact request": "<presence type='subscribe'{to}/>",
    "contact request taken": "<presence type='subscribed'{to}/>",
    "contact given up": "<presence type='unsubscribe'{to}/>",
    "contact sent away": "<presence type='unsubscribed'{to}/>",
    "groupchat": "<message type='groupchat'{to}><body>hello</body></message>",
    "error": "<message type='error'{to}><body>hello</body></message>",
    "much to be kept, again and again": 4
    * ("<iq type='set'{to}><query xmlns='urn:example:unknown'>" + 4000 * "<x/>" + "</query></iq>"),
}


def answers(stream: Stream, asking: Account, about: Account, question: str) -> set[str]:
    """The shapes of all that comes until each IQ is answered, in whatever order, and a request after them."""
    to, to_app = f" to='{about.jid}' id='question'", f" to='{about.jid}/app' id='question'"
    stream.send(question.format(to=to, to_app=to_app, me=asking.jid))
    stream.send("<iq type='get' id='next'><ping xmlns='urn:xmpp:ping'/></iq>")
    came, open_ = set(), ["next"] + ["question"] * question.count("<iq ")
    while open_:
        stanza = stream.read()
        if stanza.tag == f"{CLIENT}iq" and stanza.get("id") in open_:
            open_.remove(str(stanza.get("id")))
        if stanza.get("id") != "next":
            came.add(shape(stanza, about).replace(f'name="{about.name}"', 'name="NAME"'))
    return came


@contextlib.contextmanager
def logged_in(service: Service, account: Account) -> Iterator[Stream]:
    with connected(service, PORT_TLS) as stream:
        stream.encrypt()
        stream.open()
        stream.scram("SCRAM-SHA-512", account)
        stream.bind()
        yield stream


@pytest.fixture(scope="module")
def asking(service: Service, register: Register) -> Iterator[tuple[Stream, Account]]:
    """Somebody who is online."""
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        stream.send("<presence/>")
        while stream.read().tag != f"{CLIENT}presence":
            pass
        yield stream, alice


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.attack("testing it from a session, by any stanza but a message")
def test_session_is_told_the_same_about_a_missing_account(
    asking: tuple[Stream, Account], register: Register, question: str
) -> None:
    stream, alice = asking
    (bob,) = register(1)
    real = answers(stream, alice, bob, QUESTIONS[question])
    assert answers(stream, alice, nobody(), QUESTIONS[question]) == real


STRANGERS = 60  # that one account writes to at once


@pytest.mark.attack("testing it by messages, which bounce if it does not")
def test_messages_find_few_accounts(service: Service, register: Register) -> None:
    """One to a missing account comes back, so that who mistypes knows; it counts as any to a stranger."""
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        reasons = []
        for _ in range(STRANGERS + 5):
            stream.send(f"<message to='{nobody().jid}' type='chat'><body>hello</body></message>")
            error = stream.read().find(f"{CLIENT}error")
            assert error is not None
            reasons.append(error[0].tag.split("}")[1])
    assert reasons == ["service-unavailable"] * STRANGERS + ["resource-constraint"] * 5


def database(service: Service, *statements: str) -> None:
    script = (
        f"import json, sys, sqlite3\nwith sqlite3.connect({DATABASE!r}, timeout=30) as database:\n"
        f"  for statement in json.loads(sys.argv[1]): database.execute(statement)"
    )
    command = ["runuser", "-u", "ejabberd", "--", "python3", "-c", script, json.dumps(statements)]
    service.host.check_output(shlex.join(command))


@pytest.mark.usefixtures("forgiven")
@pytest.mark.attack("testing by logins whether an account exists")
def test_missing_accounts_look_like_those_that_came_from_elsewhere(service: Service) -> None:
    """Imported accounts have other rounds and lengths of salts: they would stand out, and so would all the others."""
    count = int(service.host.check_output(f"runuser -u ejabberd -- python3 -c {shlex.quote(_COUNT)}"))
    word = secrets.token_hex(4)
    salt = base64.b64encode(bytes(24)).decode()
    rows = (
        f"('elsewhere-{word}-{number}', '{service.domain}', {kind}, 'AAAA', 'AAAA', '{salt}', 10000)"
        for number in range(count)
        for kind in (3, 4)
    )
    try:
        database(
            service,
            "INSERT INTO users (username, server_host, type, password, serverkey, salt, iterationcount) VALUES "
            + ", ".join(rows),
        )
        run_in_erlang(service, _LOOK_AGAIN)
        names = [nobody() for _ in range(30)]
        seen = [guess(service, name, "SCRAM-SHA-512", False)[1] for name in names]
    finally:
        database(service, f"DELETE FROM users WHERE username LIKE 'elsewhere-{word}-%'")
        run_in_erlang(service, _LOOK_AGAIN)
    kinds = {(fields["i"], len(base64.b64decode(fields["s"]))) for fields in seen}
    assert kinds == {("4096", 16), ("10000", 24)}


_COUNT = f"""
import sqlite3
print(sqlite3.connect({DATABASE!r}).execute("SELECT count(DISTINCT username) FROM users").fetchone()[0])
"""
