# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page: what people do there themselves, and what becomes of it on the server."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect
from slixmpp.exceptions import IqError

from ..kit.account_file import BLOCKING, BUNDLES, DEVICES, OMEMO, ROSTER, grow_stale, publish_keys
from ..kit.clients import befriend, login
from ..kit.newcomer import newcomer
from ..kit.service import PATIENCE, Account, Service, wait_for
from ..kit.sessions import app, is_ended, logged_in
from .account import MAM, PUBSUB, WORDS, assert_refused, enter, filled, said, tells
from .site import LANGUAGES, Visit, typed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]


# Today, as the page writes it.
DAY = "language => new Date().toLocaleDateString(language, {dateStyle: 'medium'})"


@pytest.mark.parametrize(("language", "size"), [("de", "phone"), ("en", "desktop")])
async def test_people_look_after_their_account(
    browser: Browser, service: Service, pair: list[Account], language: str, size: str
) -> None:
    """All parts of the page, each with what the server has afterwards."""
    member, friend = pair
    visit = await Visit.begin(browser, service.domain, size)
    visit.context.on("page", lambda page: page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept())))
    async with login(service, member, plugins=("xep_0092",)) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        phone.say(friend.jid, "hello")
        await other.hear("hello")
        await phone.query("set", f"<block xmlns='{BLOCKING}'><item jid='pest@elsewhere.test'/></block>")
        await publish_keys(phone, "1111", "2222", "3333", "4444")
        await asyncio.to_thread(grow_stale, service, member, "3333", "4444")

        # A wrong password, and an address of somebody else's server; nothing has to be typed again.
        page = await visit.open(f"/{language}/account/")
        await page.fill("#address", "maria@elsewhere.test")
        await page.fill("#login-password", "wrong")
        await page.locator("#login button").click()
        await expect(page.locator("#outside [role=alert]")).to_contain_text(f"@{service.domain}")
        await page.fill("#address", member.name.upper())
        await page.locator("#login button").click()
        await tells(page, "outside", said(language, "wrong"), "alert")
        await expect(page.locator("#login-password")).to_have_value("wrong")
        await visit.check(page, f"account-wrong-{language}")
        await enter(page, member)
        await expect(page.locator("#inside")).to_be_focused()
        for figure, number in {"archived": 1, "waiting": 0, "contacts": 1, "blocked": 1, "omemo": 4}.items():
            await expect(page.locator(f"#figure-{figure}")).to_have_text(str(number))
        await expect(page.locator("#moderator")).to_be_hidden()
        await visit.check(page, f"account-{language}")
        await visit.check_colors(page, f"account-{language}", "dark")
        await page.emulate_media(color_scheme="light")

        await page.locator("input[name=archive][value=roster]").check()
        await page.fill("#archive-never", "two@@elsewhere.test")
        await page.locator("#archive button[type=submit]").click()
        await tells(page, "archive", said(language, "no-address", "two@@elsewhere.test"), "alert")
        await page.fill("#archive-never", f"{friend.jid}\n\nelsewhere.test")
        await page.locator("#archive button[type=submit]").click()
        await tells(page, "archive", said(language, "saved"))
        prefs = (await phone.query("get", f"<prefs xmlns='{MAM}'/>"))[0]
        assert prefs.get("default") == "roster"
        assert {jid.text for jid in prefs.iterfind(f"{{{MAM}}}never/*")} == {friend.jid, "elsewhere.test"}
        await page.locator("#empty-archive").click()
        await tells(page, "archive", said(language, "emptied"))
        await expect(page.locator("#figure-archived")).to_have_text("0")
        assert await phone.archive() == []
        assert await other.archive() == ["hello"]

        await expect(page.locator("#sessions li")).to_have_count(1)
        await expect(page.locator("#sessions")).to_contain_text("Slixmpp")
        await expect(page.locator("#omemo li").first).to_contain_text("31313131")
        day = await page.evaluate(DAY, language)
        await expect(page.locator("#omemo li", has_text="1111")).to_contain_text(said(language, "renewed", day))
        await expect(page.locator("#omemo li", has_text="3333")).not_to_contain_text(day)
        await expect(page.locator("#stale-keys")).to_have_text(said(language, "stale", "180"))
        await page.locator("#stale-keys").click()
        await tells(page, "devices", said(language, "removed", "3333, 4444"))
        await expect(page.locator("#stale-keys")).to_be_hidden()
        await page.locator("#omemo li", has_text="1111").get_by_role("button").click()
        await tells(page, "devices", said(language, "removed", "1111"))
        left = await phone.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{DEVICES}'/></pubsub>")
        assert [device.get("id") for device in left.iter(f"{{{OMEMO}}}device")] == ["2222"]
        with pytest.raises(IqError) as gone:
            await phone.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{BUNDLES}:1111'/></pubsub>")
        assert gone.value.condition == "item-not-found"

        await page.locator("#contact-list li", has_text=friend.jid).get_by_role("button").click()
        await tells(page, "contacts", said(language, "removed", friend.jid))
        assert len((await phone.query("get", f"<query xmlns='{ROSTER}'/>"))[0]) == 0

        await page.locator("#blocked-list").get_by_role("button").click()
        await tells(page, "blocked", said(language, "unblocked", "pest@elsewhere.test"))
        await page.fill("#block", "Spam.Example")
        await page.locator("#blocked button[type=submit]").click()
        await tells(page, "blocked", said(language, "blocked-now", "spam.example"))
        blocked = await phone.query("get", f"<blocklist xmlns='{BLOCKING}'/>")
        assert [item.get("jid") for item in blocked[0]] == ["spam.example"]

        await page.fill("#password", "abc")
        await expect(page.locator("#strength-words")).to_have_text(said(language, "weak"))
        changed = newcomer(member.name)
        await page.fill("#password", changed.password)
        ended = asyncio.ensure_future(phone.wait_until("disconnected", PATIENCE))
        await page.locator("#new-password button[type=submit]").click()
        await tells(page, "new-password", said(language, "changed"))
        await ended
        await expect(page.locator("#password")).to_have_value("")
        await filled(page)
        await visit.check(page, f"account-changed-{language}")
    await assert_refused(service, member)
    async with login(service, changed):
        pass

    # A session that ends takes nothing along that was entered.
    await page.fill("#archive-always", "half typed")
    await asyncio.to_thread(service.api, ("kick_user", {"user": member.name, "host": service.domain}))
    await tells(page, "outside", said(language, "expired"), "alert")
    await expect(page.locator("#login-password")).to_be_focused()
    await expect(page.locator(".rows li")).to_have_count(0)
    await enter(page, changed)
    await expect(page.locator("#archive-always")).to_have_value("half typed")

    await page.fill("#delete-password", member.password)
    await page.locator("#delete-sure").check()
    await page.locator("#delete button").click()
    await tells(page, "delete", said(language, "wrong"), "alert")
    await page.fill("#delete-password", changed.password)
    await page.locator("#delete button").click()
    await tells(page, "outside", said(language, "deleted"))
    assert changed.password not in await typed(page)
    await visit.check(page, f"account-deleted-{language}")
    # When ejabberd ends a session, it ends the WebSocket before the stream in it, which the browser remarks upon.
    assert [fault for fault in await visit.end() if "Data frame received after close" not in fault] == []
    await assert_refused(service, changed)
    accounts = await asyncio.to_thread(service.api, ("registered_users", {"host": service.domain}))
    assert member.name not in accounts[0]


async def test_one_app_is_logged_out_and_push_is_switched_off(
    browser: Browser, service: Service, pair: list[Account]
) -> None:
    """Each by its own name. The page itself is not among the apps; one that has ended meanwhile is as it was to be."""
    member, _ = pair
    server = "push.elsewhere.example"
    visit = await Visit.begin(browser, service.domain)
    visit.context.on("page", lambda page: page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept())))
    with app(service, member) as (phone, _, _), app(service, member, "Desk", "desktop") as (desk, _, _):
        for one, node in ((phone, "p"), (desk, "d")):
            enable = f"<enable xmlns='urn:xmpp:push:0' jid='{server}' node='{node}'/>"
            assert one.query("set", enable).get("type") == "result"
        with logged_in(service, member) as old:
            resource = old.bind().partition("/")[2]
            page = await visit.open("/de/account/#devices")
            await enter(page, member)
            await expect(page.locator("#sessions li")).to_have_count(3)
            await expect(page.locator("#sessions li", has_text="Chat & talk")).to_contain_text("phone")
            await expect(page.locator("#sessions")).not_to_contain_text("website-")
            since = re.compile(said("de", "since", r"\d\d\.\d\d\.\d{4}"))
            await expect(page.locator("#sessions li", has_text=since)).to_have_count(3)
            await expect(page.locator("#push li", has_text=since)).to_have_count(2)
            await visit.check(page, "account-apps-de")
        user = {"user": member.name, "host": service.domain}
        wait_for(lambda: resource not in service.api(("user_resources", user))[0])
        for name, left in ((resource, 2), ("Chat & talk", 1)):
            await page.locator("#sessions li", has_text=name).get_by_role("button").click()
            await tells(page, "devices", said("de", "ended", name))
            await expect(page.locator("#sessions li")).to_have_count(left)
        is_ended(phone)
        await expect(page.locator("#push li")).to_have_count(1)
        await expect(page.locator("#push li")).to_contain_text("Desk")
        await page.locator("#push button").click()
        await tells(page, "devices", said("de", "push-is-off", server))
        await expect(page.locator("#push li")).to_have_text(said("de", "no-push"))
        assert desk.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"
    # An app that is not connected has no name, but a token.
    wait_for(lambda: len(service.api(("user_resources", user))[0]) == 1)
    unnamed = said("de", "unnamed")
    await page.locator("#devices .again").click()
    await expect(page.locator("#sessions li")).to_contain_text([unnamed])
    await expect(page.locator("#sessions li")).to_contain_text(said("de", "away").rstrip())
    await page.locator("#sessions button").click()
    await tells(page, "devices", said("de", "ended", unnamed))
    await expect(page.locator("#sessions li")).to_have_text(said("de", "no-session"))
    assert await visit.end() == []


async def test_without_scripts_it_is_said_so(browser: Browser, service: Service) -> None:
    visit = await Visit.begin(browser, service.domain, java_script_enabled=False)
    for language in LANGUAGES:
        page = await visit.open(f"/{language}/account/")
        await expect(page.locator("noscript p")).to_be_visible()
        await expect(page.locator("noscript p")).to_have_text(WORDS[language]["no_script"])
        await expect(page.locator("#outside")).to_be_hidden()
    answer = await service.fetch("GET", f"https://{service.domain}/account", headers={"Accept-Language": "de"})
    assert (answer.status, answer.headers["location"]) == (302, "/de/account/")
