# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to an account on the web site, up to the login with what was typed there.

More than 300 lines: each way goes through the same page.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from ..kit.clients import login
from ..kit.newcomer import Flood, newcomer, read_picture, reset_limits
from ..kit.service import Account, Service
from .site import SCREENSHOTS, Visit, typed, words

FLOOD_SECONDS = 3600  # more than the page can take to answer
STRANGERS = 80  # of one address, xmpp_websocket.erl
# Connections that a page opens and keeps.
CROWD = """([url, count]) => {
    window.crowd = Array.from({length: count}, () => new WebSocket(url, "xmpp"));
    return Promise.all(crowd.map(stranger => new Promise((resolve, reject) => {
        stranger.onopen = resolve;
        stranger.onclose = reject;
    })));
}"""

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("limits_reset_before")]

WORDS = words("register")


@pytest.fixture
def taken(service: Service) -> Iterator[Account]:
    """An account that exists."""
    made = service.register(1)
    yield made[0]
    service.unregister(made)


@pytest.fixture
def guest(service: Service) -> Iterator[Account]:
    """A name and a password; if it becomes an account, that is deleted afterwards."""
    account = newcomer()
    yield account
    service.unregister([account])


async def read(service: Service, visit: Visit) -> str:
    """The digits in the picture that the visitor sees."""
    return await asyncio.to_thread(read_picture, service, visit.challenge)


async def see_problem(page: Page, text: str | re.Pattern[str]) -> None:
    """The visitor is told, and a screen reader says it at once."""
    problem = page.get_by_role("alert")
    await expect(problem).to_have_text(text)
    await expect(problem).to_be_in_viewport()
    await expect(page.locator("#register")).not_to_have_attribute("inert", "")


async def see_account(page: Page, account: Account, language: str) -> None:
    await expect(page.locator("#done")).to_be_visible()
    await expect(page.locator("#done-title")).to_have_text(WORDS[language]["done_title"])
    await expect(page.locator("#address")).to_have_text(account.jid)
    await expect(page.locator("#done-open")).to_have_attribute("href", f"xmpp:{account.jid}")


async def works(service: Service, account: Account) -> None:
    async with login(service, account):
        pass


@pytest.mark.parametrize(("language", "size"), [("de", "phone"), ("en", "desktop")])
async def test_account_is_made_on_the_page(
    browser: Browser, service: Service, taken: Account, guest: Account, language: str, size: str
) -> None:
    """What was wrong is told in the visitor's language, and nothing but that has to be typed again."""
    said = WORDS[language]["said"]
    visit = await Visit.begin(browser, service.domain, size)
    page = await visit.open(f"/{language}/register/")
    name, password, digits, proceed = (page.locator(f"#{field}") for field in ("name", "password", "digits", "proceed"))
    await name.fill(taken.name)
    await password.fill("abc")
    await expect(page.locator("#strength-words")).to_have_text(said["weak"])
    await proceed.click()
    await expect(password).to_be_focused()
    await page.locator("#suggest").click()
    account = Account(guest.name, await password.input_value())
    await expect(page.locator("#strength-words")).to_have_text(said["strong"])
    await proceed.click()
    await expect(digits).to_be_focused()
    await expect(proceed).to_have_text(WORDS[language]["make"])
    await visit.check(page, f"register-picture-{language}")

    await digits.fill("000000")
    await proceed.click()
    await see_problem(page, said["picture"])
    await visit.check(page, f"register-problem-{language}")
    invited = newcomer()
    await asyncio.to_thread(link, service, "invite", f"user={invited.name}")
    for refused, problem in ((taken.name, "taken"), ("admin", "reserved"), (invited.name, "taken")):
        await name.fill(refused)
        await digits.fill(await read(service, visit))
        await proceed.click()
        await see_problem(page, said[problem])
    await name.fill(account.name)
    await digits.fill(await read(service, visit))
    await proceed.click()
    await see_account(page, account, language)
    assert account.password not in await typed(page)
    await visit.check(page, f"register-done-{language}")
    assert await visit.end() == []
    await works(service, account)


async def test_who_cannot_see_the_picture_answers_a_question(
    browser: Browser, service: Service, guest: Account
) -> None:
    """By the keyboard alone, and with one field of both. (The question: molecule/inventory/group_vars/whole.yml)"""
    said = WORDS["de"]["said"]
    visit = await Visit.begin(browser, service.domain, "phone")
    page = await visit.open("/de/register/")
    answer = page.get_by_label("Welcher Baum steht im Hof?")
    await page.locator("#name").fill(guest.name)
    await page.locator("#password").fill(guest.password)
    await page.keyboard.press("Enter")
    await expect(page.locator("#digits")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#problem")).to_be_empty()  # neither of both: the browser says so
    for _ in range(1 + await page.locator("#digits-hint a").count()):
        await page.keyboard.press("Tab")
    await expect(answer).to_be_focused()
    await answer.fill("Eiche")
    await page.keyboard.press("Enter")
    await see_problem(page, said["answer"])
    await expect(answer).to_be_focused()
    await answer.fill(" ")  # none
    await page.keyboard.press("Enter")
    await expect(page.locator("#digits")).to_be_focused()
    await visit.check(page, "register-question-de")
    await answer.fill(" LINDE ")
    await page.keyboard.press("Enter")
    await see_account(page, guest, "de")
    assert await visit.end() == []
    await works(service, guest)


async def test_account_is_made_without_scripts(browser: Browser, service: Service, guest: Account) -> None:
    """The page leads to the server's own form."""
    visit = await Visit.begin(browser, service.domain, "phone", java_script_enabled=False)
    page = await visit.open("/en/register/")
    await expect(page.locator("#register")).to_be_hidden()
    await expect(page.locator("noscript .note")).to_contain_text("Which tree is in the yard?")
    await page.screenshot(path=SCREENSHOTS / "register-plain-en-360.png", full_page=True)
    await page.get_by_role("link", name="the plain form").click()
    await page.wait_for_load_state()
    assert await page.locator("img").evaluate("image => image.naturalWidth") > 0
    await page.screenshot(path=SCREENSHOTS / "register-plain-form-en-360.png", full_page=True)
    for field in ("password", "password2"):
        await page.locator(f"input[name={field}]").fill(guest.password)
    await page.locator("input[name=username]").fill(guest.name)
    visit.challenge = await page.locator("input[name=id]").input_value()
    await page.locator("input[name=key]").fill(await read(service, visit))
    await page.locator("input[type=submit]").click()
    await expect(page.locator("body")).to_contain_text("successfully registered")
    await page.screenshot(path=SCREENSHOTS / "register-plain-done-en-360.png", full_page=True)
    # The form is ejabberd's: it centres its heading by an inline style, which our policy does not let through.
    assert [fault for fault in await visit.end() if "inline style" not in fault] == []
    await works(service, guest)


def link(service: Service, playbook: str, *words: str) -> str:
    """The link that the operator passes on."""
    done = service.run_playbook(playbook, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = re.findall(rf"https://{re.escape(service.domain)}/invite#\S+", done.stdout)
    return str(found)


async def test_invitation_leads_to_an_account(browser: Browser, service: Service, guest: Account) -> None:
    """By way of the app, on this device or on a phone, or right there; once."""
    invitation = await asyncio.to_thread(link, service, "invite")
    uri = "xmpp:" + invitation.partition("#")[2]

    computer = await Visit.begin(browser, service.domain, "desktop", locale="en")
    page = await computer.open(invitation)
    await expect(page.locator("#invited h2")).to_have_text(WORDS["en"]["invited_title"])
    await expect(page.locator("#invited-open")).to_have_attribute("href", uri)
    await expect(page.locator("#code svg")).to_be_visible()
    await computer.check(page, "register-invited-en")

    phone = await Visit.begin(browser, service.domain, "phone", locale="de")
    page = await phone.open(invitation)
    await expect(page.locator("#invited h2")).to_have_text(WORDS["de"]["invited_title"])
    await expect(page.locator("#invited-open")).to_have_attribute("href", uri)
    await expect(page.locator("#code")).to_be_hidden()
    await expect(page.locator("#invited a[href$='#apps']")).to_be_visible()
    await phone.check(page, "register-invited-de")
    await page.locator("#name").fill(guest.name)
    await page.locator("#password").fill(guest.password)
    await page.locator("#proceed").click()
    await expect(page.locator("#digits")).to_be_focused()
    await page.locator("#digits").fill(await read(service, phone))
    await page.locator("#proceed").click()
    await see_account(page, guest, "de")
    assert page.url == f"https://{service.domain}/de/register/"
    assert await phone.end() == []
    await works(service, guest)

    page = await computer.open(invitation)
    await expect(page.get_by_role("alert")).to_have_text(WORDS["en"]["said"]["invitation"])
    await expect(page.locator("#register")).to_be_hidden()
    await computer.check(page, "register-used-en")
    assert await computer.end() == []


async def test_invitation_for_many_leads_to_an_account_without_a_picture(
    browser: Browser, service: Service, guest: Account
) -> None:
    """The page says whom it is for."""
    invitation = await asyncio.to_thread(link, service, "invite", "uses=2", "days=1")
    visit = await Visit.begin(browser, service.domain, "phone", locale="de")
    page = await visit.open(invitation)
    await expect(page.locator("#invited-all")).to_be_visible()
    await expect(page.locator("#invited-one")).to_be_hidden()
    await page.locator("#name").fill(guest.name)
    await page.locator("#password").fill(guest.password)
    await page.locator("#proceed").click()
    await see_account(page, guest, "de")
    assert await visit.end() == []
    await works(service, guest)


async def test_who_meets_a_limit_is_told_so(browser: Browser, service: Service, guest: Account) -> None:
    """And for how long, not that the server does not answer."""
    crowd = await (await Visit.begin(browser, service.domain)).open("/en/register/")
    await crowd.evaluate(CROWD, [f"wss://{service.domain}/ws", STRANGERS])
    for language in ("de", "en"):
        visit = await Visit.begin(browser, service.domain)
        page = await visit.open(f"/{language}/register/")
        await page.locator("#name").fill(guest.name)
        await page.locator("#password").fill(guest.password)
        await page.locator("#proceed").click()
        await see_problem(page, WORDS[language]["said"]["crowded"].replace("#", "30"))
        chat = await visit.open(f"/chat/{language}/")
        await chat.fill("#converse-login-jid", guest.name)
        await chat.fill("#converse-login-password", guest.password)
        await chat.click("converse-login-form button[type=submit]")
        await expect(chat.locator("#crowded")).to_be_visible()
        await expect(chat.locator("#crowded b")).to_have_text("30")
    assert await crowd.evaluate("crowd.every(stranger => stranger.readyState === WebSocket.OPEN)")
    await crowd.close()
    # Who comes next finds a place.
    page = await visit.open("/en/register/")
    deadline = time.monotonic() + 60
    while await page.evaluate("fetch('/ws').then(answer => answer.status)") != 200:
        assert time.monotonic() < deadline, "their places stay taken"


async def test_flood_is_told_when_to_come_back(browser: Browser, service: Service, guest: Account) -> None:
    """In the words of the server, in the page's language; only a new picture has to be typed again."""
    said = {"de": r"frühestens in (\d+) Minuten noch einmal", "en": r"in (\d+) minutes or later"}
    for language, pattern in said.items():
        visit = await Visit.begin(browser, service.domain, "phone")
        page = await visit.open(f"/{language}/register/")
        name, password, digits, proceed = (
            page.locator(f"#{part}") for part in ("name", "password", "digits", "proceed")
        )
        await name.fill(guest.name)
        await password.fill(guest.password)
        await proceed.click()
        await expect(digits).to_be_focused()
        await digits.fill(await read(service, visit))
        flood = await asyncio.to_thread(Flood, service, FLOOD_SECONDS)
        await proceed.click()
        await see_problem(page, re.compile(pattern))
        told = re.search(pattern, await page.get_by_role("alert").inner_text())
        assert told is not None
        assert int(told[1]) in flood.minutes()
        await expect(page.locator("#picture")).to_be_hidden()
        await expect(proceed).to_have_text(WORDS[language]["proceed"])
        await visit.check(page, f"register-flood-{language}")
    await asyncio.to_thread(reset_limits, service)
    await proceed.click()
    await expect(digits).to_be_focused()
    await digits.fill(await read(service, visit))
    await proceed.click()
    await see_account(page, guest, "en")
    assert await visit.end() == []
    await works(service, guest)


async def test_link_leads_to_a_new_password(browser: Browser, service: Service, taken: Account) -> None:
    """With a picture, where everybody reads one; once, and for nobody else's name."""
    reset = await asyncio.to_thread(link, service, "user", f"reset={taken.name}")
    changed = newcomer(taken.name)
    visit = await Visit.begin(browser, service.domain, "phone", locale="en")
    page = await visit.open(reset)
    await expect(page.locator("#reset h2")).to_have_text(WORDS["en"]["reset_title"])
    await expect(page.locator("#name")).to_have_value(taken.name)
    await expect(page.locator("#name")).not_to_be_editable()
    await page.locator("#password").fill(changed.password)
    await page.locator("#proceed").click()
    await expect(page.locator("#digits")).to_be_focused()
    await page.locator("#digits").fill(await read(service, visit))
    await visit.check(page, "register-reset-en")
    await page.locator("#proceed").click()
    await expect(page.locator("#done-title")).to_have_text(WORDS["en"]["changed_title"])
    await expect(page.locator("#address")).to_have_text(taken.jid)
    assert await visit.end() == []
    await works(service, changed)
