# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page: contacts, bookmarks and blocked addresses out of a file of another service, and sent files.

Files that a Prosody and another service of ours have made are taken in tests/operations and tests/federation.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from ..kit.account_file import ASKING, BLOCKING, CONFERENCE, ROSTER, ask_from_elsewhere, file_of, publish_keys
from ..kit.clients import login
from ..kit.limited import limited
from ..kit.moderators import upload
from ..kit.nodes import PUBSUB
from ..kit.quotas import MIB, filled
from ..kit.service import PATIENCE, Account, Service
from ..kit.uploads import files_of
from .account import enter, import_file, said, tells
from .site import Visit

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

FULL = 23 * MIB  # more than an account may have kept (mod_xmpp_quota)
STRANGERS = 60  # elsewhere whom one account reaches at once (mod_xmpp_outgoing)
BOOKMARKS = "urn:xmpp:bookmarks:1"
# As ejabberd writes what is blocked, as another server may, and bookmarks of all three kinds.
ODD = """
<query xmlns='jabber:iq:roster'>
  <item jid='Anna@Far.test' name='Anna &amp; Co' subscription='both'>
    <group>Work</group><group/><group>Work &amp; Play</group>
  </item>
  <item jid='bob@far.test' subscription='from'/><item jid='gone@far.test' subscription='remove'/>
  <item jid='{own}'/><item/><item jid='not an address'/><item jid='known@far.test' name='From the file'/>
</query>
<query xmlns='jabber:iq:privacy'><default name='Blocked contacts'/>
  <list name='Blocked contacts'>
    <item type='jid' value='pest@far.test' action='deny' order='1'/>
    <item type='jid' value='{own}' action='deny' order='2'/>
    <item type='jid' value='calls@far.test' action='deny' order='3'><iq/></item>
    <item type='jid' value='good@far.test' action='allow' order='4'/><item action='deny' order='5'/>
  </list>
  <list name='old'><item type='jid' value='former@far.test' action='deny' order='1'/></list>
</query>
<blocklist xmlns='urn:xmpp:blocking'><item jid='Spam.test'/></blocklist>
<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>
  <conference jid='old@muc.far.test' name='Old' autojoin='1'><nick>Me</nick></conference><conference/>
  <conference jid='both@muc.far.test' name='Earlier'/>
</storage></query>
<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'>
  <item id='both@muc.far.test'><conference xmlns='urn:xmpp:bookmarks:1' name='Both'/></item>
  <item id='empty@muc.far.test'/>
</items></pubsub>
"""


async def test_contacts_bookmarks_and_blocks_come_along(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """However a server writes them; what is here already stays as it is."""
    member = pair[0]
    file = file_of(tmp_path / "odd.xml", ODD.format(own=member.jid))
    visit = await Visit.begin(browser, service.domain, "phone")
    page = await visit.open("/de/account/#import")
    async with login(service, member) as phone:
        await phone.query("set", f"<query xmlns='{ROSTER}'><item jid='known@far.test' name='Mine'/></query>")
        await enter(page, member)
        await import_file(page, file, "de", contacts=2, asked=1, bookmarks=2, blocked=2)
        await expect(page.locator("#import-file")).to_have_value("")
        await expect(page.locator("#figure-contacts")).to_have_text("3")
        await expect(page.locator("#contact-list")).to_contain_text(said("de", "asked"))
        await visit.check(page, "account-imported-de")
        roster = await phone.query("get", f"<query xmlns='{ROSTER}'/>")
        found = {one.get("jid"): one for one in roster.iter(f"{{{ROSTER}}}item")}
        assert {jid: (one.get("name"), one.get("ask")) for jid, one in found.items()} == {
            "anna@far.test": ("Anna & Co", "subscribe"),
            "bob@far.test": (None, None),
            "known@far.test": ("Mine", None),
        }
        assert sorted(group.text or "" for group in found["anna@far.test"]) == ["Work", "Work & Play"]
        blocked = await phone.query("get", f"<blocklist xmlns='{BLOCKING}'/>")
        assert sorted(one.get("jid", "") for one in blocked[0]) == ["pest@far.test", "spam.test"]
        items = await phone.query("get", f"<pubsub xmlns='{PUBSUB}'><items node='{BOOKMARKS}'/></pubsub>")
        rooms = {one.get("id"): one.find(CONFERENCE) for one in items.iter(f"{{{PUBSUB}}}item")}
        shown = {
            room: (one.get("name"), one.get("autojoin"), one.findtext(f"{{{BOOKMARKS}}}nick"))
            for room, one in rooms.items()
            if one is not None
        }
        assert shown == {"old@muc.far.test": ("Old", "true", "Me"), "both@muc.far.test": ("Both", None, None)}
        # Bookmarks are nobody else's to read.
        form = f"<pubsub xmlns='{PUBSUB}#owner'><configure node='{BOOKMARKS}'/></pubsub>"
        (access,) = (
            field.findtext("{jabber:x:data}value")
            for field in (await phone.query("get", form)).iter("{jabber:x:data}field")
            if field.get("var") == "pubsub#access_model"
        )
        assert access == "whitelist"
        await import_file(page, file, "de")
    assert await visit.end() == []


async def test_files_that_are_of_no_use_are_told(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """No XML, XML of something else, several accounts. The choice stays."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/#import")
    await enter(page, pair[0])
    other, cut = tmp_path / "other.xml", tmp_path / "cut.xml"
    other.write_text("<html xmlns='http://www.w3.org/1999/xhtml'/>", encoding="utf-8")
    cut.write_text(file_of(tmp_path / "whole.xml", ODD).read_text(encoding="utf-8")[:300], encoding="utf-8")
    picture = tmp_path / "picture.xml"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    for file, sentence in (
        (other, "no-file"),
        (cut, "no-file"),
        (picture, "no-file"),
        (file_of(tmp_path / "two.xml", "", ""), "many-accounts"),
    ):
        await page.locator("#import-file").set_input_files(file)
        await page.locator("#import button[type=submit]").click()
        await tells(page, "import", said("en", sentence), "alert")
        assert str(await page.locator("#import-file").input_value()).endswith(file.name)
    await import_file(page, file_of(tmp_path / "empty.xml", ""))
    # Chromium puts an element with a style into what it has read of a broken file, and remarks upon it itself.
    assert [fault for fault in await visit.end() if "inline style" not in fault] == []


async def test_what_the_server_lets_nobody_do_is_told(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """More requests than an account may send at once follow later; a full account gets nothing more."""
    member, full = pair
    people = [f"user@server-{secrets.token_hex(6)}.example" for _ in range(STRANGERS + 2)]
    items = "".join(f"<item jid='{jid}' subscription='to'/>" for jid in people)
    file = file_of(tmp_path / "many.xml", f"<query xmlns='jabber:iq:roster'>{items}</query>")
    few = file_of(tmp_path / "few.xml", ODD.format(own=full.jid))
    await asyncio.to_thread(filled, service, full, FULL)
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/account/#import")
    await enter(page, member)
    await import_file(page, file, more=f". {said('en', 'ask-later')}", contacts=STRANGERS + 2, asked=STRANGERS)
    await page.locator("#logout").click()
    await enter(page, full)
    await import_file(page, few, refused=6)
    assert await visit.end() == []


async def test_limited_account_is_not_told_to_come_back(
    browser: Browser, service: Service, pair: list[Account], tmp_path: Path
) -> None:
    """What is refused to it today is refused tomorrow. Nor does the page say that it accepted somebody elsewhere."""
    member, friend = pair
    await asyncio.to_thread(ask_from_elsewhere, service, member)
    items = "".join(f"<item jid='{jid}' subscription='both'/>" for jid in (friend.jid, "late@elsewhere.test"))
    file = file_of(tmp_path / "child.xml", f"<query xmlns='{ROSTER}'>{items}</query>")
    visit = await Visit.begin(browser, service.domain)
    with limited(service, member):
        page = await visit.open("/en/account/#import")
        await enter(page, member)
        await import_file(page, file, contacts=2, asked=1, refused=1)
        await page.locator("#requests li", has_text=ASKING).get_by_text(said("en", "accept")).click()
        await tells(page, "contacts", "This account reaches people of this service only.", "alert")
        await expect(page.locator("#requests")).to_contain_text(ASKING)
    assert await visit.end() == []


@pytest.mark.parametrize(("language", "size"), [("de", "phone"), ("en", "desktop")])
async def test_what_is_stored_is_shown_and_files_are_deleted(
    browser: Browser, service: Service, pair: list[Account], language: str, size: str
) -> None:
    """By the entries of the ledger, in numbers and bytes; a file is deleted for everybody."""
    member, friend = pair
    async with login(service, member) as phone, login(service, friend) as other:
        await phone.online()
        await other.online()
        links = [await upload(service, phone) for _ in range(2)]
        phone.say(friend.jid, "hello")
        await other.hear("hello")
        await publish_keys(phone, "1111")
    visit = await Visit.begin(browser, service.domain, size)
    visit.context.on("page", lambda page: page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept())))
    page = await visit.open(f"/{language}/account/")
    await enter(page, member)
    for row, number in {"archive": "1", "spool": "0", "users": "–", "push_session": "0", "rosterusers": "2"}.items():
        cells = page.locator(f"#stored [data-tables~={row}] td")
        await expect(cells.first).to_have_text(number)
        shown = await cells.last.inner_text()
        assert (shown[0] == "0") == (number == "0"), (row, shown)
    files = page.locator("#stored-files td")
    await expect(files).to_have_text(["2", "8 Byte" if language == "de" else "8 byte"])
    assert await page.locator("#stored tr").count() == 9
    await expect(page.locator("#files li")).to_have_count(2)
    await expect(page.locator("#more-files")).to_be_hidden()
    await visit.check(page, f"account-files-{language}")
    await visit.check_colors(page, f"account-files-{language}", "dark")
    await page.locator("#files button").first.click()
    await tells(page, "uploads", said(language, "deleted-file", "Bild_ÄÖÜ_ß.png"))
    await expect(page.locator("#files li")).to_have_count(1)
    await expect(files.first).to_have_text("1", timeout=PATIENCE * 1000)
    assert len(await asyncio.to_thread(files_of, service, member)) == 1
    assert sorted([(await service.fetch("GET", link)).status for link in links]) == [200, 404]
    await page.locator("#logout").click()
    await expect(page.locator("#files li")).to_have_count(0)
    assert await files.all_inner_texts() == ["", ""]
    assert await visit.end() == []
