# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to an account: from an app, by the server's own form, by an invitation. What must not get in, does not."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.newcomer import (
    PLAIN,
    Form,
    ask_for,
    ask_form,
    ask_without_form,
    exists,
    hand_in,
    hand_in_plain,
    invite,
    newcomer,
    plain_form,
    read_picture,
    refusal,
    show_invitation,
    wrong,
)
from ..kit.service import Account, Register, Service
from ..kit.stream import connected
from ..kit.traces import PLACES, SERVICES, forms, holding

# What a person must not be able to pass for, in all spellings that look like it.
RESERVED = (
    "admin",
    "Abuse",
    "hilfe2",
    "support_team",
    "web-master",
    "site",
    "_root_",
    "\N{CYRILLIC SMALL LETTER A}dmin",
    # Names of another form than xmpp_admins has.
    "maria.",
    "m" * 64,
)
TOO_MANY = 30  # requests; more than the limit of the form lets through at once
PICTURES = 40  # of one address in a minute, roles/ejabberd/vars/main.yml


# ---------------------------------------------------------------------- from an app
@pytest.mark.usefixtures("limits_reset_before")
async def test_account_is_made_from_an_app(service: Service, register: Register, guest: Account) -> None:
    """It takes a name, a password and six digits read off a picture (or an answer, which the whole service offers
    beside it), nothing else; the account works at once. A taken name is not given again, and who has just got an
    account gets no second one."""
    (alice,) = register(1)
    with connected(service) as stream:
        features = stream.starttls()
        assert features.find("{http://jabber.org/features/iq-register}register") is not None
        form = ask_form(stream)
        assert form.picture == "image/png"
        hidden = {"FORM_TYPE", "challenge", "sid", "from", "captcha-fallback-text", "captcha-fallback-url"}
        assert set(form.fields) - hidden == {"username", "password", "ocr", "qa"}
        assert form.fields["captcha-fallback-url"].startswith(f"https://{service.domain}/captcha/")
        picture = await service.fetch("GET", form.fields["captcha-fallback-url"])
        assert (picture.status, picture.body[:8]) == (200, b"\x89PNG\r\n\x1a\n")
        assert refusal(ask_for(service, stream, Account(alice.name, "mine now 7%x"))) == "conflict"
        assert refusal(ask_for(service, stream, guest)) == ""
        assert refusal(ask_for(service, stream, newcomer())) == "resource-constraint"
    for known in (guest, alice):
        async with login(service, known):
            pass


Attempt = Callable[[Form, str], dict[str, str]]
SKIPPED: dict[str, Attempt] = {
    "no digits": lambda form, digits: {"challenge": form.challenge},
    "empty digits": lambda form, digits: {"challenge": form.challenge, "ocr": ""},
    "wrong digits": lambda form, digits: {"challenge": form.challenge, "ocr": wrong(digits)},
    "no challenge": lambda form, digits: {"ocr": digits},
    "empty challenge": lambda form, digits: {"challenge": "", "ocr": digits},
    "made-up challenge": lambda form, digits: {"challenge": secrets.token_hex(8), "ocr": digits},
    "nothing": lambda form, digits: {},
}


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
@pytest.mark.usefixtures("limits_reset_before")
def test_picture_cannot_be_skipped(service: Service, guest: Account) -> None:
    who = {"username": guest.name, "password": guest.password}
    answers = {}
    with connected(service) as stream:
        stream.starttls()
        for kind, attempt in SKIPPED.items():
            form = ask_form(stream)
            answers[kind] = refusal(hand_in(stream, **who, **attempt(form, read_picture(service, form.challenge))))
        answers["no form"] = refusal(ask_without_form(stream, guest))
    assert set(answers.values()) <= {"bad-request", "not-allowed"}, answers
    assert not exists(service, guest)


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
@pytest.mark.usefixtures("limits_reset_before")
def test_picture_is_good_for_one_answer(service: Service, register: Register, guest: Account) -> None:
    """Neither after a wrong answer nor after a right one, nor on another connection, is it asked about again."""
    (alice,) = register(1)
    with connected(service) as stream, connected(service) as other:
        stream.starttls()
        other.starttls()
        form = ask_form(stream)
        digits = read_picture(service, form.challenge)
        who = {"username": guest.name, "password": guest.password}
        assert refusal(hand_in(stream, **who, challenge=form.challenge, ocr=wrong(digits))) == "not-allowed"
        assert refusal(hand_in(stream, **who, challenge=form.challenge, ocr=digits)) == "not-allowed"
        form = ask_form(stream)
        digits = read_picture(service, form.challenge)
        taken = {"username": alice.name, "password": guest.password}
        assert refusal(hand_in(stream, **taken, challenge=form.challenge, ocr=digits)) == "conflict"
        assert refusal(hand_in(other, **who, challenge=form.challenge, ocr=digits)) == "not-allowed"
    assert not exists(service, guest)


# ---------------------------------------------------------------------- by the server's own form


@pytest.mark.usefixtures("limits_reset_before")
async def test_account_is_made_without_a_script(service: Service, guest: Account) -> None:
    challenge = await plain_form(service)
    picture = await service.fetch("GET", f"https://{service.domain}/captcha/{challenge}/image")
    assert picture.headers["content-type"] == "image/png"
    said = await hand_in_plain(service, guest, id=challenge, key=read_picture(service, challenge))
    assert "successfully registered" in said
    async with login(service, guest):
        pass


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
@pytest.mark.usefixtures("limits_reset_before")
async def test_picture_of_the_plain_form_cannot_be_skipped(service: Service, guest: Account) -> None:
    challenge = await plain_form(service)
    digits = read_picture(service, challenge)
    for fields in ({}, {"id": challenge}, {"id": challenge, "key": digits}, {"key": digits}, {"id": "", "key": ""}):
        said = await hand_in_plain(service, guest, **fields)
        assert "error creating the account" in said, fields  # the second attempt has used up the picture
    assert not exists(service, guest)


@pytest.mark.parametrize(
    "path", ["/register/", "/register/new/", "/register/delete/", "/register/change_password/", "/captcha/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_else_of_the_form_is_on_the_web(service: Service, path: str, method: str) -> None:
    """Above all nothing that tries passwords for whoever asks."""
    answer = await service.fetch(method, f"https://{service.domain}{path}")
    assert answer.status in (404, 405)


@pytest.mark.usefixtures("limits_reset_before")
async def test_plain_form_is_as_strict_as_the_site(service: Service) -> None:
    answer = await service.fetch("GET", f"https://{service.domain}{PLAIN}")
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


# ---------------------------------------------------------------------- names
@pytest.mark.parametrize("way", ["app", "form", "invitation"])
@pytest.mark.usefixtures("limits_reset_before")
async def test_name_of_the_operator_is_not_given_away(service: Service, way: str) -> None:
    answers = {}
    for name in RESERVED[:: 2 if way == "form" else 1]:  # the form has a limit of its own
        account = Account(name, secrets.token_urlsafe(12))
        if way == "form":
            challenge = await plain_form(service)
            said = await hand_in_plain(service, account, id=challenge, key=read_picture(service, challenge))
            answers[name] = "refused" if "error creating the account" in said else said
            continue
        with connected(service) as stream:
            stream.starttls()
            if way == "invitation":
                assert refusal(show_invitation(stream, invite(service))) == ""
            answer = ask_for(service, stream, account)
            answers[name] = (
                "refused" if refusal(answer) in ("forbidden", "internal-server-error") else ET.tostring(answer).decode()
            )
    assert set(answers.values()) == {"refused"}, answers


# ---------------------------------------------------------------------- floods
@pytest.mark.usefixtures("limits_reset_before")
async def test_flood_is_stopped_and_leaves_no_address(service: Service) -> None:
    """Pictures for apps, and the form on the web: both give out after some, and nowhere is written who asked."""
    with connected(service) as stream:
        stream.starttls()
        answers = [refusal(stream.query("get", "<query xmlns='jabber:iq:register'/>")) for _ in range(PICTURES + 10)]
    assert answers[0] == ""
    assert answers[-1] == "resource-constraint"
    for language, words in (("en", "Too many requests came from your address"), ("de", "Von deiner Adresse kamen")):
        asked = {"Accept-Language": language}
        url = f"https://{service.domain}{PLAIN}"
        refused = [await service.fetch("GET", url, headers=asked) for _ in range(TOO_MANY)][-1]
        assert (refused.status, refused.headers["retry-after"]) == (429, "60")
        assert words in refused.body.decode()
    here = service.host.check_output("echo $SSH_CONNECTION").split()[0]
    units = " ".join(f"--unit={name}" for name in SERVICES)
    journal = service.host.check_output(f"journalctl --no-pager --output=json {units}")
    assert re.findall(rf".*(?:{forms(here)}).*", journal) == []
    assert holding(service.host, f"--extended-regexp --regexp='{forms(here)}'", *PLACES) == []


# Runs on the host: asks for the form from several addresses, as a line with a whole IPv6 network can.
_FROM_ADDRESSES = """
import http.client, json, socket, ssl, sys
address, domain, path, sources = json.loads(sys.argv[1])
context = ssl.create_default_context(cafile="/etc/xmpp/certificates/ca.crt")
statuses = []
for source in sources:
    connection = http.client.HTTPConnection(domain)
    connection.sock = context.wrap_socket(
        socket.create_connection((address, 443), 10, (source, 0)), server_hostname=domain
    )
    connection.request("GET", path)
    statuses.append(connection.getresponse().status)
print(json.dumps(statuses))
"""


@pytest.mark.attack("creating many accounts, with `xmpp_registration: open`")
@pytest.mark.usefixtures("limits_reset_before")
async def test_network_of_one_line_counts_as_one(service: Service) -> None:
    """Whoever has a /64 has more addresses than there are stars."""
    assert service.address6 is not None
    network = service.address6.partition("::")[0]
    others = [f"{network}::beef:{number:x}" for number in range(2 * TOO_MANY)]
    add = " && ".join(f"ip address add {other}/128 dev lo" for other in others)
    service.host.check_output(add)
    try:
        asked = json.dumps([service.address6, service.domain, PLAIN, others])
        statuses = json.loads(service.host.check_output(shlex.join(["python3", "-c", _FROM_ADDRESSES, asked])))
    finally:
        service.host.check_output("; ".join(f"ip address del {other}/128 dev lo" for other in others))
    assert statuses[0] == 200
    assert statuses[-1] == 429
    neighbour = await service.fetch("GET", f"https://{service.domain}{PLAIN}")
    assert neighbour.status == 200


# What a picture that any trained program reads does not do, in the words that it was said with.
PROMISES = ("no program", "not a program", "are human", "a robot", "kein programm", "mensch bist", "roboter")


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("page", ["register", "faq", "terms"])
async def test_site_does_not_call_the_picture_a_protection(service: Service, language: str, page: str) -> None:
    """Where accounts are open it is shown, as a brake and as nothing else."""
    answer = await service.fetch("GET", f"https://{service.domain}/{language}/{page}/")
    assert answer.status == 200
    words = re.sub(r"<[^>]*>", " ", answer.body.decode()).lower()
    assert [promise for promise in PROMISES if promise in words] == []
