# SPDX-License-Identifier: GPL-3.0-or-later
"""Invitations: each gives one account, with the name that it reserves."""

from __future__ import annotations

import json
import re
import secrets

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.erlang import run_in_erlang
from ..kit.newcomer import (
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
    register_without_invitations,
    reset_limits,
    show_invitation,
    wrong,
)
from ..kit.service import Account, Register, Service
from ..kit.stream import connected

# Whether strangers get a picture, or need an invitation, as a reload of the configuration sets it.
_PICTURES = """run([Host, Pictures]) ->
    Options = case list_to_atom(Pictures) of
                  true -> #{captcha_protected => true, allow_modules => all};
                  false -> #{captcha_protected => false, allow_modules => [mod_invites]}
              end,
    gen_mod:update_module(list_to_binary(Host), mod_register, Options).
"""


# ---------------------------------------------------------------------- invitations
@pytest.mark.usefixtures("limits_reset_before")
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


def test_used_invitation_is_deleted(service: Service, guest: Account) -> None:
    """Who came by which invitation is nobody's business: xmpp-expire.service deletes it with the next hour."""
    reset_limits(service)
    token = invite(service, guest.name)
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, guest)) == ""
    service.host.check_output("systemctl restart xmpp-expire.service")
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
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert not service.stored(token)


def test_domain_in_capitals_is_the_same(service: Service) -> None:
    """Also to mod_invites, which ended such a stream by a crash."""
    tokens = ["made-up", invite(service)]
    with connected(service) as stream:
        stream.starttls(service.domain.upper())
        assert [refusal(show_invitation(stream, token)) for token in tokens] == ["item-not-found", ""]


@pytest.mark.usefixtures("limits_reset_before")
def test_invitation_to_a_name_gives_that_name(service: Service, guest: Account) -> None:
    """As the operator makes it; nobody gets the name by another one."""
    done = service.run_playbook("invite", f"user={guest.name}", f"domain={service.domain}", "format=json")
    link = json.loads(done.stdout)["url"]
    assert link.startswith(f"https://{service.domain}/invite#{guest.jid}?register;preauth=")
    token = link.partition(";preauth=")[2]
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, invite(service))) == ""
        assert "exists" in "".join(ask_for(service, stream, guest).itertext())
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, guest)) == ""


@pytest.mark.usefixtures("limits_reset_before")
async def test_name_that_an_invitation_reserves_is_not_given_to_a_stranger(
    service: Service, register: Register, guest: Account
) -> None:
    """Neither in an app nor by the form, until the invitation has run out; the operator can still give it.

    Each answer is that of a name that is taken: nobody learns who is invited.
    """
    (alice,) = register(1)
    invite(service, guest.name)

    def ask(name: str, token: str = "", *, form: bool = True) -> tuple[str, str]:
        stranger = Account(name, secrets.token_urlsafe(12))
        with connected(service) as stream:
            stream.starttls()
            assert not token or refusal(show_invitation(stream, token)) == ""
            answer = ask_for(service, stream, stranger) if form else ask_without_form(stream, stranger)
            return refusal(answer), "".join(answer.itertext())

    assert ask(guest.name)[0] == "conflict"
    assert ask(guest.name) == ask(alice.name)
    assert ask(guest.name, form=False) == ask(alice.name, form=False)
    other = invite(service)
    assert ask(guest.name, other) == ask(alice.name, other)
    said = []
    for name in guest.name, alice.name:
        challenge = await plain_form(service)
        stranger = Account(name, secrets.token_urlsafe(12))
        said.append(await hand_in_plain(service, stranger, id=challenge, key=read_picture(service, challenge)))
    assert "error creating the account" in said[0]
    assert said[0] == said[1]
    assert not exists(service, guest)
    service.api(("register", {"user": guest.name, "host": service.domain, "password": guest.password}))
    service.unregister([guest])
    token = invite(service, guest.name)
    service.api(("expire_invite_by_token", {"host": service.domain, "token": token}))
    assert ask(guest.name)[0] == ""


@pytest.mark.usefixtures("limits_reset_before")
def test_strangers_do_not_learn_who_is_invited_where_there_are_no_pictures(
    service: Service, register: Register, guest: Account
) -> None:
    """As with `xmpp_registration: invite`, where mod_invites was asked first."""
    (alice,) = register(1)
    invite(service, guest.name)
    run_in_erlang(service, _PICTURES, service.domain, "false")
    try:
        answers = []
        for account in guest, alice, newcomer():
            with connected(service) as stream:
                stream.starttls()
                answer = ask_without_form(stream, Account(account.name, secrets.token_urlsafe(12)))
            answers.append((refusal(answer), "".join(answer.itertext())))
    finally:
        run_in_erlang(service, _PICTURES, service.domain, "true")
    assert answers[0][0] == "forbidden"
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.usefixtures("limits_reset_before")
def test_reserved_name_is_kept_if_the_database_fails(service: Service, guest: Account) -> None:
    """Also if what else would refuse it is not there."""
    invite(service, guest.name)
    register_without_invitations(service, guest)
    assert not exists(service, guest)


@pytest.mark.usefixtures("limits_reset_before")
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
