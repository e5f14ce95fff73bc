# SPDX-License-Identifier: GPL-3.0-or-later
"""Who cannot see the CAPTCHA's picture answers a question of the operator's. That opens no other way in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.newcomer import (
    Form,
    ask_form,
    exists,
    hand_in,
    hand_in_plain,
    invite,
    newcomer,
    plain_form,
    read_picture,
    refusal,
    reset_limits,
    show_invitation,
    wrong,
)
from ..kit.service import Account, Service
from ..kit.stream import Stream, connected

# molecule/inventory/group_vars/whole.yml
QUESTIONS = {"en": "Which tree is in the yard?", "de": "Welcher Baum steht im Hof?"}
# Of either language, in any case, with spaces around it, composed or decomposed.
RIGHT = ("lime", "  A LIME ", "linde", "GROSSE LINDE", "große linde\t")
PICTURES = 40  # of one address in a minute, roles/ejabberd/vars/main.yml
FORM = "{jabber:x:data}"

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
    assert [name for name, field in fields.items() if field.find(f"{FORM}required") is not None] == [
        "username",
        "password",
    ]
    assert asked.find(".//{urn:xmpp:bob}data") is not None


async def test_account_is_made_by_an_answer(service: Service, newcomers: list[Account]) -> None:
    for said in RIGHT:
        newcomers.append(newcomer())
        with connected(service) as stream:
            stream.starttls()
            assert answer(stream, newcomers[-1], ask_form(stream), said) == "", said
        async with login(service, newcomers[-1]):
            pass
        # Who has just got an account gets no second one: the same limit as with a picture.
        late = newcomer()
        with connected(service) as stream:
            stream.starttls()
            assert answer(stream, late, ask_form(stream), said) == "resource-constraint"
        assert not exists(service, late)
        reset_limits(service)


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
def test_wrong_answer_uses_up_the_challenge(service: Service, guest: Account) -> None:
    """So nobody can try one answer after the other, nor the digits after an answer."""
    with connected(service) as stream:
        stream.starttls()
        for said, more in (("oak", {}), ("lim", {}), ("lime tree", {}), ("oak", {"ocr": ""}), (" ", {})):
            form = ask_form(stream)
            digits = read_picture(service, form.challenge)
            assert answer(stream, guest, form, said, **more) == "not-allowed", said
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
    assert not exists(service, guest)


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
