# SPDX-License-Identifier: GPL-3.0-or-later
"""Languages that are translated, as a visitor sees them whose browser asks for one."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from ..kit.service import Service
from .site import Visit

pytestmark = pytest.mark.asyncio(loop_scope="module")

TITLES = {
    "es": {"register/": "Crear una cuenta", "account/": "Tu cuenta"},
    "fr": {"": "C’est tout", "account/": "Votre compte", "privacy/": "Confidentialité"},
}
WEAK = {"es": "Muy débil, el servidor no la aceptará", "fr": "Très faible, le serveur ne l’acceptera pas"}


@pytest.mark.parametrize(("language", "locale", "size"), [("es", "es-MX", "desktop"), ("fr", "fr-CA", "phone")])
async def test_pages_are_in_the_language_of_the_browser(
    browser: Browser, service: Service, language: str, locale: str, size: str
) -> None:
    """They are accessible, fit, and lead to the same page in the other languages. Scripts speak the language, too."""
    visit = await Visit.begin(browser, service.domain, size, locale=locale)
    page = await visit.open("/")
    assert page.url == f"https://{service.domain}/{language}/"
    for path, title in TITLES[language].items():
        await page.goto(f"/{language}/{path}")
        assert title in await page.title()
        assert await page.locator("html").get_attribute("lang") == language
        switch = {await link.get_attribute("hreflang"): link for link in await page.locator(".languages a").all()}
        assert sorted(filter(None, switch)) == ["de", "en", "es", "fr"]
        assert await switch[language].get_attribute("aria-current") == "true"
        assert await switch["de"].evaluate("link => link.pathname") == f"/de/{path}"
        await visit.check(page, f"{language}-{path.strip('/') or 'index'}")
    await page.goto(f"/{language}/register/")
    await page.locator("#password").fill("abc")
    await expect(page.locator("#strength-words")).to_have_text(WEAK[language])
    assert await visit.end() == []
