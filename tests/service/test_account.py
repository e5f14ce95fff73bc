# SPDX-License-Identifier: GPL-3.0-or-later
"""An account's life in the hands of its user: made, its password changed, deleted with all that belongs to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest

from .clients import Refused, login
from .service import Account, Service
from .stream import CLIENT, Stream, connected

Register = Callable[[int], list[Account]]

REGISTER = "jabber:iq:register"


@pytest.fixture
def forgetful(service: Service) -> None:
    """Addresses that registered are remembered for a while, in memory only: a restart forgets the test machine's."""
    service.host.check_output("systemctl restart ejabberd")
    service.wait_until_ready()


def ask_for(stream: Stream, account: Account) -> ET.Element:
    """In-band registration (XEP-0077) of this account; returns the server's answer."""
    fields = f"<username>{account.name}</username><password>{escape(account.password)}</password>"
    return stream.query("set", f"<query xmlns='{REGISTER}'>{fields}</query>")


def newcomer() -> Account:
    return Account(f"newcomer-{secrets.token_hex(4)}", secrets.token_urlsafe(12))


@pytest.mark.usefixtures("forgetful")
def test_account_is_made_from_the_client(service: Service, register: Register) -> None:
    """It takes a name and a password, nothing else; the account works at once. A taken name is not given again, and
    who has just got an account gets no second one."""
    (alice,) = register(1)
    account = newcomer()
    with connected(service) as stream:
        features = stream.starttls()
        assert features.find("{http://jabber.org/features/iq-register}register") is not None
        asked = stream.query("get", f"<query xmlns='{REGISTER}'/>").find(f"{{{REGISTER}}}query")
        assert asked is not None
        fields = {child.tag.removeprefix(f"{{{REGISTER}}}") for child in asked}
        assert fields - {"instructions"} == {"username", "password"}
        assert refusal(ask_for(stream, Account(alice.name, "mine now 7%x"))) == "conflict"
        assert ask_for(stream, account).get("type") == "result"
    try:
        for known in (account, alice):
            with connected(service) as stream:
                stream.starttls()
                stream.scram("SCRAM-SHA-512-PLUS", known)
                assert stream.bind().startswith(known.jid)
        with connected(service) as stream:
            stream.starttls()
            assert refusal(ask_for(stream, newcomer())) == "resource-constraint"
    finally:
        service.unregister([account])


def refusal(answer: ET.Element) -> str:
    """Why the server said no."""
    error = answer.find(f"{CLIENT}error")
    assert error is not None, ET.tostring(answer)
    return error[0].tag.split("}")[1]


@pytest.mark.parametrize("name", ["admin", "support", "abuse"])
def test_name_of_the_operator_is_not_given_away(service: Service, name: str) -> None:
    with connected(service) as stream:
        stream.starttls()
        assert refusal(ask_for(stream, Account(name, "mine now 7%x"))) in ("conflict", "forbidden", "not-allowed")


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
