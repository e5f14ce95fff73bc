# SPDX-License-Identifier: GPL-3.0-or-later
"""The page for moderators, as the controller renders it: with moderators alone, and found by nobody else."""

from __future__ import annotations

from pathlib import Path

from .site_pages import Page, render, rendered, write

NO_PAGE = "---\ntitle: x\nwhen: false\n---\n"
OWN_PAGE = "---\ntitle: How we moderate\nwhen: true\n---\nFairly.\n"


def test_page_for_moderators_is_there_with_moderators_alone(tmp_path: Path) -> None:
    """Only the account page leads to it, by a link that its script shows to moderators; search engines are kept off."""
    everything = rendered("everything")
    links = {path[3:]: page.values("a", "href") for path, page in everything.pages()}
    leading = {path for path, targets in links.items() if any("moderation" in target for target in targets)}
    assert leading == {"account/index.html", "moderation/index.html"}, "its own language menu is the other one"
    for language in ("de", "en"):
        page = Page("", everything[f"{language}/moderation/index.html"])
        assert page.values("meta", "content").count("noindex") == 1
        assert page.values("script", "src") == ["/moderation/main.js"]
        account = everything[f"{language}/account/index.html"]
        assert account.index('<div id="moderator" hidden>') < account.index("../moderation/")
    for name, text in rendered("defaults").items():
        assert "moderation/" not in text, name
    write(tmp_path, {f"website/{language}/moderation.md": NO_PAGE for language in ("de", "en")})
    without = render(tmp_path, {"xmpp_moderators": ["bob"]})
    assert not [name for name, text in without.items() if "moderation/" in name + text]


def test_own_page_of_that_name_may_be_found(tmp_path: Path) -> None:
    write(tmp_path, {f"website/{language}/moderation.md": OWN_PAGE for language in ("de", "en")})
    page = Page("", render(tmp_path, {})["en/moderation/index.html"])
    assert "noindex" not in page.values("meta", "content")
