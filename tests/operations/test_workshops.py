# SPDX-License-Identifier: GPL-3.0-or-later
"""Invitations for many: a workshop, from one address."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from ..kit.newcomer import REGISTER, ask_without_form, newcomer, refusal, show_invitation
from ..kit.service import Account, Register, Service
from ..kit.stream import connected

pytestmark = pytest.mark.timeout(600)


def invite(service: Service, *words: str) -> str:
    """What the playbook prints."""
    return service.succeed("invite", *words)


def workshop(service: Service, *words: str) -> str:
    """The token of a new invitation for many."""
    link = json.loads(invite(service, *words, "format=json"))["url"]
    assert link.startswith(f"https://{service.domain}/invite#{service.domain}?register;preauth=workshop-")
    return str(link.partition("preauth=")[2])


def listed(service: Service, token: str) -> list[dict[str, Any]]:
    """What the list says of it, which does not give it away."""
    said = invite(service, "list=true", "format=json")
    assert token not in said
    name = token.removeprefix("workshop-")[:8]
    return [one for one in json.loads(said)["invitations"] if one["invitation"] == name]


def take(service: Service, token: str, account: Account, wait: Callable[[], object] = lambda: None) -> str:
    """Makes an account as an app does; returns why not, or ""."""
    with connected(service) as stream:
        stream.starttls()
        if refused := refusal(show_invitation(stream, token)):
            return refused
        form = stream.query("get", f"<query xmlns='{REGISTER}'/>")
        assert {field.tag for field in form[0]} == {f"{{{REGISTER}}}username", f"{{{REGISTER}}}password"}
        wait()
        return refusal(ask_without_form(stream, account))


@pytest.mark.attack("more accounts by a workshop invitation than it allows, at the same moment")
def test_thirty_people_at_a_workshop_get_thirty_accounts(service: Service) -> None:
    """Behind one address, at the same moment, without a picture; the thirty-first gets none. Nothing is kept of it."""
    token = workshop(service, "uses=30", "days=1")
    (entry,) = listed(service, token)
    assert entry["uses"] == 30
    everybody = [newcomer() for _ in range(31)]
    together = Barrier(len(everybody), timeout=60)
    try:
        with ThreadPoolExecutor(len(everybody)) as pool:
            answers = list(pool.map(lambda account: take(service, token, account, together.wait), everybody))
        assert sorted(answers) == [""] * 30 + ["item-not-found"]
        there = service.api(("registered_users", {"host": service.domain}))[0]
        assert sum(account.name in there for account in everybody) == 30
        assert take(service, token, newcomer()) == "item-not-found"
        service.checkpoint()
        assert not service.stored(token)
        for account, answer in zip(everybody, answers, strict=True):
            if not answer:
                with connected(service) as stream:
                    stream.starttls()
                    stream.scram("SCRAM-SHA-512", account)
                break
    finally:
        service.unregister(everybody)


def test_invitation_for_many_loses_no_use_to_a_mistake_and_can_be_withdrawn(
    service: Service, register: Register
) -> None:
    """A name that is taken or reserved, a weak password: no account is made, and the use is there still."""
    (alice,) = register(1)
    invited = newcomer()
    service.api(("generate_invite_with_username", {"username": invited.name, "host": service.domain}))
    token = workshop(service, "uses=2")
    mistakes = [
        ("conflict", alice),
        ("forbidden", newcomer("admin")),
        ("conflict", invited),
        ("not-acceptable", Account(newcomer().name, "abc")),
        ("jid-malformed", newcomer("a b")),
    ]
    for reason, account in mistakes:
        assert take(service, token, account) == reason
    guest = newcomer()
    assert take(service, token, guest) == ""
    service.unregister([guest])
    (entry,) = listed(service, token)
    assert entry["uses"] == 1
    withdraw = f"withdraw={entry['invitation']}"
    assert "would be withdrawn" in invite(service, withdraw, "--check")
    assert "is withdrawn" in invite(service, withdraw)
    assert take(service, token, newcomer()) == "item-not-found"


def test_invitation_for_many_is_no_way_around_the_others(service: Service) -> None:
    """Neither a part of it, nor more than it, nor one of its uses is one. An ordinary one wants the picture."""
    token = workshop(service, "uses=2")
    made = service.api(("list_invites", {"host": service.domain}))[0]
    rows = [row["token"] for row in made if row["token"].startswith(token)]
    assert len(rows) == 2
    for wrong in ("workshop-", token[:-1], token + "-", token + "%", token.upper(), *rows):
        assert take(service, wrong, newcomer()) == "item-not-found", wrong
    ordinary = service.api(("generate_invite", {"host": service.domain}))[0]["invite_uri"].partition("preauth=")[2]
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(show_invitation(stream, ordinary)) == ""
        assert refusal(ask_without_form(stream, newcomer())) == "not-allowed"
    for row in rows:
        service.api(("expire_invite_by_token", {"host": service.domain, "token": row}))
    assert take(service, token, newcomer()) == "item-not-found"


def test_cards_are_invitations_of_their_own(service: Service, tmp_path: Path) -> None:
    """Each is valid once, for people behind one address at the same moment; the page loads nothing."""
    file = tmp_path / "cards.html"
    words = ("count=3", "days=1", f"file={file}")
    assert "3 invitations to" in invite(service, *words, "--check")
    assert "the folder of file, does not exist" in service.fail("invite", "count=3", f"file={tmp_path}/none/cards.html")
    assert not file.exists()
    said = json.loads(invite(service, *words, "format=json"))
    page = file.read_text(encoding="utf-8")
    assert said["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "src=" not in page
    assert "href=" not in page
    assert page.count("<svg") == 3
    tokens = [one["url"].partition("preauth=")[2] for one in said["made"]]
    assert len(set(tokens)) == 3
    assert all(token in page for token in tokens)
    guests = [newcomer() for _ in tokens]
    try:
        assert [take(service, token, guest) for token, guest in zip(tokens, guests, strict=True)] == ["", "", ""]
        assert take(service, tokens[0], newcomer()) == "item-not-found"
    finally:
        service.unregister(guests)
    assert "exists: its cards may still be valid" in service.fail("invite", *words)


# What else is decided before the host is asked: tests/unit/test_refusals.py.
REFUSED: dict[tuple[str, ...], str] = {
    ("withdraw=nothing",): 'withdraw is "nothing", which is no invitation here',
    ("uses=301",): "uses is 301, which is more than 300",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_invitation_for_many_has_bounds(service: Service, words: tuple[str, ...]) -> None:
    assert REFUSED[words] in service.fail("invite", *words)
