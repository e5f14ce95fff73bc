# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page by the keyboard alone, and in a browser that lets no page store anything."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error, FileChooser, Page, expect

from ..kit.account_file import file_of, publish_keys
from ..kit.chromium import without_storage
from ..kit.clients import befriend, login
from ..kit.inviters import grow_old
from ..kit.moderators import upload
from ..kit.newcomer import newcomer
from ..kit.service import PATIENCE, Account, Service
from ..kit.sessions import app
from .account import MAM, assert_refused, enter, filled, said, tells
from .site import Visit, reach, typed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]


async def press(page: Page, part: str, button: str, sentence: str, key: str = "Enter") -> None:
    """Presses a button of a part, which says so afterwards."""
    await reach(page, page.locator(f"#{part} {button}").first)
    await page.keyboard.press(key)
    await tells(page, part, sentence)


async def log_in(page: Page, account: Account) -> None:
    for field, text in (("#address", account.jid), ("#login-password", account.password)):
        await reach(page, page.locator(field))
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")


async def test_keyboard_is_enough(browser: Browser, service: Service, pair: list[Account], tmp_path: Path) -> None:
    """For all parts, from the login to the end of the account; the next person finds nothing of what was entered."""
    member, friend = pair
    await asyncio.to_thread(grow_old, service, member)
    visit = await Visit.begin(browser, service.domain, accept_downloads=True)
    visit.context.on("page", lambda page: page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept())))
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        await publish_keys(phone, "1111")
        await upload(service, phone)
    with app(service, member) as (_, _, _):
        page = await visit.open("/en/account/#archive")
        # From here on: Playwright does not wait until Chromium tells it of choosers; one that comes before is closed.
        choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
        page.on("filechooser", lambda chooser: choosers.put_nowait(chooser))
        await log_in(page, member)
        # The link led to a part.
        await expect(page.locator("#archive")).to_be_focused()
        await filled(page)
        await reach(page, page.locator("input[name=archive]:checked"))
        await page.keyboard.press("ArrowDown")
        await press(page, "archive", "button[type=submit]", said("en", "saved"))
        await expect(page.locator("#archive button[type=submit]")).to_be_focused()
        await press(page, "archive", "#empty-archive", said("en", "emptied"))
        await press(page, "devices", "#sessions button", said("en", "ended", "Chat & talk"))
        await press(page, "devices", "#omemo button", said("en", "removed", "1111"))
    await press(page, "contacts", "#contact-list button", said("en", "removed", friend.jid))
    await reach(page, page.locator("#block"))
    await page.keyboard.type(friend.jid)
    await page.keyboard.press("Enter")
    await tells(page, "blocked", said("en", "blocked-now", friend.jid))
    await page.keyboard.press("Shift+Tab")
    await expect(page.locator("#blocked-list button")).to_be_focused()
    await page.keyboard.press("Space")
    await tells(page, "blocked", said("en", "unblocked", friend.jid))
    # The row is gone, its part has the focus.
    await expect(page.locator("#blocked")).to_be_focused()
    await press(page, "invite", "button[type=submit]", said("en", "invited"))
    await reach(page, page.locator("#export button"))
    async with page.expect_download():
        await page.keyboard.press("Enter")
    await tells(page, "export", said("en", "exported"))
    await reach(page, page.locator("#import-file"))
    await page.keyboard.press("Space")
    async with asyncio.timeout(PATIENCE):
        chooser = await choosers.get()
    await chooser.set_files(file_of(tmp_path / "few.xml", ""))
    await reach(page, page.locator("#import button"))
    await page.keyboard.press("Enter")
    await expect(page.locator("#import [role=status]")).to_contain_text(said("en", "imported-contacts", "0"))
    # And back.
    await reach(page, page.locator("#block"), "Shift+Tab")
    await page.keyboard.type("draft@elsewhere.test")
    await reach(page, page.locator("#password"), "Shift+Tab")
    changed = newcomer(member.name)
    await page.keyboard.type(changed.password)
    await page.keyboard.press("Enter")
    await tells(page, "new-password", said("en", "changed"))
    await reach(page, page.locator("#files button"), "Shift+Tab")
    await page.keyboard.press("Enter")
    await tells(page, "uploads", said("en", "deleted-file", "Bild_ÄÖÜ_ß.png"))
    await reach(page, page.locator("#logout"), "Shift+Tab")
    await page.keyboard.press("Enter")
    await tells(page, "outside", said("en", "logged-out"))
    await expect(page.locator("#block")).to_have_value("")
    await expect(page.locator("#address")).to_have_value("")
    assert member.name not in await page.content() + await typed(page)
    async with login(service, changed) as phone:
        prefs = (await phone.query("get", f"<prefs xmlns='{MAM}'/>"))[0]
    assert prefs.get("default") == "roster"
    await page.keyboard.type(changed.jid)  # the field for the address has the focus
    await reach(page, page.locator("#login-password"))
    await page.keyboard.type(changed.password)
    await page.keyboard.press("Enter")
    await filled(page)
    await reach(page, page.locator("#delete-password"))
    await page.keyboard.type(changed.password)
    await reach(page, page.locator("#delete-sure"))
    await page.keyboard.press("Space")
    await reach(page, page.locator("#delete button"))
    await page.keyboard.press("Enter")
    await tells(page, "outside", said("en", "deleted"))
    assert [fault for fault in await visit.end() if "Data frame received after close" not in fault] == []
    await assert_refused(service, changed)


async def test_page_works_where_nothing_may_be_stored(
    chromium: Path, home: Path, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """In a browser whose user lets no site store anything."""
    member, friend = pair
    places = {service.domain: service.address}
    async with without_storage(chromium, home, places, tmp_path / "profile") as context:
        page = await context.new_page()
        await page.goto(f"https://{service.domain}/de/account/")
        with pytest.raises(Error, match="denied"):
            await page.evaluate("localStorage.length")
        await enter(page, member)
        await page.fill("#block", friend.jid)
        await page.locator("#blocked button[type=submit]").click()
        await tells(page, "blocked", said("de", "blocked-now", friend.jid))
        await page.locator("#logout").click()
        await tells(page, "outside", said("de", "logged-out"))
