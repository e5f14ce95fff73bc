# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to an account: from an app, by the server's own form, by an invitation. What must not get in, does not."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.newcomer import (
    PLAIN,
    Form,
    ask_for,
    ask_form,
    ask_without_form,
    forget_addresses,
    hand_in,
    hand_in_plain,
    newcomer,
    plain_form,
    read_picture,
    refusal,
    show_invitation,
)
from ..kit.service import Account, Service
from ..kit.stream import connected
from ..kit.traces import PLACES, SERVICES, forms

Register = Callable[[int], list[Account]]

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


@pytest.fixture
def forgetful(service: Service) -> None:
    """Nobody has registered from the test machine."""
    forget_addresses(service)


@pytest.fixture
def guest(service: Service) -> Iterator[Account]:
    """A name and a password; if it becomes an account, that is deleted afterwards."""
    account = newcomer()
    yield account
    service.unregister([account])


def exists(service: Service, account: Account) -> bool:
    return bool(service.api(("check_account", {"user": account.name, "host": service.domain}))[0] == 0)


def invite(service: Service, user: str = "") -> str:
    """The token of a new invitation."""
    user_argument = {"username": user} if user else {}
    command = "generate_invite_with_username" if user else "generate_invite"
    invitation: dict[str, str] = service.api((command, {"host": service.domain, **user_argument}))[0]
    token = invitation["invite_uri"].partition(";preauth=")[2]
    target = f"{user}@{service.domain}" if user else service.domain
    assert invitation["invite_uri"] == f"xmpp:{target}?register;preauth={token}"
    assert invitation["landing_page"] == f"https://{service.domain}/invite#{target}?register;preauth={token}"
    return token


# ---------------------------------------------------------------------- from an app
@pytest.mark.usefixtures("forgetful")
async def test_account_is_made_from_an_app(service: Service, register: Register, guest: Account) -> None:
    """It takes a name, a password and six digits read off a picture, nothing else; the account works at once. A taken
    name is not given again, and who has just got an account gets no second one."""
    (alice,) = register(1)
    with connected(service) as stream:
        features = stream.starttls()
        assert features.find("{http://jabber.org/features/iq-register}register") is not None
        form = ask_form(stream)
        assert form.picture == "image/png"
        hidden = {"FORM_TYPE", "challenge", "sid", "from", "captcha-fallback-text", "captcha-fallback-url"}
        assert set(form.fields) - hidden == {"username", "password", "ocr"}
        assert form.fields["captcha-fallback-url"].startswith(f"https://{service.domain}/captcha/")
        picture = await service.fetch("GET", form.fields["captcha-fallback-url"])
        assert (picture.status, picture.body[:8]) == (200, b"\x89PNG\r\n\x1a\n")
        assert refusal(ask_for(service, stream, Account(alice.name, "mine now 7%x"))) == "conflict"
        assert refusal(ask_for(service, stream, guest)) == ""
        assert refusal(ask_for(service, stream, newcomer())) == "resource-constraint"
    for known in (guest, alice):
        async with login(service, known):
            pass


def wrong(digits: str) -> str:
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


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
@pytest.mark.usefixtures("forgetful")
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
@pytest.mark.usefixtures("forgetful")
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


@pytest.mark.usefixtures("forgetful")
async def test_account_is_made_without_a_script(service: Service, guest: Account) -> None:
    challenge = await plain_form(service)
    picture = await service.fetch("GET", f"https://{service.domain}/captcha/{challenge}/image")
    assert picture.headers["content-type"] == "image/png"
    said = await hand_in_plain(service, guest, id=challenge, key=read_picture(service, challenge))
    assert "successfully registered" in said
    async with login(service, guest):
        pass


@pytest.mark.attack("creating accounts without solving the CAPTCHA")
@pytest.mark.usefixtures("forgetful")
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


@pytest.mark.usefixtures("forgetful")
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
@pytest.mark.usefixtures("forgetful")
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
@pytest.mark.usefixtures("forgetful")
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
    found = service.host.run(
        f"grep --recursive --text --extended-regexp --files-with-matches '{forms(here)}' {' '.join(PLACES)}"
    )
    assert found.stdout == ""


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
@pytest.mark.usefixtures("forgetful")
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


# ---------------------------------------------------------------------- invitations
@pytest.mark.usefixtures("forgetful")
async def test_invitation_gives_one_account(service: Service, guest: Account) -> None:
    token = invite(service)
    with connected(service) as stream:
        features = stream.starttls()
        assert features.find("{urn:xmpp:ibr-token:0}register") is not None
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, guest)) == ""
    async with login(service, guest):
        pass
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == "item-not-found"


def test_used_invitation_is_forgotten(service: Service, guest: Account) -> None:
    """Who came by which invitation is nobody's business: xmpp-expire.service deletes it with the next hour."""
    forget_addresses(service)
    token = invite(service, guest.name)
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, guest)) == ""
    service.host.check_output("systemctl start xmpp-expire.service")
    tokens = [invitation["token"] for invitation in service.api(("list_invites", {"host": service.domain}))[0]]
    assert token not in tokens
    assert not service.stored(token)


@pytest.mark.parametrize("kind", ["made up", "expired", "withdrawn"])
def test_invitation_that_does_not_hold_is_refused(service: Service, kind: str) -> None:
    token = secrets.token_hex(12) if kind == "made up" else invite(service)
    if kind == "expired":
        service.api(("expire_invite_by_token", {"host": service.domain, "token": token}))
    elif kind == "withdrawn":
        service.api(("delete_invite_by_token", {"host": service.domain, "token": token}))
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == "item-not-found"
    service.host.check_output("systemctl start xmpp-expire.service")
    assert not service.stored(token)


@pytest.mark.usefixtures("forgetful")
def test_invitation_to_a_name_gives_that_name(service: Service, guest: Account) -> None:
    """As the operator makes it; nobody gets the name by another one."""
    done = service.run_playbook("invite", f"user={guest.name}", f"domain={service.domain}", "format=json")
    link = json.loads(done.stdout)["url"]
    assert link.startswith(f"https://{service.domain}/invite#{guest.jid}?register;preauth=")
    token = link.partition(";preauth=")[2]
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, invite(service))) == ""
        assert refusal(ask_for(service, stream, guest)) == "not-allowed"
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, guest)) == ""


@pytest.mark.usefixtures("forgetful")
async def test_name_that_an_invitation_promises_is_not_given_to_a_stranger(service: Service, guest: Account) -> None:
    """Neither in an app nor by the form, until the invitation has run out; the operator can still give it."""
    token = invite(service, guest.name)
    stranger = Account(guest.name, secrets.token_urlsafe(12))

    def ask() -> ET.Element:
        with connected(service) as stream:
            stream.starttls()
            return ask_for(service, stream, stranger)

    answer = ask()
    # The page on the web site tells it by its words from digits that were wrong, which are refused by the same name.
    assert refusal(answer) == "not-allowed"
    assert "CAPTCHA" not in "".join(answer.itertext())
    challenge = await plain_form(service)
    said = await hand_in_plain(service, stranger, id=challenge, key=read_picture(service, challenge))
    assert "error creating the account: Not allowed" in said
    assert not exists(service, guest)
    service.api(("register", {"user": guest.name, "host": service.domain, "password": guest.password}))
    service.unregister([guest])
    token = invite(service, guest.name)
    service.api(("expire_invite_by_token", {"host": service.domain, "token": token}))
    assert refusal(ask()) == ""


@pytest.mark.usefixtures("forgetful")
def test_wrong_digits_of_an_invited_guest_are_refused_as_such(service: Service, guest: Account) -> None:
    """And the invitation, on the same stream, is as good as before."""
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, invite(service))) == ""
        form = ask_form(stream)
        who = {"username": guest.name, "password": guest.password, "challenge": form.challenge}
        answer = hand_in(stream, **who, ocr=wrong(read_picture(service, form.challenge)))
        assert refusal(answer) == "not-allowed"
        assert "CAPTCHA" in "".join(answer.itertext())
        assert refusal(hand_in(stream, username=guest.name, password=guest.password)) == "bad-request"
        assert refusal(ask_without_form(stream, guest)) == "not-allowed"
        assert not exists(service, guest)
        assert refusal(ask_for(service, stream, guest)) == ""


@pytest.mark.attack("creating many accounts, with `xmpp_registration: open`")
async def test_users_cannot_invite_to_accounts(service: Service, admin: Account, register: Register) -> None:
    """The operator's playbook and the administrators' apps can (XEP-0401)."""
    offered = []
    for account in (admin, *register(1)):
        async with login(service, account) as client:
            answer = await client.query(
                "get",
                "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>",
                to=service.domain,
            )
        nodes = {item.get("node") for item in answer.iter("{http://jabber.org/protocol/disco#items}item")}
        offered.append("urn:xmpp:invite#create-account" in nodes)
    assert offered == [True, False]


async def test_invitation_leads_to_the_page(service: Service) -> None:
    """In the guest's language, with what the browser kept behind the #."""
    for language in ("de", "en"):
        answer = await service.fetch("GET", f"https://{service.domain}/invite", headers={"Accept-Language": language})
        assert (answer.status, answer.headers["location"]) == (302, f"/{language}/register/")
        page = await service.fetch("GET", f"https://{service.domain}/{language}/register/")
        assert page.status == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "set-cookie" not in page.headers
        for source in re.findall(r"<script[^>]* src=\"([^\"]+)\"", page.body.decode()):
            assert (await service.fetch("GET", f"https://{service.domain}{source}")).status == 200


@pytest.mark.parametrize(("user", "wanted"), [("", None), ("free", None), ("taken", "exists already")])
def test_module_makes_invitations(
    service: Service, host: Host, register: Register, user: str, wanted: str | None
) -> None:
    """What playbooks/invite.yml calls."""
    name = newcomer().name if user else ""
    if user == "taken":
        name = register(1)[0].name
    arguments = json.dumps({"domain": service.domain, "invitations": [name]})
    answer = host.ansible("conexizan.xmpp.ejabberd", arguments, check=False)
    if wanted is None:
        assert answer["invitations"][0]["url"].startswith(f"https://{service.domain}/invite#{name}")
    else:
        assert wanted in answer["msg"]


def test_only_the_last_invitation_to_a_name_is_good(service: Service, host: Host) -> None:
    """One got lost, or went to somebody else: the operator makes another."""
    name = newcomer().name
    older = invite(service, name)
    answer = host.ansible(
        "conexizan.xmpp.ejabberd", json.dumps({"domain": service.domain, "invitations": [name]}), check=False
    )
    newer = answer["invitations"][0]["url"].partition(";preauth=")[2]
    for token, wanted in ((older, "item-not-found"), (newer, "")):
        with connected(service) as stream:
            stream.starttls()
            assert refusal(show_invitation(stream, token)) == wanted


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
