# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for moderators: what they do there, and that it is closed to everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.async_api import Browser, Page, expect

from ..kit.clients import login, report
from ..kit.moderators import appointed, upload
from ..kit.service import PATIENCE, Account, Service
from ..kit.sessions import logged_in
from .account import enter
from .site import Visit, reach, typed, words

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

WORDS = words("moderation")
# The commands, as the server calls them (xmpp_moderation_texts.erl).
COMMANDS = {
    "de": ["Offene Meldungen", "Konto nachschlagen", "Konto sperren", "Sperre aufheben", "Hochgeladene Datei löschen"],
    "en": ["Open reports", "Look up an account", "Ban an account", "Lift a ban", "Delete an uploaded file"],
}
RESET = {"de": "Link für ein neues Passwort erstellen", "en": "Make a link for a new password"}
NO_ACCOUNT = {"de": "Dieses Konto gibt es nicht.", "en": "There is no such account."}
CLOSED = {"de": "Erledigt:", "en": "Closed:"}
# Each kind of field that a command may have some day, with what the page makes of it.
FORM = """<x xmlns='jabber:x:data' type='form'><title>Try</title><instructions>Read</instructions>
<field type='hidden' var='kept'><value>one</value></field>
<field type='fixed'><value>first</value><value>second &lt;b&gt;</value></field>
<field type='boolean' var='yes' label='Sure'><value>true</value><desc>Why</desc></field>
<field type='list-single' var='single' label='One of them'><required/><value>b</value>
<option label='A'><value>a</value></option><option label='B'><value>b</value></option></field>
<field type='list-multi' var='multi' label='Some'><value>x</value>
<option><value>x</value></option><option><value>y</value></option></field>
<field type='text-multi' var='lines' label='Lines'><value>1</value><value> 2</value></field>
<field type='jid-multi' var='addresses' label='Addresses'><value>a@b</value></field>
<field type='jid-single' var='address' label='Address'><value>c@d</value></field>
<field var='plain' label='Plain'/></x>"""
RESULT = """<x xmlns='jabber:x:data' type='result'><title>Found</title>
<reported><field var='a' label='Name'/><field var='b' label='Day'/></reported>
<item><field var='b'><value>today</value></field><field var='a'><value>&lt;i&gt;maria</value></field></item></x>"""
_RENDER = """async ([form, result]) => {
    const { controls, instructions, results, title } = await import("/moderation/forms.js");
    const parsed = (text) => new DOMParser().parseFromString(text, "text/xml").documentElement;
    const made = controls(parsed(form));
    const place = document.getElementById("content");
    place.append(...instructions(parsed(form)), ...made.flatMap(({ box }) => box || []));
    place.append(...results(parsed(result)).parts);
    return [title(parsed(form)), made.filter(({ name }) => name).map(({ name, values }) => [name, values()])];
}"""


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


async def test_forms_of_any_kind_can_be_filled_in(browser: Browser, service: Service) -> None:
    """What the server has given is sent back as it was, and all of it is text."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("/en/moderation/")
    title, fields = await page.evaluate(_RENDER, [FORM, RESULT])
    assert title == "Try"
    assert fields == [
        ["kept", ["one"]],
        ["yes", ["1"]],
        ["single", ["b"]],
        ["multi", ["x"]],
        ["lines", ["1", " 2"]],
        ["addresses", ["a@b"]],
        ["address", ["c@d"]],
        ["plain", [""]],
    ]
    await expect(page.locator("#content .fixed").last).to_have_text("first\nsecond <b>")
    await expect(page.locator("#content th")).to_have_text(["Name", "Day"])
    await expect(page.locator("#content td")).to_have_text(["<i>maria", "today"])
    await visit.check(page, "moderation-forms-en")
    assert await visit.end() == []
