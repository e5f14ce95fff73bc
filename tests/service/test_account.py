# SPDX-License-Identifier: GPL-3.0-or-later
"""An account in the hands of its user: its password changed, deleted with all that belongs to it."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from ..kit.clients import Refused, login
from ..kit.newcomer import REGISTER
from ..kit.service import PATIENCE, Account, Register, Service


async def test_password_is_changed_from_the_client(service: Service, register: Register) -> None:
    """The new one opens, the old one no longer does."""
    (alice,) = register(1)
    changed = Account(alice.name, secrets.token_urlsafe(12))
    async with login(service, alice) as client:
        request = f"<username>{alice.name}</username><password>{changed.password}</password>"
        await client.query("set", f"<query xmlns='{REGISTER}'>{request}</query>", to=service.domain)
    async with login(service, changed):
        pass
    with pytest.raises(Refused, match="not-authorized"):
        async with login(service, alice):
            pass


@pytest.mark.parametrize("by", ["app", "operator"])
async def test_new_password_ends_the_sessions_of_the_old_one(service: Service, register: Register, by: str) -> None:
    """Whoever had learned it is out; the app that changes it stays in."""
    (alice,) = register(1)
    new = secrets.token_urlsafe(12)
    async with login(service, alice) as client, login(service, alice) as elsewhere:
        ends = [elsewhere.disconnected] if by == "app" else [client.disconnected, elsewhere.disconnected]
        if by == "app":
            request = f"<username>{alice.name}</username><password>{new}</password>"
            await client.query("set", f"<query xmlns='{REGISTER}'>{request}</query>", to=service.domain)
        else:
            service.api(("change_password", {"user": alice.name, "host": service.domain, "newpass": new}))
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*ends)
        if by == "app":
            await client.query("get", "<ping xmlns='urn:xmpp:ping'/>", to=service.domain)


async def test_account_is_deleted_from_the_client(service: Service, register: Register) -> None:
    """Afterwards nobody gets in, and nothing of the account, its messages, files and contacts is left on the disk."""
    alice, bob = register(2)
    marker = f"marker {secrets.token_hex(12)}"
    async with login(service, bob) as friend:
        await friend.query("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>")
        await friend.online()
        async with login(service, alice) as client:
            await client.online()
            client.say(bob.jid, marker)
            await friend.hear(marker)
            contact = f"<item jid='{bob.jid}' name='friend {marker}'/>"
            await client.query("set", f"<query xmlns='jabber:iq:roster'>{contact}</query>")
            await client.query("set", f"<vCard xmlns='vcard-temp'><FN>vcard {marker}</FN></vCard>")
            await client.query(
                "set", f"<query xmlns='jabber:iq:private'><x xmlns='test:x'>private {marker}</x></query>"
            )
            mood = f"<mood xmlns='http://jabber.org/protocol/mood'><text>mood {marker}</text></mood>"
            await client.query(
                "set",
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='http://jabber.org/protocol/mood'>"
                f"<item id='current'>{mood}</item></publish></pubsub>",
            )
            slot = await client.query(
                "get",
                "<request xmlns='urn:xmpp:http:upload:0' filename='photo.png' size='5'/>",
                to=service.name("upload"),
            )
            put, get = (slot.find(f".//{{urn:xmpp:http:upload:0}}{verb}") for verb in ("put", "get"))
            assert put is not None
            assert get is not None
            assert (await service.fetch("PUT", put.get("url", ""), data=b"photo")).status == 201
            assert service.stored(marker)
            client.say(bob.jid, "bye")
            await friend.hear("bye")
            client.send_raw(f"<iq type='set' id='delete'><query xmlns='{REGISTER}'><remove/></query></iq>")
            await client.disconnected
        with pytest.raises(Refused, match="not-authorized"):
            async with login(service, alice):
                pass
        assert (await service.fetch("GET", get.get("url", ""))).status == 404
    service.checkpoint()
    assert not service.stored(marker)
    assert not service.stored(alice.name)
