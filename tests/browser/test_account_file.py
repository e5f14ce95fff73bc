# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that people get of their account on the account page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import Browser, Page

from ..kit.clients import Client, befriend, login
from ..kit.service import Account, Service
from .account import BLOCKING, ROSTER, enter, publish, publish_keys, said, tells
from .site import Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIE = "{urn:xmpp:pie:0}"
ARCHIVE = "{urn:xmpp:pie:0#mam}archive"
RESULT = "{urn:xmpp:mam:2}result"
ROOMS = 60  # more than a page of items
MESSAGES = 60  # more than a page of the archive


def comparable(element: ET.Element) -> tuple[Any, ...]:
    """The element without the order of what is in it, and without space around it."""
    inside = sorted((comparable(child) for child in element), key=repr)
    return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), inside


def user_in(file: Path) -> ET.Element:
    """The one account in a file."""
    (user,) = ET.parse(file).getroot().iter(f"{PIE}user")
    return user


def archive_of(user: ET.Element) -> list[tuple[str, str]]:
    """Seconds and texts of archived messages."""
    stamps, texts = "{urn:xmpp:delay}delay", ".//{jabber:client}body"
    return sorted(
        (next(result.iter(stamps)).get("stamp", "")[:19], result.findtext(texts, "")) for result in user.iter(RESULT)
    )


def without_archive(user: ET.Element) -> ET.Element:
    """The account with everything else."""
    rest = ET.Element(user.tag, user.attrib)
    rest.extend([part for part in user if part.tag != ARCHIVE])
    return rest


async def run(service: Service, playbook: str, *options: str) -> str:
    """What a playbook says, in one line."""
    done = await asyncio.to_thread(service.run_playbook, playbook, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


async def download(page: Page, file: Path) -> Path:
    """The file that the page makes, as it is set; returns where it is."""
    async with page.expect_download() as started:
        await page.locator("#export button").click()
    made = await started.value
    assert made.suggested_filename == f"{await page.locator('#who').inner_text()}.xml"
    await made.save_as(file)
    await tells(page, "export", said("de", "exported"))
    return file


async def test_file_has_what_export_writes_and_can_be_imported(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """Element by element, with the archive or without; into an account of the same name, as the operator makes it."""
    member, friend = pair
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        phone.say(friend.jid, "to & <fro>")
        for number in range(MESSAGES):
            phone.say(friend.jid, f"message {number}")
        await other.hear("to & <fro>")
        await other.hear(f"message {MESSAGES - 1}")
        item = f"<item jid='{friend.jid}' name='A friend'><group>Friends &amp; Co</group></item>"
        for payload in (
            f"<query xmlns='{ROSTER}'>{item}</query>",
            f"<query xmlns='{ROSTER}'><item jid='somebody@elsewhere.test'/></query>",
            "<vCard xmlns='vcard-temp'><FN>Maria &amp; Co</FN></vCard>",
            f"<block xmlns='{BLOCKING}'><item jid='pest@elsewhere.test'/></block>",
            "<query xmlns='jabber:iq:private'><roster xmlns='roster:delimiter'>::</roster></query>",
        ):
            await phone.query("set", payload)
        await publish_keys(phone, "1111")
        for room in range(ROOMS):
            bookmark = f"<conference xmlns='urn:xmpp:bookmarks:1' name='Room {room}'/>"
            await publish(phone, "urn:xmpp:bookmarks:1", bookmark, f"room-{room}@muc.{service.domain}")
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
    assert len(list(made.iter("{urn:xmpp:bookmarks:1}conference"))) == ROOMS
    assert len(list(made.iter(RESULT))) == MESSAGES + 1
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
