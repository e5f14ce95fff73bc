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
# The next account of the same address need not wait.
NO_WAIT = "run([]) -> {atomic, ok} = rpc:call(ejabberd@localhost, mnesia, clear_table, [mod_register_ip])."

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
    """What is stored of an account's invitations: who took them, the name that they reserve, kind and time of day."""
    query = "SELECT invitee, account_name, type, substr(created_at, 11) FROM invite_token WHERE username = '{}'"
    return sql(service, query.format(account.name))


async def left(client: Client) -> str:
    """What the form says."""
    return (await command(client, CREATE)).findtext(f".//{FORM}instructions", "")


@pytest.mark.attack("more invitations by a member than `xmpp_invitations_per_month`, at the same moment")
async def test_member_makes_no_more_links_than_allowed(service: Service, member: Account) -> None:
    """At the same moment, in several sessions."""

    async def ask(client: Client) -> str:
        try:
            return await link_to_account(client)
        except IqError as refused:
            return str(refused.condition)

    async with login(service, member) as one, login(service, member) as other, login(service, member) as third:
        assert f": {EACH}." in await left(one)
        made = await asyncio.gather(*(ask(client) for client in (one, other, third) for _ in range(EACH)))
        assert made.count("resource-constraint") == 2 * EACH
        assert len({token for token in made if token != "resource-constraint"}) == EACH
        assert str(EACH) in await left(one)
        # What nobody took counts until it expires.
        expired = f"UPDATE invite_token SET expires = '2020-01-01 00:00:00' WHERE username = '{member.name}'"
        run_in_erlang(service, STATEMENT, service.domain, expired)
        assert await ask(one) != "resource-constraint"


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
        row = ["used", "", "S", " 00:00:00"]
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
            assert refusal(await asyncio.to_thread(ask_for, service, opened[1], guests[1])) == "not-allowed"
        assert not exists(service, guests[1])
        assert await asyncio.to_thread(take, service, tokens[1], guests[1]) == "item-not-found"
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert ["used", "", "A", " 00:00:00"] in kept(service, member)
    assert not any(guests[0].name in (invitee, name) for invitee, name, *_ in kept(service, member))


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
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert [row[0] for row in kept(service, member)] == ["used"]


async def test_links_of_a_banned_member_are_refused(service: Service, member: Account, guests: list[Account]) -> None:
    async with login(service, member) as client:
        tokens = [await link_to_account(client), await link_to_contact(client)]
    # As playbooks/user.yml does.
    group = {"group": "banned", "host": service.domain}
    who = {"user": member.name, "host": service.domain, "group": "banned", "grouphost": service.domain}
    service.api(("srg_add", group), ("srg_user_add", who))
    try:
        for token in tokens:
            assert await asyncio.to_thread(take, service, token, guests[0]) == "item-not-found"
    finally:
        service.api(("srg_user_del", who))


async def test_member_gives_no_name_of_the_operators(service: Service, member: Account) -> None:
    async with login(service, member) as client:
        token = await link_to_account(client, "support2")
    assert await asyncio.to_thread(take, service, token, newcomer("support2")) == "forbidden"
