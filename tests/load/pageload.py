# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of the web site in Chromium: what each transfers, and how long the account page takes. Prints JSON.

    python -m tests.load.pageload DOMAIN ADDRESS FILE-OF-AUTHORITY ACCOUNT PASSWORD ROUNDS

Every page is opened by a browser that has nothing of the site yet.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from playwright.async_api import Browser, Page, Request

from ..kit.chromium import browsing, installed, trusting

HOST = "bench-browser"
LANGUAGES = ("en", "de")
LINKS = "[...document.querySelectorAll('a[href]')].filter(a => a.origin === location.origin).map(a => a.pathname)"
# Logged in, with all that the page asks the server for.
FILLED = """() => !document.getElementById("inside").hidden && !document.querySelector("#inside [inert]")
    && /[0-9]/.test(document.querySelector("#stored-files td").textContent)"""


async def fresh(browser: Browser, domain: str) -> Page:
    context = await browser.new_context(base_url=f"https://{domain}")
    return await context.new_page()


async def transferred(browser: Browser, domain: str, path: str) -> tuple[int, list[str]]:
    """Bytes with headers, and where the page leads."""
    page = await fresh(browser, domain)
    requests: list[Request] = []
    page.on("requestfinished", lambda request: requests.append(request))
    await page.goto(path, wait_until="networkidle")
    sizes = [await request.sizes() for request in requests]
    links: list[str] = await page.evaluate(LINKS)
    await page.context.close()
    return sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes), links


async def all_sizes(browser: Browser, domain: str) -> dict[str, int]:
    """Of every page of the site that one comes to by links."""
    found: dict[str, int] = {}
    waiting = [f"/{language}/" for language in LANGUAGES]
    while waiting:
        path = waiting.pop()
        if path not in found and path.split("/")[1] in LANGUAGES and path.endswith("/"):
            found[path], links = await transferred(browser, domain, path)
            waiting += links
    return found


async def opened(browser: Browser, domain: str, account: str, password: str) -> dict[str, float]:
    """Seconds until one can log in, and from there until all parts are filled."""
    page = await fresh(browser, domain)
    began = time.monotonic()
    await page.goto("/en/account/", wait_until="commit")
    await page.locator("#login").wait_for()
    took = {"open": time.monotonic() - began}
    await page.fill("#address", f"{account}@{domain}")
    await page.fill("#login-password", password)
    began = time.monotonic()
    await page.locator("#login button").click()
    await page.wait_for_function(FILLED)
    took["login"] = time.monotonic() - began
    await page.context.close()
    return took


async def main(domain: str, address: str, authority: str, account: str, password: str, rounds: str) -> None:
    with tempfile.TemporaryDirectory(prefix="cnx") as name, installed(HOST, Path(name)) as program:
        home = trusting(authority, Path(name) / "home")
        async with browsing(program, home, {domain: address}) as browser:
            sizes = await all_sizes(browser, domain)
            took = [await opened(browser, domain, account, password) for _ in range(int(rounds))]
    print(json.dumps({"bytes": sizes, **{name: [one[name] for one in took] for name in took[0]}}))


if __name__ == "__main__":
    domain, address, file, *more = sys.argv[1:]
    asyncio.run(main(domain, address, Path(file).read_text(encoding="ascii"), *more))
