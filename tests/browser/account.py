# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page as a visitor uses it: what it says, how somebody logs in, and what an app has put there before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from ..kit.clients import Refused, login
from ..kit.service import PATIENCE, Account, Service
from .site import words

WORDS = words("account")
OMEMO_2 = "urn:xmpp:omemo:2"
PUBSUB = "http://jabber.org/protocol/pubsub"
MAM = "urn:xmpp:mam:2"


def said(language: str, name: str, about: str = "") -> str:
    """What the page says."""
    return str(WORDS[language]["said"][name]).replace("#", about)


async def enter(page: Page, account: Account) -> None:
    """Logs in, and waits until all parts are filled."""
    await page.fill("#address", account.jid)
    await page.fill("#login-password", account.password)
    await page.locator("#login button").click()
    await expect(page.locator("#inside")).to_be_visible()
    await expect(page.locator("#who")).to_have_text(account.jid)
    await filled(page)


async def filled(page: Page) -> None:
    for figure in ("archived", "waiting", "contacts", "blocked", "omemo"):
        await expect(page.locator(f"#figure-{figure}")).to_have_text(re.compile("[0-9]"))
    await expect(page.locator("#inside [inert]")).to_have_count(0, timeout=PATIENCE * 1000)


async def tells(page: Page, part: str, sentence: str, role: str = "status") -> None:
    """A part of the page says it, and so does a screen reader."""
    await expect(page.locator(f"#{part} [role={role}]")).to_have_text(sentence, timeout=PATIENCE * 1000)


async def download(page: Page, file: Path) -> Path:
    """The file that the page makes, as it is set; returns where it is."""
    async with page.expect_download() as started:
        await page.locator("#export button").click()
    made = await started.value
    assert made.suggested_filename == f"{await page.locator('#who').inner_text()}.xml"
    await made.save_as(file)
    await tells(page, "export", said("de", "exported"))
    return file


async def import_file(page: Page, file: Path, language: str = "en", more: str = "", **counts: int) -> None:
    """Imports the file of another account; what is not counted is 0."""
    await page.locator("#import-file").set_input_files(file)
    await page.locator("#import button[type=submit]").click()
    names = ["contacts", "asked", "bookmarks", "blocked"] + ["refused"] * ("refused" in counts)
    told = [said(language, f"imported-{name}", str(counts.get(name, 0))) for name in names]
    await tells(page, "import", " · ".join(told) + more)


async def assert_refused(service: Service, account: Account) -> None:
    with pytest.raises(Refused):
        async with login(service, account):
            pass
