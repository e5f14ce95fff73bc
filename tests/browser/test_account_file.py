# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that people get of their account on the account page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import Browser

from ..kit.clients import befriend, login
from ..kit.service import Account, Service
from .account import BLOCKING, ROSTER, enter, publish, publish_keys, said, tells
from .site import Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIE = "{urn:xmpp:pie:0}"
ROOMS = 60  # more than a page of items


def comparable(element: ET.Element) -> tuple[Any, ...]:
    """The element without the order of what is in it, and without space around it."""
    inside = sorted((comparable(child) for child in element), key=repr)
    return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), inside


async def test_file_has_what_export_writes(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """Element by element; what playbooks/import.yml makes of that is known (tests/service/test_import_export.py)."""
    member, friend = pair
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        await befriend(phone, other)
        phone.say(friend.jid, "to & <fro>")
        await other.hear("to & <fro>")
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
    async with page.expect_download() as started:
        await page.locator("#export button").click()
    download = await started.value
    assert download.suggested_filename == f"{member.jid}.xml"
    (made,) = ET.parse(await download.path()).getroot().iter(f"{PIE}user")
    await tells(page, "export", said("de", "exported"))
    assert await visit.end() == []
    file = tmp_path / "export.xml"
    done = await asyncio.to_thread(
        service.run_playbook, "export", f"user={member.name}", f"file={file}", "password=false"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = ET.parse(file).getroot().iter(f"{PIE}user")
    assert len(list(made.iter("{urn:xmpp:bookmarks:1}conference"))) == ROOMS
    assert comparable(made) == comparable(written)
