# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between users: delivered, copied to other devices, kept while away, archived only as the user wishes."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

from slixmpp.exceptions import IqError

from ..kit.clients import Client, fresh_text, login
from ..kit.service import Register, Service

CARBONS = "{urn:xmpp:carbons:2}"
FORWARDED = "{urn:xmpp:forward:0}forwarded"


async def test_message_is_delivered_and_in_both_archives(service: Service, register: Register) -> None:
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice) as sender, login(service, bob) as receiver:
        await receiver.online()
        sender.say(bob.jid, text)
        heard = await receiver.hear(text)
        assert heard.get("from") == sender.boundjid.full
        assert text in await sender.archive()
        assert text in await receiver.archive()


async def test_archive_gives_pages(service: Service, register: Register) -> None:
    """A client that was away fetches what is newest first, page by page."""
    alice, bob = register(2)
    texts = [fresh_text() for _ in range(5)]
    async with login(service, alice) as sender, login(service, bob) as receiver:
        await receiver.online()
        for text in texts:
            sender.say(bob.jid, text)
        await receiver.hear(texts[-1])
        assert await receiver.archive(page=2) == texts[-2:]


async def test_archive_of_another_user_is_closed(service: Service, register: Register) -> None:
    """The server refuses, or answers from the asker's own archive; it never shows another user's."""
    alice, bob, mallory = register(3)
    text = fresh_text()
    async with login(service, alice) as sender, login(service, mallory) as client:
        sender.say(bob.jid, text)
        assert text in await sender.archive()
        try:
            shown = await client.archive(alice.jid)
        except IqError:
            return
        assert shown == []


async def switch_archive(client: Client, default: str) -> None:
    """The user's own setting (XEP-0441)."""
    prefs = f"<prefs xmlns='urn:xmpp:mam:2' default='{default}'><always/><never/></prefs>"
    answer = await client.query("set", prefs)
    now = answer.find("{urn:xmpp:mam:2}prefs")
    assert now is not None, ET.tostring(answer)
    assert now.get("default") == default


async def test_archive_switched_off_stores_nothing(service: Service, register: Register) -> None:
    """Neither does the archive show it, nor is it anywhere on the disk. A text sent before proves that both can see."""
    alice, bob = register(2)
    before, after = fresh_text(), fresh_text()
    async with login(service, alice) as sender, login(service, bob) as receiver:
        await sender.online()
        await receiver.online()
        sender.say(bob.jid, before)
        await receiver.hear(before)
        assert service.stored(before)
        await switch_archive(sender, "never")
        await switch_archive(receiver, "never")
        sender.say(bob.jid, after)
        await receiver.hear(after)
        receiver.say(alice.jid, f"re: {after}")
        await sender.hear(f"re: {after}")
        for client in (sender, receiver):
            assert [text for text in await client.archive() if after in text] == []
        assert not service.stored(after)


async def test_archive_switched_off_by_one_is_kept_for_the_other(service: Service, register: Register) -> None:
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice) as sender, login(service, bob) as receiver:
        await receiver.online()
        await switch_archive(sender, "never")
        sender.say(bob.jid, text)
        await receiver.hear(text)
        assert text not in await sender.archive()
        assert text in await receiver.archive()


async def test_message_is_copied_to_the_users_other_devices(service: Service, register: Register) -> None:
    alice, bob = register(2)
    there, back = fresh_text(), fresh_text()
    async with (
        login(service, alice) as phone,
        login(service, alice) as laptop,
        login(service, bob) as friend,
    ):
        for client in (phone, laptop, friend):
            await client.query("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
            await client.online()

        def copy(kind: str, text: str) -> Callable[[ET.Element], bool]:
            path = f"{CARBONS}{kind}/{FORWARDED}/{{jabber:client}}message/{{jabber:client}}body"
            return lambda stanza: stanza.findtext(path) == text and stanza.get("from") == alice.jid

        phone.say(bob.jid, there)
        await friend.hear(there)
        await laptop.messages.get(copy("sent", there))
        friend.say(phone.boundjid.full, back)
        await phone.hear(back)
        await laptop.messages.get(copy("received", back))


async def test_stream_is_resumed_after_a_lost_connection(service: Service, register: Register) -> None:
    """What was sent while the connection was gone arrives, in the same session."""
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, bob, plugins=("xep_0198",)) as receiver, login(service, alice) as sender:
        await receiver.online()
        address = receiver.boundjid.full
        receiver.abort()
        sender.say(address, text)
        assert text in await sender.archive()
        await receiver.start()
        await receiver.hear(text)
        assert receiver.boundjid.full == address


async def test_message_waits_for_a_user_who_is_away(service: Service, register: Register) -> None:
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice) as sender:
        sender.say(bob.jid, text)
        assert text in await sender.archive()
    async with login(service, bob) as receiver:
        await receiver.online()
        heard = await receiver.hear(text)
        assert heard.find("{urn:xmpp:delay}delay") is not None


async def test_message_waits_even_when_nobody_archives(service: Service, register: Register) -> None:
    """Switching the archive off loses no message; once delivered, nothing is left of it."""
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, bob) as receiver:
        await switch_archive(receiver, "never")
    async with login(service, alice) as sender:
        await switch_archive(sender, "never")
        sender.say(bob.jid, text)
        await sender.query("get", "<ping xmlns='urn:xmpp:ping'/>")
    async with login(service, bob) as receiver:
        await receiver.online()
        await receiver.hear(text)
        assert await receiver.archive() == []


async def test_inactive_client_gets_messages_but_no_presence(service: Service, register: Register) -> None:
    """Client state indication (XEP-0352) spares a phone's battery."""
    alice, bob = register(2)
    async with login(service, alice) as phone, login(service, bob) as friend:
        await phone.online()
        phone.send_raw("<inactive xmlns='urn:xmpp:csi:0'/>")
        await phone.query("get", "<ping xmlns='urn:xmpp:ping'/>")
        friend.send_presence(pto=phone.boundjid.full, pstatus="first")
        friend.send_presence(pto=phone.boundjid.full, pstatus="second")
        friend.say(phone.boundjid.full, "wake up")
        await phone.hear("wake up")
        phone.send_raw("<active xmlns='urn:xmpp:csi:0'/>")
        await phone.query("get", "<ping xmlns='urn:xmpp:ping'/>")
        from_friend = phone.presences.all(lambda stanza: stanza.get("from") == friend.boundjid.full)
        assert [stanza.findtext("{jabber:client}status") for stanza in from_friend] == ["second"]


async def test_push_can_be_switched_on_and_off(service: Service, register: Register) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        node = "jid='push.example.org' node='device'"
        for request in (f"<enable xmlns='urn:xmpp:push:0' {node}/>", f"<disable xmlns='urn:xmpp:push:0' {node}/>"):
            assert (await client.query("set", request)).get("type") == "result"


async def test_blocked_user_is_not_heard(service: Service, register: Register) -> None:
    alice, mallory = register(2)
    item = f"<item jid='{mallory.jid}'/>"
    async with login(service, alice) as client, login(service, mallory) as stranger:
        await client.online()
        await client.query("set", f"<block xmlns='urn:xmpp:blocking'>{item}</block>")
        blocked = await client.query("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
        assert [entry.get("jid") for entry in blocked.iter("{urn:xmpp:blocking}item")] == [mallory.jid]
        stranger.say(alice.jid, "unwanted")
        bounced = await stranger.messages.get(lambda stanza: stanza.get("type") == "error")
        assert bounced.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable") is not None
        await client.query("set", f"<unblock xmlns='urn:xmpp:blocking'>{item}</unblock>")
        stranger.say(alice.jid, "sorry")
        await client.hear("sorry")
        assert client.messages.all(lambda stanza: stanza.findtext("{jabber:client}body") == "unwanted") == []


async def test_roster_is_sent_only_when_it_changed(service: Service, register: Register) -> None:
    """Roster versioning: a phone does not fetch the same long list each time."""
    alice, bob = register(2)
    async with login(service, alice) as client:
        contact = f"<query xmlns='jabber:iq:roster'><item jid='{bob.jid}' name='Bob'/></query>"
        await client.query("set", contact)
        answer = await client.query("get", "<query xmlns='jabber:iq:roster' ver=''/>")
        roster = answer.find("{jabber:iq:roster}query")
        assert roster is not None
        assert [item.get("jid") for item in roster] == [bob.jid]
        known = f"<query xmlns='jabber:iq:roster' ver='{roster.get('ver', '')}'/>"
        assert list(await client.query("get", known)) == []
        await client.query("set", contact.replace("'Bob'", "'Robert'"))
        again = (await client.query("get", known)).find("{jabber:iq:roster}query")
        assert again is not None
        assert [item.get("name") for item in again] == ["Robert"]


async def test_many_contacts_can_be_asked_at_once(service: Service, register: Register) -> None:
    """Limits against abuse must not drop a person's ordinary first evening: ten friends invited in a row."""
    alice, *friends = register(11)
    async with login(service, alice) as client:
        await client.online()
        for friend in friends:
            client.send_presence_subscription(pto=friend.jid, ptype="subscribe")
        asked: set[str | None] = set()
        while len(asked) < len(friends):
            answer = await client.query("get", "<query xmlns='jabber:iq:roster'/>")
            contacts = answer.iter("{jabber:iq:roster}item")
            asked = {contact.get("jid") for contact in contacts if contact.get("ask") == "subscribe"}
        assert asked == {friend.jid for friend in friends}
