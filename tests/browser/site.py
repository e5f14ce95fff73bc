# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site as visitors find it: what leads where, and a browser that notes whatever a page must not do."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

import yaml
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, WebSocket

from ..kit.service import Answer, Service

CHECKOUT = Path(__file__).parents[2]
NODE_MODULES = CHECKOUT / ".cache" / "node" / "node_modules"
SCREENSHOTS = CHECKOUT / ".cache" / "screenshots"

LANGUAGES = ("de", "en")
# The service's other domain (molecule/inventory/host_vars/outside.yml).
MORE_DOMAIN = "family.test"
# What a phone and a laptop show of a page, in CSS pixels.
SIZES = {"phone": (360, 740), "desktop": (1280, 800)}
# From one end of a page to the other, by the Tab key.
TABS = 150
# Beside what axe-core checks unasked: WCAG 2.2, 2.5.8.
AXE_OPTIONS: dict[str, Any] = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
# What changes with the colors alone.
OF_COLORS: dict[str, Any] = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}

# What a page left behind in the browser.
_STORED = """async () => [
    ...Object.keys(localStorage), ...Object.keys(sessionStorage), ...await caches.keys(),
    ...(await indexedDB.databases()).map(database => database.name),
    ...(await navigator.serviceWorker.getRegistrations()).map(worker => worker.scope),
]"""
# By how many CSS pixels the page is wider than the screen.
_OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def words(page: str) -> dict[str, dict[str, Any]]:
    """What a page with a script says by language, and its script (`said`)."""
    folder = CHECKOUT / "roles" / "website" / "vars" / "main"
    own = yaml.safe_load((folder / f"{page}.yml").read_text(encoding="utf-8"))[f"__website_{page}"]
    shared = yaml.safe_load((folder / "scripts.yml").read_text(encoding="utf-8"))
    said, login = shared["__website_said"], shared["__website_login"]
    return {
        language: {**texts, "said": said[language] | login[language]["said"] | texts["said"]}
        for language, texts in own.items()
    }


class Markup(HTMLParser):
    """Where a page leads, and where links may lead within it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src", "action") and value]
        self.anchors |= {value for name, value in attrs if name == "id" and value}


@dataclass(frozen=True)
class Site:
    """All that can be reached from the start pages by following links, and what they say about other places."""

    answers: dict[str, Answer]  # by URL, without fragment
    links: set[tuple[str, str]]  # from which URL to which one, with fragment
    anchors: dict[str, set[str]] = field(default_factory=dict)

    @property
    def documents(self) -> dict[str, Answer]:
        """The pages, those of the server's own form among them."""
        return {url: answer for url, answer in self.answers.items() if answer.status == 200 and is_html(answer)}

    @property
    def pages(self) -> list[str]:
        """Paths of the site's own pages, and of one that does not exist, in each language."""
        paths = {urlsplit(url).path for url in self.documents}
        own = {path for path in paths if path.split("/")[1] in LANGUAGES}
        return sorted(own | {f"/{language}/no-such-page" for language in LANGUAGES})


def is_html(answer: Answer) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")


def is_ours(url: SplitResult, domain: str) -> bool:
    return url.scheme in ("http", "https") and url.netloc == domain


async def explore(service: Service) -> Site:
    """Follows every link of ours, from the start page of each language on."""
    site = Site({}, set())
    waiting = [f"https://{service.domain}/{language}/" for language in LANGUAGES]
    while waiting:
        url = waiting.pop()
        if url in site.answers:
            continue
        answer = site.answers[url] = await service.fetch("GET", url)
        if not is_html(answer):
            continue
        markup = Markup(answer.body.decode())
        site.anchors[url] = markup.anchors
        for link in markup.links:
            target = urljoin(url, link)
            site.links.add((url, target))
            if is_ours(urlsplit(target), service.domain):
                waiting.append(urldefrag(target).url)
    return site


@dataclass
class Visit:
    """A browser that has never been here before. It notes in `faults` what no page of ours does."""

    context: BrowserContext
    domain: str
    size: str  # a key of SIZES
    faults: list[str] = field(default_factory=list)
    challenge: str = ""  # of the last picture that a page was sent over its WebSocket

    @classmethod
    async def begin(cls, browser: Browser, domain: str, size: str = "desktop", **options: Any) -> Visit:
        width, height = SIZES[size]
        phone = size == "phone"
        context = await browser.new_context(
            base_url=f"https://{domain}",
            is_mobile=phone,
            has_touch=phone,
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(60_000)
        visit = cls(context, domain, size)
        context.on("console", visit._heard)
        context.on("request", visit._requested)
        context.on("requestfailed", visit._failed)
        context.on("weberror", lambda error: visit.faults.append(f"error in a script: {error.error}"))
        context.on("page", lambda page: page.on("websocket", visit._connected))
        return visit

    def _heard(self, message: ConsoleMessage) -> None:
        # A page that does not exist is announced with the right status, which the browser remarks upon.
        missing = message.location["url"].endswith("/no-such-page") and "404" in message.text
        if message.type in ("error", "warning") and not missing:
            self.faults.append(f"{message.location['url']}: console {message.type}: {message.text}")

    def _requested(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self.domain:
            self.faults.append(f"a request to another host: {request.url}")

    def _failed(self, request: Request) -> None:
        # Aborted: the visitor went on before all was there.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"{request.url}: {request.failure}")

    def _connected(self, socket: WebSocket) -> None:
        if urlsplit(socket.url).netloc != self.domain:
            self.faults.append(f"a connection to another host: {socket.url}")
        socket.on("framereceived", self._received)

    def _received(self, frame: str | bytes) -> None:
        if found := re.search(r"var='challenge'.*?<value>(\w+)", str(frame)):
            self.challenge = found[1]

    async def open(self, path: str) -> Page:
        page = await self.context.new_page()
        await page.goto(path)
        return page

    async def check(self, page: Page, name: str, scheme: Literal["light", "dark"] = "light") -> None:
        """Looks at the page as it is now; keeps a picture of it as *name*."""
        await page.emulate_media(color_scheme=scheme)
        suffix = "" if scheme == "light" else f"-{scheme}"
        await page.screenshot(path=SCREENSHOTS / f"{name}-{SIZES[self.size][0]}{suffix}.png", full_page=True)
        overhang = await page.evaluate(_OVERHANG)
        if overhang > 0:
            self.faults.append(f"{name} is {overhang} pixels wider than the screen")
        self.faults += [f"{name} stores {item}" for item in await page.evaluate(_STORED)]
        self.faults += [f"{name}: {fault}" for fault in await accessibility(page)]

    async def check_colors(self, page: Page, name: str, scheme: Literal["light", "dark"]) -> None:
        """Looks at the page in other colors than before, all else being the same."""
        await page.emulate_media(color_scheme=scheme)
        self.faults += [f"{name}, {scheme}: {fault}" for fault in await accessibility(page, OF_COLORS)]

    async def end(self) -> list[str]:
        """All that was wrong with this visit."""
        self.faults += [f"cookie {cookie.get('name')}" for cookie in await self.context.cookies()]
        await self.context.close()
        return self.faults


async def typed(page: Page) -> str:
    """What is in all fields of a page: its markup does not show that."""
    script = "[...document.querySelectorAll('input, textarea')].map(field => field.value).join('\\n')"
    return str(await page.evaluate(script))


async def reach(page: Page, target: Locator, key: str = "Tab") -> None:
    """By the Tab key alone."""
    for _ in range(TABS):
        await page.keyboard.press(key)
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the Tab key does not reach {target}")


async def accessibility(page: Page, options: dict[str, Any] = AXE_OPTIONS) -> list[str]:
    """What axe-core finds on the page as it is now."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate((NODE_MODULES / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    result = await page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{violation['help']} ({violation['id']}): {node['html']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def name_of(path: str) -> str:
    """A page's name for its picture: ``/de/`` is index-de, ``/en/faq/`` faq-en."""
    language, *rest = path.strip("/").split("/")
    return f"{'-'.join(rest) or 'index'}-{language}"


def validate(folder: Path) -> list[str]:
    """What html-validate finds in the .html files of a folder."""
    report = folder / "report.json"  # on a pipe, a long one is truncated
    done = subprocess.run(
        [
            NODE_MODULES / ".bin" / "html-validate",
            f"--formatter=json={report}",
            f"--config={Path(__file__).parent / 'html-validate.json'}",
            *sorted(folder.glob("*.html")),
        ],
        check=False,
    )
    assert done.returncode in (0, 1)  # 1: something was found
    return [
        f"{Path(result['filePath']).stem}:{message['line']}: {message['message']} ({message['ruleId']})"
        for result in json.loads(report.read_text(encoding="utf-8"))
        for message in result["messages"]
    ]
