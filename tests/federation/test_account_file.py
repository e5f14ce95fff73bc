# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of the account page on another service: what its operator imports, and what people import themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from ..browser.account import download, enter, import_file
from ..browser.site import Visit
from ..kit.account_file import (
    ASKING,
    CONFERENCE,
    MESSAGES,
    RESULT,
    ROOMS,
    ROSTER,
    archive_of,
    asking_in,
    comparable,
    furnish,
    user_in,
    without_archive,
)
from ..kit.chromium import browsing, installed, trusting
from ..kit.clients import login
from ..kit.service import Account, Service
from .between import Register, web_name

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

READER = "reader"  # the host that the browser is on


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(
    alpha: Service, beta: Service, root: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """It finds both services."""
    folder = tmp_path_factory.mktemp("chromium")
    places = {alpha.domain: alpha.address, beta.domain: beta.address}
    with installed(READER, folder) as program:
        async with browsing(program, trusting(root, folder / "home"), places) as browser:
            yield browser


async def downloaded(browser: Browser, service: Service, member: Account, file: Path) -> Path:
    """The file of an account."""
    visit = await Visit.begin(browser, web_name(service), accept_downloads=True)
    page = await visit.open("/de/account/")
    await enter(page, member)
    await download(page, file)
    assert await visit.end() == []
    return file


async def test_account_is_the_same_on_another_service(
    browser: Browser, alpha: Service, beta: Service, register: Register, tmp_path: Path
) -> None:
    """Element by element, but for the domain of the accounts: contacts with groups and requests, profile, nodes,
    bookmarks, settings, blocks and the archive. Then somebody else takes its contacts along, and is asked for.
    """
    member, friend, guest = register(alpha), register(alpha), register(beta)
    await furnish(alpha, member, friend)
    file = await downloaded(browser, alpha, member, tmp_path / "made.xml")
    copy = Account(member.name, "", beta.domain)
    await asyncio.to_thread(beta.api, ("register", {"user": copy.name, "host": copy.domain}))
    try:
        words = (f"file={file}", f"user={copy.name}", f"domain={alpha.domain}", f"into={beta.domain}", "complete=true")
        told = await asyncio.to_thread(beta.succeed, "import", *words)
        assert "1 existed already and were completed" in " ".join(told.split())
        own = (f"user={copy.jid}", "password=false", f"file={tmp_path / 'imported.xml'}")
        await asyncio.to_thread(beta.succeed, "export", *own)
    finally:
        await asyncio.to_thread(beta.unregister, [copy])
    text = file.read_text(encoding="utf-8")
    (tmp_path / "expected.xml").write_text(text.replace(f"@{alpha.domain}", f"@{beta.domain}"), encoding="utf-8")
    expected, imported = user_in(tmp_path / "expected.xml"), user_in(tmp_path / "imported.xml")
    assert "scram" not in text
    assert len(list(expected.iter(CONFERENCE))) == ROOMS
    assert len(list(expected.iter(RESULT))) == MESSAGES + 1
    assert asking_in(expected) == [(ASKING, "It's me & <you>")]
    assert archive_of(imported) == archive_of(expected)
    assert comparable(without_archive(imported)) == comparable(without_archive(expected))
    await take_along(browser, alpha, beta, friend, guest, file)


async def take_along(
    browser: Browser, alpha: Service, beta: Service, friend: Account, guest: Account, file: Path
) -> None:
    """On the account page of the other service."""
    visit = await Visit.begin(browser, web_name(beta))
    page = await visit.open("/en/account/#import")
    await enter(page, guest)
    async with login(alpha, friend) as other, login(beta, guest) as phone:
        await other.online()
        await phone.online()
        await import_file(page, file, contacts=3, asked=2, bookmarks=ROOMS, blocked=1)
        await other.presences.get(
            lambda presence: presence.get("type") == "subscribe" and presence.get("from") == guest.jid
        )
        other.send_presence_subscription(pto=guest.jid, ptype="subscribed")
        await phone.presences.get(lambda presence: presence.get("from") == other.boundjid.full)
        roster = await phone.query("get", f"<query xmlns='{ROSTER}'/>")
        found = {one.get("jid"): one for one in roster.iter(f"{{{ROSTER}}}item")}
        assert found.keys() == {friend.jid, "somebody@elsewhere.test", "asked@elsewhere.test"}
        assert found[friend.jid].get("subscription") == "to"
        assert found[friend.jid].get("name") == "A friend"
        assert found[friend.jid].findtext(f"{{{ROSTER}}}group") == "Friends & Co"
        assert [found[f"{one}@elsewhere.test"].get("ask") for one in ("asked", "somebody")] == ["subscribe", None]
        # Again, there is nothing left to do.
        await import_file(page, file)
    assert await visit.end() == []
