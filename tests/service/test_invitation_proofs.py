# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that members make, as a proof to become their contact (XEP-0379)."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.inviters import grow_old, link_to_account, link_to_contact
from ..kit.service import Register, Service, sql

pytestmark = pytest.mark.usefixtures("limits_reset_before")


def asked_by(address: str) -> Callable[[ET.Element], bool]:
    """Whether presence asks somebody to become a contact of this address."""
    return lambda stanza: (stanza.get("type"), stanza.get("from")) == ("subscribe", address)


@pytest.mark.attack("making ejabberd look in a circle for who invited whom, for ever")
async def test_link_to_an_account_is_no_proof_to_a_contact(service: Service, register: Register) -> None:
    """Neither its maker nor somebody else is noted as its guest; a link to contacts is one."""
    member, friend = register(2)
    grow_old(service, member, friend)
    async with login(service, member) as client, login(service, friend) as other:
        await client.online()
        await other.online()
        own, theirs = await link_to_account(client), await link_to_account(other)
        proofs = [
            (client, f"{member.jid}/q", own),
            (other, member.jid, own),
            (client, friend.jid, theirs),
        ]
        for sender, to, token in proofs:
            proof = f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"
            sender.send_raw(f"<presence type='subscribe' to='{to}'>{proof}</presence>")
        # A request like any other. Their links are still valid, and make an account for a guest.
        for receiver, asker in (client, friend.jid), (other, member.jid):
            await receiver.presences.get(asked_by(asker))
        invitees = f"SELECT invitee FROM invite_token WHERE token IN ('{own}', '{theirs}')"
        assert sql(service, invitees) == [[""], [""]]
        assert await link_to_account(client)
        proof = f"<preauth xmlns='urn:xmpp:pars:0' token='{await link_to_contact(client)}'/>"
        other.send_raw(f"<presence type='subscribe' to='{member.jid}'>{proof}</presence>")
        await other.presences.get(lambda stanza: stanza.get("type") == "subscribed")
