# SPDX-License-Identifier: GPL-3.0-or-later
"""Every page there is, in both languages, as a visitor with a phone or at a desk sees it."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import pytest
from playwright.async_api import Browser, Request

from ..kit.service import Service
from .site import LANGUAGES, SCREENSHOTS, SIZES, Site, Visit, is_ours, name_of, validate

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE_BYTES = 60_000
# How long the start page may take to be painted, in paints of a page of bare text.
TIMES = 4
PAINTS = 9
# A link leads out of the site only to those whom it recommends. They are not asked: a test needs no internet.
RECOMMENDED = {
    "beagle.im",
    "cheogram.com",
    "conversations.im",
    "dino.im",
    "gajim.org",
    "monal-im.org",
    "profanity-im.github.io",
    "search.jabber.network",
    "siskin.im",
}
# When the largest element of the page was there to be seen, in milliseconds from the visitor's click on.
_LARGEST_PAINT = """() => new Promise(resolve => new PerformanceObserver(
    list => resolve(list.getEntries().at(-1).startTime)
).observe({type: "largest-contentful-paint", buffered: true}))"""


async def test_every_page_is_there_in_every_language(site: Site) -> None:
    found = {language: {page[3:] for page in site.pages if page.startswith(f"/{language}/")} for language in LANGUAGES}
    assert len(found["en"]) > 5
    assert found["de"] == found["en"]


async def test_start_page_leads_to_the_account(site: Site, service: Service) -> None:
    """In one click; and so do the questions and answers, to each of its parts that they speak of."""
    for language in LANGUAGES:
        home = f"https://{service.domain}/{language}/"
        assert (home, f"{home}account/") in site.links
        parts = {target for source, target in site.links if source == f"{home}faq/"}
        wanted = ("new-password", "archive", "devices", "blocked", "invite", "export", "import", "uploads", "delete")
        assert {f"{home}account/#{part}" for part in wanted} <= parts


async def test_links_lead_somewhere(site: Site, service: Service) -> None:
    faults = []
    for source, target in sorted(site.links):
        url, anchor = urldefrag(target)
        if not is_ours(urlsplit(url), service.domain):
            continue
        if site.answers[url].status not in (200, 302):
            faults.append(f"{source} leads to {url}, which answers {site.answers[url].status}")
        elif anchor and anchor not in site.anchors[url]:
            faults.append(f"{source} leads to {url}, which has no #{anchor}")
    assert faults == []


async def test_links_to_others_are_chosen(site: Site, service: Service) -> None:
    others = {urlsplit(target) for _, target in site.links if not is_ours(urlsplit(target), service.domain)}
    assert {url.scheme for url in others} <= {"https", "xmpp", "mailto"}
    assert {url.netloc for url in others if url.scheme == "https"} <= RECOMMENDED


def loosened(policy: str) -> list[str]:
    """What a content security policy allows beyond the site itself."""
    directives = {name: sources for name, *sources in (part.split() for part in policy.split(";"))}
    strict = {"default-src": ["'none'"], "base-uri": ["'none'"], "frame-ancestors": ["'none'"]}
    return [
        f"{name} {' '.join(directives.get(name, ['is missing']))}"
        for name in strict | {"form-action": []} | directives
        if directives.get(name) not in ([strict[name]] if name in strict else [["'none'"], ["'self'"]])
    ]


async def test_headers_are_strict(site: Site) -> None:
    faults = []
    for url, answer in site.answers.items():
        headers = answer.headers
        if headers.get("x-content-type-options") != "nosniff" and url.startswith("https:"):
            faults.append(f"{url}: no nosniff")
        if "set-cookie" in headers:
            faults.append(f"{url}: a cookie")
    for url, answer in site.documents.items():
        headers = answer.headers
        if not urlsplit(url).path.startswith("/chat/"):  # test_webchat.py knows what that one needs
            faults += [f"{url}: {loose}" for loose in loosened(headers.get("content-security-policy", ""))]
        if headers.get("referrer-policy") != "no-referrer":
            faults.append(f"{url}: tells others where its visitor comes from")
    assert faults == []


async def test_html_is_valid(site: Site, tmp_path: Path) -> None:
    for url, answer in site.documents.items():
        path = urlsplit(url).path
        if path != "/register/plain/":  # is ejabberd's
            (tmp_path / f"{name_of(path)}.html").write_bytes(answer.body)
    assert await asyncio.to_thread(validate, tmp_path) == []


FAULTY = """<!DOCTYPE html><html lang="en"><head><title>Faulty</title></head><body><main><h1>Faulty</h1>
<p style="width: 5000px; color: #eee; background: #fff">Pale and wide</p><img src="https://elsewhere.test/x.png" alt="">
<script>
document.cookie = "who=you"; localStorage.setItem("remembered", "1"); console.warn("beware");
new WebSocket("wss://elsewhere.test/"); setTimeout(() => { throw new Error("broken"); });
</script></main></body></html>"""


async def test_faults_are_seen(browser: Browser, service: Service) -> None:
    """What the next test looks for, it would find."""
    visit = await Visit.begin(browser, service.domain)
    await visit.context.route("**/faulty", lambda route: route.fulfill(body=FAULTY, content_type="text/html"))
    page = await visit.open("/faulty")
    await visit.check(page, "faulty")
    await visit.check_colors(page, "colors", "dark")
    faults = "\n".join(await visit.end())
    for fault in (
        "a request to another host: https://elsewhere.test/x.png",
        "a connection to another host: wss://elsewhere.test/",
        "console warning: beware",
        "error in a script: broken",
        "pixels wider than the screen",
        "faulty stores remembered",
        "color-contrast",
        "colors, dark: ",
        "cookie who",
    ):
        assert fault in faults


@pytest.mark.parametrize("size", SIZES)
async def test_page_is_well_behaved(browser: Browser, service: Service, site: Site, size: str) -> None:
    """It says nothing on the console, asks nobody else for anything, stores nothing, fits, and is accessible.

    What is dark has other colors, and that is all (style.css): of the phone's, only these are looked at.
    """
    visit = await Visit.begin(browser, service.domain, size)
    page = await visit.open("about:blank")
    for path in site.pages:
        await page.goto(path)
        await visit.check(page, name_of(path))
        if size == "phone":
            await visit.check_colors(page, name_of(path), "dark")
        else:
            await visit.check(page, name_of(path), "dark")
    assert await visit.end() == []


@pytest.mark.parametrize("path", ["", "account/", "register/", "moderation/"])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_page_is_small(browser: Browser, service: Service, language: str, path: str) -> None:
    """All that is transferred, with headers, for a browser that has nothing of it yet."""
    visit = await Visit.begin(browser, service.domain, locale=language)
    requests: list[Request] = []
    visit.context.on("requestfinished", lambda request: requests.append(request))
    page = await visit.open("/" if not path else f"/{language}/{path}")
    await page.wait_for_load_state("networkidle")
    assert page.url == f"https://{service.domain}/{language}/{path}"
    sizes = {request.url: await request.sizes() for request in requests}
    assert len(sizes) >= 3
    assert sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes.values()) < PAGE_BYTES
    assert await visit.end() == []


@pytest.mark.parametrize("size", SIZES)
async def test_start_page_is_painted_at_once(browser: Browser, service: Service, size: str) -> None:
    """By a browser that is running, and has nothing of the page yet.

    Compared are medians, in turns, with a page of bare text: how busy the machine is concerns both.
    """
    visit = await Visit.begin(browser, service.domain, size)
    page = await visit.open("about:blank")
    session = await visit.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    paints: dict[str, list[float]] = {"/": [], "/robots.txt": []}
    for _ in range(PAINTS):
        for path, took in paints.items():
            await page.goto(path)
            took.append(await page.evaluate(_LARGEST_PAINT))
    assert await visit.end() == []
    start, bare = (statistics.median(took) for took in paints.values())
    assert start < TIMES * bare, paints


@pytest.mark.parametrize("language", LANGUAGES)
async def test_start_page_prints(browser: Browser, service: Service, language: str) -> None:
    """As black on white, without the menu, also for who prefers it dark."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open(f"/{language}/")
    await page.emulate_media(media="print", color_scheme="dark")
    await page.screenshot(path=SCREENSHOTS / f"index-{language}-print.png", full_page=True)
    assert not await page.locator("nav").first.is_visible()
    assert await page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
    assert await visit.end() == []


async def test_keyboard_goes_straight_to_the_content(browser: Browser, service: Service, site: Site) -> None:
    """The first stop of the Tab key is a link past the menu, which is shown then."""
    visit = await Visit.begin(browser, service.domain)
    page = await visit.open("about:blank")
    for path in site.pages[::4]:
        await page.goto(path)
        await page.keyboard.press("Tab")
        link = page.locator(":focus")
        assert await link.get_attribute("href") == "#content", path
        box = await link.bounding_box()
        assert box is not None
        assert box["x"] >= 0, path
    assert await visit.end() == []
