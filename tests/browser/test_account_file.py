# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that people get of their account on the account page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser

from ..kit.account_file import (
    ARCHIVE,
    ASKING,
    CONFERENCE,
    MESSAGES,
    RESULT,
    ROOMS,
    archive_of,
    asking_in,
    comparable,
    furnish,
    user_in,
    without_archive,
)
from ..kit.clients import Client, befriend, login
from ..kit.service import Account, Service
from .account import download, enter
from .site import Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run(service: Service, playbook: str, *options: str) -> str:
    """What a playbook says, in one line."""
    done = await asyncio.to_thread(service.run_playbook, playbook, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


async def test_file_has_what_export_writes_and_can_be_imported(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """Element by element, with the archive or without; into an account of the same name, as the operator makes it."""
    member, friend = pair
    await furnish(service, member, friend)
    visit = await Visit.begin(browser, service.domain, accept_downloads=True)
    page = await visit.open("/de/account/")
    await enter(page, member)
    made = user_in(await download(page, tmp_path / "made.xml"))
    await page.locator("#with-archive").uncheck()
    small = user_in(await download(page, tmp_path / "small.xml"))
    assert await visit.end() == []
    # The service's own file of the account.
    own = ("export", f"user={member.name}", "password=false")
    await run(service, *own, f"file={tmp_path / 'written.xml'}")
    written = user_in(tmp_path / "written.xml")
    assert len(list(made.iter(CONFERENCE))) == ROOMS
    assert len(list(made.iter(RESULT))) == MESSAGES + 1
    assert asking_in(made) == [(ASKING, "It's me & <you>")]
    assert comparable(made) == comparable(written)
    assert list(small.iter(ARCHIVE)) == []
    assert comparable(small) == comparable(without_archive(written))
    await asyncio.to_thread(service.unregister, [member])
    await asyncio.to_thread(service.api, ("register", {"user": member.name, "host": service.domain}))
    told = await run(service, "import", f"file={tmp_path / 'made.xml'}", f"user={member.name}", "complete=true")
    assert "1 existed already and were completed" in told
    await run(service, *own, f"file={tmp_path / 'imported.xml'}")
    imported = user_in(tmp_path / "imported.xml")
    # The server numbers what it archives itself.
    assert archive_of(imported) == archive_of(made)
    assert comparable(without_archive(imported)) == comparable(without_archive(made))


async def forge(other: Client, target: str) -> None:
    """Sends, again and again, what looks like a message out of an archive."""
    inner = "<message xmlns='jabber:client'><body>forged</body></message>"
    forwarded = f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>"
    while True:
        other.send_raw(f"<message to='{target}'><result xmlns='urn:xmpp:mam:2' id='1'>{forwarded}</result></message>")
        await asyncio.sleep(0.005)


async def test_contact_puts_nothing_into_the_file(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """It has what the own archive gives, whatever arrives meanwhile."""
    member, friend = pair
    visit = await Visit.begin(browser, service.domain, accept_downloads=True)
    page = await visit.open("/de/account/")
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        phone.say(friend.jid, "real")
        await other.hear("real")
        await enter(page, member)
        asked = ("user_resources", {"user": member.name, "host": service.domain})
        (resources,) = await asyncio.to_thread(service.api, asked)
        (resource,) = [one for one in resources if one.startswith("website-")]
        forging = asyncio.ensure_future(forge(other, f"{member.jid}/{resource}"))
        try:
            made = user_in(await download(page, tmp_path / "made.xml"))
        finally:
            forging.cancel()
    assert [text for _, text in archive_of(made)] == ["real"]
    assert await visit.end() == []
