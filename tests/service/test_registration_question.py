# SPDX-License-Identifier: GPL-3.0-or-later
"""Who cannot see the CAPTCHA's picture answers a question of the operator's. That opens no other way in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.erlang import run_in_erlang
from ..kit.newcomer import (
    ASK_FORM,
    Form,
    ask_form,
    ask_without_form,
    exists,
    filled_form,
    hand_in,
    hand_in_plain,
    invite,
    newcomer,
    plain_form,
    read_form,
    read_picture,
    refusal,
    show_invitation,
    wrong,
)
from ..kit.service import Account, Register, Service
from ..kit.stream import Stream, connected
from ..kit.web import over_bosh, over_websocket

# molecule/inventory/group_vars/whole.yml
QUESTIONS = {"en": "Which tree is in the yard?", "de": "Welcher Baum steht im Hof?"}
# Of either language, in any case, composed or decomposed, and as people write it who have no key for its accents.
RIGHT = (
    "lime",
    "  a\u00a0LIME! ",
    "linde",
    "SCHÖNE GROSSE LINDE",
    "scho\u0308ne große\n linde.",
    "Schoene Grosse Linde",
    "schone-grosse linde\u200b",
    "ｌｉｍｅ",
)
WRONG = ("oak", "lim", "lime tree", "limelime", "l1me", "lime" * 500, "?!", "\u0308", " ")
WAYS = {"websocket": over_websocket, "bosh": over_bosh}
PICTURES = 40  # of one address in a minute, roles/ejabberd/vars/main.yml
FORM = "{jabber:x:data}"
# As if a room had asked for the picture, for somebody who wants to enter it.
_OF_A_ROOM = """run([Challenge]) ->
    true = ets:update_element(captcha, list_to_binary(Challenge), {6, jid:decode(<<"somebody@server.example">>)}).
"""

pytestmark = pytest.mark.usefixtures("limits_reset_before")


@pytest.fixture
def newcomers(service: Service) -> Iterator[list[Account]]:
    """Those who got an account, which is deleted afterwards."""
    made: list[Account] = []
    yield made
    service.unregister(made)


def answer(stream: Stream, account: Account, form: Form, said: str, **more: str) -> str:
    """Why the server refuses somebody who answers the question, "" if it does not."""
    fields = {"username": account.name, "password": account.password, "challenge": form.challenge, "qa": said}
    return refusal(hand_in(stream, **fields | more))


@pytest.mark.parametrize("language", QUESTIONS)
def test_app_shows_the_question_beside_the_picture(service: Service, language: str) -> None:
    """In the language of whoever asks, and neither of both is required."""
    with connected(service) as stream:
        stream.starttls()
        asked = stream.query("get", "<query xmlns='jabber:iq:register'/>", language=language)
    fields = {field.get("var"): field for field in asked.iter(f"{FORM}field")}
    assert fields["qa"].get("label") == QUESTIONS[language]
    required = [name for name, field in fields.items() if field.find(f"{FORM}required") is not None]
    assert [name for name in required if fields[name].get("type") != "hidden"] == ["username", "password"]
    assert asked.find(".//{urn:xmpp:bob}data") is not None


async def test_account_is_made_by_an_answer(service: Service, register: Register, newcomers: list[Account]) -> None:
    """As people write it, of either language."""
    (known,) = register(1)
    newcomers.append(newcomer())
    with connected(service) as stream:
        stream.starttls()
        for said in RIGHT:
            assert answer(stream, known, ask_form(stream), said) == "conflict", said  # the name alone is wrong
        assert answer(stream, newcomers[0], ask_form(stream), RIGHT[0]) == ""
        # Who has just got an account gets no second one: the same limit as with a picture.
        late = newcomer()
        assert answer(stream, late, ask_form(stream), RIGHT[0]) == "resource-constraint"
    assert not exists(service, late)
    async with login(service, newcomers[0]):
        pass


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
def test_wrong_answer_uses_up_the_challenge(service: Service, guest: Account) -> None:
    """So nobody can try one answer after the other, nor the digits after an answer."""
    with connected(service) as stream:
        stream.starttls()
        for said in WRONG:
            form = ask_form(stream)
            digits = read_picture(service, form.challenge)
            assert answer(stream, guest, form, said, ocr="") == "not-allowed", said
            assert answer(stream, guest, form, "lime") == "not-allowed", said
            assert answer(stream, guest, form, "", ocr=digits) == "not-allowed", said
        # Of both, the digits count.
        form = ask_form(stream)
        digits = read_picture(service, form.challenge)
        assert answer(stream, guest, form, "lime", ocr=wrong(digits)) == "not-allowed"
        assert answer(stream, guest, form, "lime", ocr=digits) == "not-allowed"
        # An answer needs a challenge, of its own.
        for challenge in ("", secrets.token_hex(8)):
            assert answer(stream, guest, form, "lime", challenge=challenge) in ("not-allowed", "bad-request")
        # Nor is one the form without a challenge.
        assert refusal(ask_without_form(stream, guest)) == "not-allowed"
    assert not exists(service, guest)


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
def test_answer_does_not_fit_the_challenge_of_a_room(service: Service, guest: Account) -> None:
    """Of which anybody elsewhere gets as many as there are addresses."""
    with connected(service) as stream:
        stream.starttls()
        form = ask_form(stream)
        run_in_erlang(service, _OF_A_ROOM, form.challenge)
        assert answer(stream, guest, form, "lime") == "not-allowed"
    assert not exists(service, guest)


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
@pytest.mark.parametrize("way", WAYS)
async def test_web_asks_the_same(service: Service, guest: Account, way: str) -> None:
    """No way in leads past the question, and each takes an answer."""
    async with WAYS[way](service) as exchange:

        async def ask(kind: str, payload: str) -> ET.Element:
            return await exchange(f"<iq xmlns='jabber:client' id='q' type='{kind}' xml:lang='en'>{payload}</iq>")

        async def attempt(**said: str) -> str:
            form = read_form(await ask("get", ASK_FORM))
            fields = {"username": guest.name, "password": guest.password, "challenge": form.challenge}
            return refusal(await ask("set", filled_form(**fields, **said)))

        assert await attempt() == "bad-request"
        assert await attempt(qa="oak") == "not-allowed"
        assert not exists(service, guest)
        assert await attempt(qa="Lime") == ""
    assert exists(service, guest)


@pytest.mark.attack("creating many accounts, with `xmpp_registration: open`")
def test_answers_are_limited_as_pictures_are(service: Service, guest: Account) -> None:
    """Each attempt takes a challenge, with a picture, of which an address gets so many."""
    with connected(service) as stream:
        stream.starttls()
        for _ in range(PICTURES - 1):
            assert answer(stream, guest, ask_form(stream), "oak") == "not-allowed"
        ask_form(stream)
        assert refusal(stream.query("get", "<query xmlns='jabber:iq:register'/>")) == "resource-constraint"
    assert not exists(service, guest)


def test_invited_guest_may_answer_too(service: Service, guest: Account) -> None:
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, invite(service))) == ""
        form = ask_form(stream)
        assert answer(stream, guest, form, "oak") == "not-allowed"
        assert not exists(service, guest)
        assert answer(stream, guest, ask_form(stream), "lime") == ""
    assert exists(service, guest)


async def test_plain_form_takes_an_answer_for_the_digits(service: Service, guest: Account) -> None:
    challenge = await plain_form(service)
    assert "error creating the account" in await hand_in_plain(service, guest, id=challenge, key="oak")
    assert "error creating the account" in await hand_in_plain(service, guest, id=challenge, key="lime")
    assert not exists(service, guest)
    challenge = await plain_form(service)
    assert "successfully registered" in await hand_in_plain(service, guest, id=challenge, key=" Lime ")
    async with login(service, guest):
        pass


def test_answers_are_not_on_the_web_site(host: Host) -> None:
    """Only whoever may read ejabberd's configuration knows them."""
    assert host.run("grep --recursive --ignore-case --quiet linde /srv/xmpp/website").rc == 1
    assert host.check_output("stat --format='%a %U %G' /etc/ejabberd/xmpp.yml") in (
        "640 root ejabberd",
        "600 root root",
    )
