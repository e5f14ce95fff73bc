# SPDX-License-Identifier: GPL-3.0-or-later
"""Invitations by administrators only (xmpp_inviters, the default): what an account can do all the same."""

from __future__ import annotations

import pytest

from ..kit.clients import login
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.inviters import grow_old, link_to_contact
from ..kit.newcomer import invite, refusal, show_invitation
from ..kit.service import Account, Register, Service, sql
from ..kit.stream import connected


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


@pytest.mark.attack("creating an account by a member's link to contacts, with `xmpp_inviters: administrators`")
async def test_link_to_contacts_is_no_invitation_to_an_account(
    service: Service, register: Register, admin: Account
) -> None:
    """XEP-0379: every account can make any number of these, however old it is. Of an administrator's it is one."""
    (member,) = register(1)
    grow_old(service, member, days=400)
    answers = []
    for account in (admin, member):
        async with login(service, account) as client:
            token = await link_to_contact(client)
        with connected(service) as stream:
            stream.starttls()
            answers.append(refusal(show_invitation(stream, token)))
    assert answers == ["", "item-not-found"]
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, invite(service))) == ""
        assert refusal(show_invitation(stream, token)) == "item-not-found", "also after one that holds"


async def test_what_members_made_before_is_worth_nothing(service: Service, register: Register) -> None:
    """Back from xmpp_inviters: members: their links are refused, and what was stored of used ones is deleted."""
    (member,) = register(1)
    grow_old(service, member)
    row = "('{}', '{}', '{}', '{}', 'A', datetime('now'), datetime('now', '+5 days'), '')"
    rows = [row.format(f"{member.name}-{taken}", member.name, service.domain, taken) for taken in ("", "used")]
    columns = "token, username, server_host, invitee, type, created_at, expires, account_name"
    made = f"INSERT INTO invite_token ({columns}) VALUES {', '.join(rows)}"
    run_in_erlang(service, STATEMENT, service.domain, made)
    with connected(service) as stream:
        stream.starttls()
        assert refusal(show_invitation(stream, f"{member.name}-")) == "item-not-found"
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert sql(service, f"SELECT invitee FROM invite_token WHERE username = '{member.name}'") == [[""]]
