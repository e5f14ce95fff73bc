# SPDX-License-Identifier: GPL-3.0-or-later
"""The account page as the controller renders it."""

from __future__ import annotations

import re

import pytest

from .site_pages import Page, rendered


@pytest.mark.parametrize("language", ["de", "en"])
def test_buttons_of_the_account_page_are_told_apart(language: str) -> None:
    """By who hears them in a list of all buttons, without what stands around."""
    buttons = re.findall(r"<button([^>]*)>([^<]+)</button>", rendered("everything")[f"{language}/account/index.html"])
    names = [
        found[1] if (found := re.search(r'aria-label="([^"]+)"', attributes)) else text for attributes, text in buttons
    ]
    assert len(names) > 10
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_account_page_is_for_all_domains() -> None:
    page = Page("en/account/", rendered("everything")["en/account/index.html"])
    assert page.values("form", "data-domains") == ["friends.test family.test"]
    assert "ends in @friends.test or @family.test" in page.words
