# SPDX-License-Identifier: GPL-3.0-or-later
"""The web chat: two people write to each other, one of them in a browser, which asks nobody else for anything."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from ..kit.account_file import DEVICES
from ..kit.clients import befriend, login
from ..kit.service import Account, Service
from .site import MORE_DOMAIN, Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = {"de": "Passwort", "en": "Password", "es": "Contraseña", "fr": "Mot de passe"}
EVENT = "{http://jabber.org/protocol/pubsub#event}"
# Where a chat and its password would be found afterwards: everything that outlives the tab.
_KEPT = """async () => JSON.stringify(localStorage) + (await Promise.all((await indexedDB.databases()).map(
    ({name}) => new Promise(resolve => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => {
            const stores = [...opening.result.objectStoreNames];
            if (!stores.length) return resolve('');
            const all = opening.result.transaction(stores);
            Promise.all(stores.map(store => new Promise(got => {
                const reading = all.objectStore(store).getAll();
                reading.onsuccess = () => got(JSON.stringify(reading.result));
            }))).then(texts => resolve(texts.join('')));
        };
    })
))).join('')"""


async def enter(page: Page, account: Account, *, trusted: bool = False) -> None:
    """Logs in by the form."""
    await page.fill("#converse-login-jid", account.name)
    await page.fill("#converse-login-password", account.password)
    await page.set_checked("#converse-login-trusted", trusted)
    await page.click("converse-login-form button[type=submit]")
    await expect(page.locator("converse-user-profile")).to_be_visible()


async def test_policy_names_nobody_else(service: Service) -> None:
    answer = await service.fetch("GET", f"https://{service.domain}/chat/en/")
    directives = {
        name: set(sources)
        for name, *sources in (part.split() for part in answer.headers["content-security-policy"].split(";"))
    }
    assert directives["default-src"] == directives["base-uri"] == directives["frame-ancestors"] == {"'none'"}
    assert directives["script-src"] == {"'self'", "'wasm-unsafe-eval'"}
    assert "'unsafe-inline'" not in directives["style-src-elem"]
    hosts = {source for sources in directives.values() for source in sources if "//" in source}
    uploads = {f"https://{service.name('upload')}", f"https://upload.{MORE_DOMAIN}"}
    assert hosts == {f"wss://{service.domain}/ws", *uploads}


async def test_program_never_changes_under_its_address(service: Service) -> None:
    """Browsers keep it; those that take nothing compressed get it as well."""
    page = (await service.fetch("GET", f"https://{service.domain}/chat/en/")).body.decode()
    path = page.split('<script type="module" src="')[1].split('"')[0]
    answer = await service.fetch("GET", f"https://{service.domain}{path}", headers={"Accept-Encoding": "identity"})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "max-age=31536000"
    assert len(answer.body) > 1_000_000


@pytest.mark.parametrize(("language", "label"), PASSWORD.items())
async def test_page_speaks_the_language(browser: Browser, service: Service, language: str, label: str) -> None:
    visit = await Visit.begin(browser, service.domain, locale=language)
    page = await visit.open("/chat")
    await expect(page.get_by_label(label)).to_be_visible()
    assert not await page.is_checked("#converse-login-trusted")
    assert page.url == f"https://{service.domain}/chat/{language}/"
    await page.get_by_role("link", name="←").click()
    assert page.url == f"https://{service.domain}/{language}/"
    assert await visit.end() == []


async def test_message_passes_both_ways_and_nothing_stays(
    browser: Browser, service: Service, pair: list[Account]
) -> None:
    alice, bob = pair
    visit = await Visit.begin(browser, service.domain)
    async with login(service, bob) as friend:
        await friend.online()
        async with login(service, alice) as other:
            await other.online()
            await befriend(other, friend)
        page = await visit.open("/chat/en/")
        await enter(page, alice)
        await page.locator("converse-roster").get_by_text(bob.name).first.click()
        text = page.locator("textarea.chat-textarea")
        await text.fill("From the browser")
        await text.press("Enter")
        await friend.hear("From the browser")
        # A picture of somebody else's is not loaded: the visit notes every request.
        friend.say(alice.jid, "https://elsewhere.test/cat.png")
        friend.say(alice.jid, "From the app")
        await expect(page.locator("converse-chat-message").get_by_text("From the app")).to_be_visible()
        kept = await page.evaluate(_KEPT)
    assert "From the app" not in kept
    assert alice.password not in kept
    assert await visit.end() == []


async def test_trusted_device_encrypts(browser: Browser, service: Service, pair: list[Account]) -> None:
    """It publishes its keys (XEP-0384): their WebAssembly runs under the page's policy. The password is not kept."""
    alice, bob = pair
    visit = await Visit.begin(browser, service.domain)
    async with login(service, bob) as friend, login(service, alice) as other:
        await friend.follow(DEVICES)
        await friend.online()
        await other.online()
        await befriend(other, friend)
        page = await visit.open("/chat/en/")
        await enter(page, alice, trusted=True)
        await friend.messages.get(
            lambda stanza: stanza.find(f"{EVENT}event/{EVENT}items[@node='{DEVICES}']") is not None
        )
        kept = await page.evaluate(_KEPT)
        await page.reload()
        await expect(page.locator("#converse-login-password")).to_be_visible()
    assert alice.jid in kept
    assert alice.password not in kept
    assert await visit.end() == []
