# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can log in on the account page, what others notice of it, and what the page says to whom it does not let in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import Browser, Dialog, Page, expect

from ..kit.account_file import ROSTER, publish
from ..kit.clients import befriend, login
from ..kit.newcomer import newcomer
from ..kit.review import arrive, reviewing
from ..kit.rooms import PUBLIC, made_room
from ..kit.rooms import enter as enter_room
from ..kit.service import Account, Service
from .account import OMEMO_2, PUBSUB, enter, said, tells
from .site import MORE_DOMAIN, Visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

GUESSES = 60  # of one address at one account, mod_xmpp_login_throttle.erl
_GUESS = """async ([name, domain, count]) => {
    const { check } = await import("/account/login.js");
    const said = [];
    for (let number = 0; number < count; number++)
        await check(name, domain, `guess ${number}`).catch((problem) => said.push(problem.message));
    return said;
}"""


@pytest.fixture
def relative(service: Service) -> Iterator[Account]:
    """An account of the service's other domain."""
    family = replace(service, domain=MORE_DOMAIN)
    accounts = family.register(1)
    yield accounts[0]
    family.unregister(accounts)


async def log_in(page: Page, account: Account) -> None:
    """By the form, whatever comes of it."""
    await page.fill("#address", account.jid)
    await page.fill("#login-password", account.password)
    await page.locator("#login button").click()


async def accept(dialog: Dialog) -> None:
    await dialog.accept()


async def test_account_of_the_other_domain(browser: Browser, service: Service, relative: Account) -> None:
    """By its whole address, on the one web site of the service."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/")
    await enter(page, relative)
    changed = Account(relative.name, newcomer().password, MORE_DOMAIN)
    await page.fill("#password", changed.password)
    await page.locator("#new-password button[type=submit]").click()
    await tells(page, "new-password", said("en", "changed"))
    assert await visit.end() == []
    async with login(service, changed):
        pass


async def test_newcomer_of_the_other_domain_waits_as_well(browser: Browser, service: Service) -> None:
    """One list for all domains; who has the same name at another one does not wait."""
    family = replace(service, domain=MORE_DOMAIN)
    (namesake,) = service.register(1)
    guest = Account(namesake.name, newcomer().password, MORE_DOMAIN)
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/")
    try:
        with reviewing(service):
            await asyncio.to_thread(arrive, family, guest)
            await log_in(page, guest)
            await expect(page.locator("#outside [role=alert]")).to_contain_text("waiting")
            async with login(service, namesake):
                pass
            assert guest.jid in await asyncio.to_thread(service.succeed, "user")
            await asyncio.to_thread(service.succeed, "user", f"approve={guest.jid}")
            await enter(page, guest)
    finally:
        service.unregister([namesake])
        family.unregister([guest])
    assert await visit.end() == []


async def test_password_is_prepared_as_the_server_does(browser: Browser, service: Service, pair: list[Account]) -> None:
    """A letter of two characters, spaces that are none of ASCII's, and what has no width (RFC 3454)."""
    member = pair[0]
    changed = Account(member.name, f"{newcomer().password} na\u0308h\u00adma\u200bschine\u00a0\u3000und mehr")
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/")
    await enter(page, member)
    await page.fill("#password", changed.password)
    await page.locator("#new-password button[type=submit]").click()
    await tells(page, "new-password", said("en", "changed"))
    await page.locator("#logout").click()
    await tells(page, "outside", said("en", "logged-out"))
    await enter(page, changed)
    assert await visit.end() == []


async def test_login_sends_no_presence_and_takes_no_messages(
    browser: Browser, service: Service, pair: list[Account]
) -> None:
    """Messages that wait are counted, and the app still gets them."""
    member, friend = pair

    def of_member(stanza: ET.Element) -> bool:
        return (stanza.get("from") or "").startswith(member.jid)

    async with login(service, friend) as other:
        await other.online()
        async with login(service, member) as phone:
            await phone.online()
            await befriend(phone, other)
        await other.presences.get(lambda stanza: of_member(stanza) and stanza.get("type") == "unavailable")
        seen = len(other.presences.all(of_member))
        other.say(member.jid, "while you were away")
        await other.query("get", f"<query xmlns='{ROSTER}'/>")  # until it is there
        visit = await Visit.begin(browser, service.domain)
        page = await visit.open("/en/account/")
        await enter(page, member)
        await expect(page.locator("#figure-waiting")).to_have_text("1")
        await page.locator("#logout").click()
        await tells(page, "outside", said("en", "logged-out"))
        assert await visit.end() == []
        await other.query("get", f"<query xmlns='{ROSTER}'/>")
        assert len(other.presences.all(of_member)) == seen
    async with login(service, member) as phone:
        await phone.online()
        await phone.hear("while you were away")


@pytest.mark.parametrize("language", ["de", "en"])
async def test_who_waits_for_an_answer_gets_one(
    browser: Browser, service: Service, pair: list[Account], language: str
) -> None:
    """The page shows what they wrote, and answers as an app does; nobody sees that somebody was there."""
    member, friend = pair
    visit = await Visit.begin(browser, service.domain, "phone")
    page = await visit.open(f"/{language}/account/#contacts")
    async with login(service, friend) as other:
        await other.online()
        row = page.locator("#requests li", has_text=friend.jid)

        async def asked() -> None:
            other.send_raw(
                f"<presence type='subscribe' to='{member.jid}'><status>&lt;b&gt;it is me</status></presence>"
            )
            await other.query("get", f"<query xmlns='{ROSTER}'/>")

        await asked()
        await enter(page, member)
        await expect(row).to_contain_text("<b>it is me")
        await visit.check(page, f"account-requests-{language}")
        await row.get_by_role("button", name=f"{said(language, 'refuse')}: {friend.jid}", exact=True).click()
        await tells(page, "contacts", said(language, "refused-now", friend.jid))
        await other.presences.get(lambda stanza: stanza.get("type") == "unsubscribed")
        await expect(page.locator("#requests li")).to_have_text(said(language, "no-request"))
        await expect(page.locator("#figure-contacts")).to_have_text("0")

        await asked()
        await page.locator("#logout").click()
        await enter(page, member)
        await row.get_by_role("button", name=f"{said(language, 'accept')}: {friend.jid}", exact=True).click()
        await tells(page, "contacts", said(language, "accepted", friend.jid))
        await other.presences.get(lambda stanza: stanza.get("type") == "subscribed")
        await other.presences.get(lambda stanza: stanza.get("type") == "subscribe")
        await expect(page.locator("#contact-list li", has_text=friend.jid)).to_contain_text(said(language, "asked"))
        other.send_presence_subscription(pto=member.jid, ptype="subscribed")
        roster = await other.query("get", f"<query xmlns='{ROSTER}'/>")
        assert [item.get("subscription") for item in roster[0]] == ["both"]
        assert (
            other.presences.all(lambda stanza: stanza.get("type") is None and member.jid in stanza.get("from", ""))
            == []
        )
    assert await visit.end() == []


async def test_blocked_address_is_still_read_in_rooms(browser: Browser, service: Service, pair: list[Account]) -> None:
    """As the page says; nothing comes in directly, and it learns nothing of who blocked it."""
    member, friend = pair
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/")
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        await enter(page, member)
        await page.fill("#block", friend.jid)
        await page.locator("#blocked button[type=submit]").click()
        await tells(page, "blocked", said("en", "blocked-now", friend.jid))
        async with made_room(phone, **PUBLIC) as room:
            await enter_room(other, room, "friend")
            other.say(member.jid, "directly")
            other.say(room, "in the room", "groupchat")
            await phone.hear("in the room")
            assert phone.messages.all(lambda stanza: stanza.findtext("{jabber:client}body") == "directly") == []
            phone.send_presence(pshow="away")
            phone.say(room, "you can read this", "groupchat")
            await other.hear("you can read this")
            assert other.presences.all(lambda stanza: stanza.findtext("{jabber:client}show") == "away") == []
    assert await visit.end() == []


async def test_keys_of_omemo_2_are_removed_with_their_device(
    browser: Browser, service: Service, pair: list[Account]
) -> None:
    """The list is one item of a node, and all keys are items of another one (XEP-0384)."""
    member = pair[0]
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/")
    page.on("dialog", accept)
    async with login(service, member) as phone:
        for device in ("3333", "4444"):
            await publish(phone, f"{OMEMO_2}:bundles", f"<bundle xmlns='{OMEMO_2}'/>", device)
        devices = "<device id='3333' label='Old tablet'/><device id='4444'/>"
        await publish(phone, f"{OMEMO_2}:devices", f"<devices xmlns='{OMEMO_2}'>{devices}</devices>")
        await enter(page, member)
        await expect(page.locator("#figure-omemo")).to_have_text("2")
        await page.locator("#omemo li", has_text="Old tablet").get_by_role("button").click()
        await tells(page, "devices", said("en", "removed", "3333"))
        await expect(page.locator("#figure-omemo")).to_have_text("1")
        left = await phone.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{OMEMO_2}:devices'/></pubsub>")
        assert [device.get("id") for device in left.iter(f"{{{OMEMO_2}}}device")] == ["4444"]
        keys = await phone.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{OMEMO_2}:bundles'/></pubsub>")
        assert [item.get("id") for item in keys.iter(f"{{{PUBSUB}}}item")] == ["4444"]
    assert await visit.end() == []


async def test_who_is_banned_is_told_so(browser: Browser, service: Service, pair: list[Account]) -> None:
    member = pair[0]
    done = await asyncio.to_thread(service.run_playbook, "user", f"ban={member.name}", "reason=spam")
    assert done.returncode == 0, done.stdout + done.stderr
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/de/account/")
    await log_in(page, member)
    await tells(page, "outside", said("de", "shut"), "alert")
    assert await visit.end() == []


async def test_who_guesses_passwords_is_told_to_wait(browser: Browser, service: Service, pair: list[Account]) -> None:
    """Even with the right one, as in every app."""
    member = pair[0]
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/")
    told = await page.evaluate(_GUESS, [member.name, service.domain, GUESSES])
    assert told == ["wrong"] * GUESSES
    await log_in(page, member)
    await tells(page, "outside", said("en", "guesses"), "alert")
    await visit.end()
