# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for moderators: what they do there, and that it is closed to everybody else."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, expect

from ..kit.clients import login, report
from ..kit.moderators import upload
from ..kit.service import PATIENCE, Service
from .account import enter
from .moderation import WORDS, Case, confirm, fill, gets_in, log_in, said, tells
from .moderation import case as case
from .site import Visit, reach, typed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

# The commands, as the server calls them (xmpp_moderation_texts.erl).
COMMANDS = {
    "de": ["Offene Meldungen", "Konto nachschlagen", "Konto sperren", "Sperre aufheben", "Hochgeladene Datei löschen"],
    "en": ["Open reports", "Look up an account", "Ban an account", "Lift a ban", "Delete an uploaded file"],
}
RESET = {"de": "Link für ein neues Passwort erstellen", "en": "Make a link for a new password"}
NO_ACCOUNT = {"de": "Dieses Konto gibt es nicht.", "en": "There is no such account."}
CLOSED = {"de": "Erledigt:", "en": "Closed:"}


@pytest.mark.parametrize(("language", "size"), [("de", "phone"), ("en", "desktop")])
async def test_moderator_acts_on_a_report(
    browser: Browser, service: Service, case: Case, language: str, size: str
) -> None:
    """From the report to a ban and back, to a file that is deleted and a link for a new password."""
    reports, look_up, ban, unban, delete = COMMANDS[language]
    address, reason, link, reset = (
        ("Adresse", "Grund", "Link", RESET["de"]) if language == "de" else ("Address", "Reason", "Link", RESET["en"])
    )
    moderator, member, pest = case
    async with login(service, member) as phone:
        await report(phone, pest.jid, "<b>rude</b> words", "abuse")
        sent = await upload(service, phone)
    visit = await Visit.begin(browser, service.domain, size)

    # Who is no moderator is told so, and sees no command. The account page leads a moderator there.
    page = await visit.open(f"/{language}/moderation/")
    await log_in(page, member)
    await tells(page, said(language, "no-moderator"), "alert", "outside")
    assert not [name for name in COMMANDS[language] if name in await page.content()]
    await visit.check(page, f"moderation-refused-{language}")
    await page.goto(f"/{language}/account/")
    await enter(page, moderator)
    await page.locator("#moderator a").click()
    await log_in(page, moderator)
    await expect(page.locator("#commands button").first).to_be_visible(timeout=PATIENCE * 1000)
    offered = await page.locator("#commands button").all_text_contents()
    assert [name for name in offered if name in COMMANDS[language]] == COMMANDS[language]

    await page.get_by_role("button", name=reports, exact=True).click()
    await expect(page.locator("#stage .fixed").last).to_contain_text("> <b>rude</b> words")
    await page.locator("#stage").get_by_label(pest.jid).check()
    await visit.check(page, f"moderation-reports-{language}")
    await page.locator("#stage [type=submit]").click()
    await confirm(page, language, reports)
    await tells(page, f"{CLOSED[language]} {pest.jid}")

    # A mistake leaves what was entered; what cannot be undone is asked before.
    await fill(page, ban, **{address: "nobody-here", reason: "rude"})
    await confirm(page, language, ban)
    await tells(page, NO_ACCOUNT[language], "alert")
    await expect(page.locator("#stage").get_by_label(reason, exact=True)).to_have_value("rude")
    await page.locator("#stage").get_by_label(address, exact=True).fill(pest.jid)
    await page.locator("#stage [type=submit]").click()
    await expect(page.locator("#stage .check dd")).to_have_text([pest.jid, "rude"])
    await visit.check(page, f"moderation-check-{language}")
    await visit.check_colors(page, f"moderation-check-{language}", "dark")
    assert await gets_in(service, pest)
    await confirm(page, language, ban)
    await tells(page, pest.jid)
    assert not await gets_in(service, pest)
    await fill(page, look_up, **{address: pest.jid})
    await tells(page, "rude")
    await visit.check(page, f"moderation-account-{language}")

    # A session that ends takes nothing along that was entered.
    await page.get_by_role("button", name=unban, exact=True).click()
    await page.locator("#stage").get_by_label(address, exact=True).fill(pest.jid)
    await asyncio.to_thread(service.api, ("kick_user", {"user": moderator.name, "host": service.domain}))
    await tells(page, said(language, "expired"), "alert", "outside")
    assert not await page.locator("#inside h2, #inside button").filter(has_text=unban).count()
    await log_in(page, moderator)
    await expect(page.locator("#stage").get_by_label(address, exact=True)).to_have_value(
        pest.jid, timeout=PATIENCE * 1000
    )
    await page.locator("#stage [type=submit]").click()
    await tells(page, pest.jid)
    assert await gets_in(service, pest)

    await fill(page, delete, **{link: sent})
    await confirm(page, language, delete)
    await expect(page.locator("#stage form")).to_have_count(0)
    await expect(page.locator("#command [role=status]")).not_to_be_empty()
    assert (await service.fetch("GET", sent)).status == 404
    await fill(page, reset, **{address: pest.jid})
    await confirm(page, language, reset)
    await expect(page.locator("#results svg")).to_have_count(1, timeout=PATIENCE * 1000)
    made = await page.locator("#results a").get_attribute("href") or ""
    assert made.startswith(f"https://{service.domain}/")
    assert made not in await page.locator("#command [role=status]").inner_text(), "said twice"
    await visit.check(page, f"moderation-link-{language}")
    await page.locator("#logout").click()
    await tells(page, said(language, "logged-out"), "status", "outside")
    left = await page.content() + await typed(page)
    assert not [text for text in ("preauth", pest.name, moderator.name, ban) if text in left]
    # When ejabberd ends a session, it ends the WebSocket before the stream in it, which the browser remarks upon.
    assert [fault for fault in await visit.end() if "Data frame received after close" not in fault] == []
    await asyncio.to_thread(service.api, ("kick_user", {"user": pest.name, "host": service.domain}))


async def test_keyboard_is_enough(browser: Browser, service: Service, case: Case) -> None:
    """For a command with a question, which can be taken back; another account finds nothing of it."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/moderation/")
    for one, text in (("#address", case.moderator.jid), ("#login-password", case.moderator.password)):
        await reach(page, page.locator(one))
        await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await expect(page.locator("#inside")).to_be_focused(timeout=PATIENCE * 1000)
    await reach(page, page.get_by_role("button", name="Ban an account"))
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage form")).to_be_visible(timeout=PATIENCE * 1000)
    await expect(page.locator("#stage h2")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.type(case.pest.jid)
    await page.keyboard.press("Tab")
    await page.keyboard.type("rude")
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage .check p").first).to_be_focused()
    await reach(page, page.get_by_role("button", name=said("en", "change")))
    await page.keyboard.press("Space")
    await expect(page.locator("#stage").get_by_label("Address", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await reach(page, page.get_by_role("button", name=said("en", "confirm", "Ban an account")))
    await page.keyboard.press("Enter")
    await tells(page, f"{case.pest.jid} is banned.")
    await expect(page.locator("#stage h2")).to_be_focused()
    assert not await gets_in(service, case.pest)
    # Given up, a command has done nothing, and its button has the focus again.
    await fill(page, "Lift a ban")
    await page.get_by_role("button", name=said("en", "cancel")).click()
    await expect(page.get_by_role("button", name="Lift a ban")).to_be_focused()
    await expect(page.locator("#command")).to_be_hidden()
    assert not await gets_in(service, case.pest)
    assert await visit.end() == []


async def test_short_address_leads_there_and_without_scripts_it_is_said_so(browser: Browser, service: Service) -> None:
    visit = await Visit.begin(browser, service.domain, java_script_enabled=False)
    page = await visit.open("/de/moderation/")
    await expect(page.locator("noscript p")).to_have_text(WORDS["de"]["no_script"])
    answer = await service.fetch("GET", f"https://{service.domain}/moderation", headers={"Accept-Language": "de"})
    assert (answer.status, answer.headers["location"]) == (302, "/de/moderation/")
    assert await visit.end() == []
