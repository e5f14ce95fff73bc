# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page: invitations by members (xmpp_inviters)."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from ..kit.inviters import grow_old
from ..kit.newcomer import newcomer
from ..kit.service import PATIENCE, Account, Service
from .account import enter, said, tells
from .site import Visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

EACH = 5  # xmpp_invitations_per_month


@pytest.mark.parametrize(("language", "size"), [("de", "phone"), ("en", "desktop")])
async def test_member_invites_on_the_page(
    browser: Browser, service: Service, pair: list[Account], language: str, size: str
) -> None:
    """As many as the server lets through, with a code; they lead to the page to register on."""
    member, guest = pair[0], newcomer()
    await asyncio.to_thread(grow_old, service, member)
    visit = await Visit.begin(browser, service.domain, size)
    page = await visit.open(f"/{language}/account/")
    await enter(page, member)
    await expect(page.locator("#invitations-left")).to_contain_text(f": {EACH}.", timeout=PATIENCE * 1000)
    await page.fill("#invite-name", guest.name)
    await page.locator("#invite button[type=submit]").click()
    await tells(page, "invite", said(language, "invited"))
    await expect(page.locator("#invitations svg")).to_have_count(1)
    await expect(page.locator("#invitations-left")).to_contain_text(f": {EACH - 1}.")
    await visit.check(page, f"account-invite-{language}")
    await visit.check_colors(page, f"account-invite-{language}", "dark")
    for number in range(2, EACH + 1):
        await page.locator("#invite button[type=submit]").click()
        await expect(page.locator("#invitations li")).to_have_count(number, timeout=PATIENCE * 1000)
        await expect(page.locator("#inside [inert]")).to_have_count(0)
    await page.locator("#invite button[type=submit]").click()
    await expect(page.locator("#invite [role=alert]")).to_have_text(re.compile(str(EACH)), timeout=PATIENCE * 1000)
    link = await page.locator("#invitations a").last.get_attribute("href") or ""
    await expect(page.get_by_role("button", name=link)).to_have_count(1)
    assert link.startswith(f"https://{service.domain}/invite#{guest.jid}?register;preauth=")
    await page.locator("#logout").click()
    assert "preauth" not in await page.content()
    invited = await visit.open(link)
    await expect(invited.locator("#invited-one")).to_be_visible()
    await expect(invited.locator("#name")).to_have_value(guest.name)
    assert await visit.end() == []


async def test_new_account_is_told_to_wait(browser: Browser, service: Service, pair: list[Account]) -> None:
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/#invite")
    await enter(page, pair[0])
    await expect(page.locator("#invite")).to_be_focused()
    await expect(page.locator("#invitations-left")).to_contain_text("yet")
    await page.locator("#invite button[type=submit]").click()
    await expect(page.locator("#invite [role=alert]")).to_contain_text("yet", timeout=PATIENCE * 1000)
    await expect(page.locator("#invitations li")).to_have_count(0)
    assert await visit.end() == []
