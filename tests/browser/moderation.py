# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for moderators as one of them uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.async_api import Page, expect

from ..kit.moderators import appointed
from ..kit.service import PATIENCE, Account, Service
from ..kit.sessions import logged_in
from .site import words

WORDS = words("moderation")


class Case(NamedTuple):
    """A moderator, a member who has sent a file, and whom that one has reported."""

    moderator: Account
    member: Account
    pest: Account


@pytest.fixture
def case(service: Service) -> Iterator[Case]:
    accounts = service.register(3)
    case = Case(*accounts)
    with appointed(service, case.moderator):
        yield case
    service.unregister(accounts)


def said(language: str, name: str, about: str = "") -> str:
    return str(WORDS[language]["said"][name]).replace("#", about)


async def tells(page: Page, sentence: str, role: str = "status", part: str = "command") -> None:
    await expect(page.locator(f"#{part} [role={role}]")).to_contain_text(sentence, timeout=PATIENCE * 1000)


async def log_in(page: Page, account: Account) -> None:
    await page.fill("#address", account.jid)
    await page.fill("#login-password", account.password)
    await page.locator("#login button").click()


async def gets_in(service: Service, account: Account) -> bool:
    """A ban lets nobody begin a session."""

    def bind() -> str:
        with logged_in(service, account) as stream:
            return stream.bind()

    return bool(await asyncio.to_thread(bind))


async def fill(page: Page, command: str, **fields: str) -> None:
    """Opens a command, and goes on with what its form has by these names."""
    await page.locator("#commands").get_by_role("button", name=command, exact=True).click()
    await expect(page.locator("#stage form")).to_be_visible(timeout=PATIENCE * 1000)
    await expect(page.locator("#stage h2")).to_be_focused()
    for label, text in fields.items():
        await page.locator("#stage form").get_by_label(label, exact=True).fill(text)
    await page.locator("#stage [type=submit]").click()


async def confirm(page: Page, language: str, command: str) -> None:
    await expect(page.locator("#stage .check")).to_contain_text(said(language, "check"))
    await page.get_by_role("button", name=said(language, "confirm", command), exact=True).click()
