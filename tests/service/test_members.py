# SPDX-License-Identifier: GPL-3.0-or-later
"""Invitations by members (xmpp_inviters): how many, from when on, and what is kept of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, login
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.inviters import (
    CREATE,
    FORM,
    command,
    grow_old,
    inviters_kept,
    link_to_account,
    link_to_contact,
)
from ..kit.newcomer import ask_for, exists, newcomer, refusal, show_invitation
from ..kit.service import Account, Register, Service, sql
from ..kit.stream import connected

EACH = 5  # xmpp_invitations_per_month
NAMES = 10  # mod_xmpp_invitations
FORBIDDEN = "internal-server-error"  # as mod_invites calls it
# The next account of the same address need not wait.
NO_WAIT = "run([]) -> {atomic, ok} = mnesia:clear_table(mod_register_ip)."

pytestmark = pytest.mark.usefixtures("limits_reset_before")


@pytest.fixture
def member(service: Service, register: Register) -> Account:
    """An account that may invite since today."""
    (account,) = register(1)
    grow_old(service, account)
    return account


@pytest.fixture
def guests(service: Service) -> Iterator[list[Account]]:
    """Names and passwords; what becomes of them is deleted afterwards."""
    accounts = [newcomer() for _ in range(2)]
    yield accounts
    service.unregister(accounts)


def take(service: Service, token: str, guest: Account) -> str:
    """Makes an account by an invitation; returns why not, or ""."""
    with connected(service) as stream:
        stream.starttls()
        return refusal(show_invitation(stream, token)) or refusal(ask_for(service, stream, guest))


def kept(service: Service, account: Account) -> list[list[str]]:
    """What is stored of an account's invitations: who took them, the name that they reserve, kind and times of day."""
    query = (
        "SELECT invitee, account_name, type, substr(created_at, 11), substr(expires, 11)"
        " FROM invite_token WHERE username = '{}'"
    )
    return sql(service, query.format(account.name))


async def answer(client: Client, name: str = "") -> str:
    """Why the server makes no link to an account, or ""."""
    try:
        await link_to_account(client, name)
    except IqError as refused:
        return str(refused.condition)
    return ""


def ban(service: Service, member: Account, verb: str) -> None:
    """As playbooks/user.yml does ("add"), or no longer ("del")."""
    group = {"group": "banned", "host": service.domain}
    who = {"user": member.name, "host": service.domain, "group": "banned", "grouphost": service.domain}
    service.api(("srg_add", group), (f"srg_user_{verb}", who))


async def left(client: Client) -> str:
    """What the form says."""
    return (await command(client, CREATE)).findtext(f".//{FORM}instructions", "")


@pytest.mark.attack("more invitations by a member than `xmpp_invitations_per_month`, at the same moment")
async def test_member_makes_no_more_links_than_allowed(service: Service, member: Account) -> None:
    """At the same moment, in several sessions."""
    async with login(service, member) as one, login(service, member) as other, login(service, member) as third:
        assert f": {EACH}." in await left(one)
        answers = await asyncio.gather(*(answer(client) for client in (one, other, third) for _ in range(EACH)))
        assert sorted(answers) == [""] * EACH + ["resource-constraint"] * 2 * EACH
        assert str(EACH) in await left(one)
        # What nobody took counts until it expires.
        expired = f"UPDATE invite_token SET expires = '2020-01-01 00:00:00' WHERE username = '{member.name}'"
        run_in_erlang(service, STATEMENT, service.domain, expired)
        assert await answer(one) == ""


async def test_administrator_has_no_limit(service: Service, admin: Account) -> None:
    """Nor has to wait: the account is as old as the service."""
    async with login(service, admin) as client:
        tokens = [await link_to_account(client) for _ in range(2 * EACH + 1)]
    assert len(set(tokens)) == 2 * EACH + 1
    withdrawn = [("delete_invite_by_token", {"host": service.domain, "token": token}) for token in tokens]
    await asyncio.to_thread(service.api, *withdrawn)


@pytest.mark.attack("making a tree of accounts, each of which invites the next ones")
async def test_account_of_this_week_invites_nobody(service: Service, register: Register) -> None:
    """Neither to an account, nor by a link to its contacts."""
    (young,) = register(1)
    grow_old(service, young, days=6)
    async with login(service, young) as client:
        assert "yet" in await left(client)
        with pytest.raises(IqError) as refused:
            await link_to_account(client)
        assert refused.value.condition == "not-allowed"
        token = await link_to_contact(client)
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, token)) == "item-not-found"


async def test_who_came_by_which_invitation_is_forgotten(
    service: Service, member: Account, guests: list[Account]
) -> None:
    """At once; what stays is that somebody did. They are contacts if the member wanted that."""
    (guest, _) = guests
    async with login(service, member) as client:
        token = await link_to_account(client, guest.name, contact=True)
        assert await asyncio.to_thread(take, service, token, guest) == ""
        row = ["used", "", "S", " 00:00:00", " 00:00:00"]
        assert kept(service, member) == [row]
        service.host.check_output("systemctl restart xmpp-expire.service")
        assert kept(service, member) == [row]
        assert f": {EACH - 1}." in await left(client)
    assert await asyncio.to_thread(take, service, token, newcomer()) == "item-not-found"
    items = [("get_roster", {"user": one.name, "host": service.domain}) for one in (member, guest)]
    contacts = [[(item["jid"], item["subscription"]) for item in roster] for roster in service.api(*items)]
    assert contacts == [[(guest.jid, "both")], [(member.jid, "both")]]
    # With the account, all of it goes.
    service.unregister([member])
    assert kept(service, member) == []


@pytest.mark.attack("more accounts by a member's links to contacts (XEP-0379) than `xmpp_invitations_per_month`")
async def test_link_to_contacts_counts_when_an_account_is_made_by_it(
    service: Service, member: Account, guests: list[Account]
) -> None:
    """Also if the server was shown both while one was left."""
    async with login(service, member) as client:
        for _ in range(EACH - 1):
            await link_to_account(client)
        tokens = [await link_to_contact(client) for _ in guests]
        with ExitStack() as streams:
            opened = [streams.enter_context(connected(service)) for _ in guests]
            for stream, token in zip(opened, tokens, strict=True):
                stream.starttls()
                assert refusal(show_invitation(stream, token)) == ""
            assert refusal(await asyncio.to_thread(ask_for, service, opened[0], guests[0])) == ""
            run_in_erlang(service, NO_WAIT)
            assert refusal(await asyncio.to_thread(ask_for, service, opened[1], guests[1])) == FORBIDDEN
        assert not exists(service, guests[1])
        assert await asyncio.to_thread(take, service, tokens[1], guests[1]) == "item-not-found"
    # At once. Which account came by a link, ejabberd looks for by its name alone, in all domains.
    assert not any(guests[0].name in (invitee, name) for invitee, name, *_ in kept(service, member))
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert ["used", "", "A", " 00:00:00", " 00:00:00"] in kept(service, member)
    assert not any(guests[0].name in (invitee, name) for invitee, name, *_ in kept(service, member))


@pytest.mark.attack("more accounts by a member's links to contacts (XEP-0379) than `xmpp_invitations_per_month`")
async def test_name_in_capitals_counts_as_well(service: Service, member: Account, guests: list[Account]) -> None:
    """mod_invites stores a name as it was typed; here it is prepared first, and nothing of it stays."""
    shouted = [Account(guest.name.upper(), guest.password) for guest in guests]
    async with login(service, member) as client:
        for _ in range(EACH - 2):
            await link_to_account(client)
        tokens = [await link_to_account(client), *[await link_to_contact(client) for _ in range(2)]]
        assert await asyncio.to_thread(take, service, tokens[0], shouted[0]) == ""
        run_in_erlang(service, NO_WAIT)
        assert await asyncio.to_thread(take, service, tokens[1], shouted[1]) == ""
        assert str(EACH) in await left(client)
        run_in_erlang(service, NO_WAIT)
        assert await asyncio.to_thread(take, service, tokens[2], newcomer("THIRD-GUEST")) == "item-not-found"
    assert [row[0] for row in kept(service, member) if row[2] != "R"].count("used") == 2
    stored = " ".join(text for row in kept(service, member) for text in row).lower()
    assert not any(guest.name in stored for guest in guests)
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert not any(guest.name in " ".join(row).lower() for guest in guests for row in kept(service, member))


@pytest.mark.attack("using a link of a member that is banned, or that has run out, on a stream that showed it before")
@pytest.mark.parametrize("end", ["expired", "withdrawn", "banned"])
async def test_link_that_was_shown_in_time_creates_no_account_later(
    service: Service, member: Account, guests: list[Account], end: str
) -> None:
    """ejabberd judges a link when it is shown. One that has run out counts no more: with a stream for each, a member
    had twice as many."""
    async with login(service, member) as client:
        tokens = [await link_to_account(client), await link_to_contact(client)]
    with ExitStack() as streams:
        opened = [streams.enter_context(connected(service)) for _ in tokens]
        for stream, token in zip(opened, tokens, strict=True):
            stream.starttls()
            assert refusal(show_invitation(stream, token)) == ""
        if end == "expired":
            expired = f"UPDATE invite_token SET expires = '2020-01-01 00:00:00' WHERE username = '{member.name}'"
            run_in_erlang(service, STATEMENT, service.domain, expired)
        elif end == "withdrawn":
            service.api(*[("delete_invite_by_token", {"host": service.domain, "token": token}) for token in tokens])
        else:
            ban(service, member, "add")
        try:
            for stream, guest in zip(opened, guests, strict=True):
                assert refusal(await asyncio.to_thread(ask_for, service, stream, guest)) in ("conflict", FORBIDDEN)
                assert not exists(service, guest)
        finally:
            if end == "banned":
                ban(service, member, "del")


@pytest.mark.attack("testing it by invitations that reserve the name, with `xmpp_inviters: members`")
async def test_member_finds_few_names_by_reserving_them(service: Service, register: Register, member: Account) -> None:
    """Also at the same moment. Who needs a link without a name waits with them: it would cost nothing to try."""
    (taken,) = register(1)
    async with login(service, member) as one, login(service, member) as other:
        answers = await asyncio.gather(*(answer(client, taken.name) for client in (one, other) for _ in range(NAMES)))
        assert sorted(answers) == ["bad-request"] * NAMES + ["resource-constraint"] * NAMES
        assert kept(service, member) == []


async def test_who_invited_whom_is_kept_if_the_operator_wants_it(
    service: Service, member: Account, guests: list[Account]
) -> None:
    """For those who came meanwhile; without the setting, it is deleted."""
    async with login(service, member) as client:
        token = await link_to_account(client)
    with inviters_kept(service):
        assert await asyncio.to_thread(take, service, token, guests[0]) == ""
        service.host.check_output("systemctl restart xmpp-expire.service")
        assert [row[0] for row in kept(service, member)] == [guests[0].jid]
        listed = await asyncio.to_thread(service.succeed, "invite", "list=true")
        assert any(guests[0].name in line and member.jid in line for line in listed.splitlines())
        # Whoever invites accounts and deletes them has a limit all the same.
        async with login(service, member) as client:
            token, guest = await link_to_account(client), guests[1]
        run_in_erlang(service, NO_WAIT)
        assert await asyncio.to_thread(take, service, token, guest) == ""
        service.unregister([guest])
        assert sorted(row[0] for row in kept(service, member)) == sorted([guests[0].jid, "used"])
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert [row[0] for row in kept(service, member)] == ["used", "used"]


async def test_links_of_a_banned_member_are_refused(service: Service, member: Account, guests: list[Account]) -> None:
    async with login(service, member) as client:
        tokens = [await link_to_account(client), await link_to_contact(client)]
    ban(service, member, "add")
    try:
        for token in tokens:
            assert await asyncio.to_thread(take, service, token, guests[0]) == "item-not-found"
    finally:
        ban(service, member, "del")


async def test_member_gives_no_name_of_the_operators(service: Service, member: Account) -> None:
    async with login(service, member) as client:
        token = await link_to_account(client, "support2")
    assert await asyncio.to_thread(take, service, token, newcomer("support2")) == FORBIDDEN
