# SPDX-License-Identifier: GPL-3.0-or-later
"""No session reaches into another account."""

from __future__ import annotations

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import login
from ..kit.newcomer import REGISTER
from ..kit.service import Register, Service


@pytest.mark.attack("changing the password of another account, or deleting it, from one's own session")
async def test_no_session_deletes_another_account(service: Service, register: Register) -> None:
    """XEP-0077 would take another account's password in a form, as often as somebody likes to guess."""
    alice, mallory = register(2)
    async with login(service, mallory) as client:
        for name, password in (
            (alice.name, alice.password),
            (alice.name.upper(), alice.password),
            (alice.name, "guess"),
        ):
            request = f"<remove/><username>{name}</username><password>{password}</password>"
            for to in (service.domain, mallory.jid, None):
                with pytest.raises(IqError) as refused:
                    await client.query("set", f"<query xmlns='{REGISTER}'>{request}</query>", to=to)
                assert refused.value.condition == "not-allowed"
        async with login(service, alice):
            pass
        # What apps send for the account that they are logged in to.
        own = f"<remove/><username>{mallory.name}</username><password>{mallory.password}</password>"
        client.send_raw(
            f"<iq type='set' id='delete' to='{service.domain}'><query xmlns='{REGISTER}'>{own}</query></iq>"
        )
        await client.disconnected


@pytest.mark.attack("changing the password of another account, or deleting it, from one's own session")
async def test_no_session_changes_the_password_of_another_account(service: Service, register: Register) -> None:
    alice, mallory = register(2)
    async with login(service, mallory) as client:
        request = f"<username>{alice.name}</username><password>{mallory.password}</password>"
        with pytest.raises(IqError):
            await client.query("set", f"<query xmlns='{REGISTER}'>{request}</query>", to=service.domain)
    async with login(service, alice):
        pass
