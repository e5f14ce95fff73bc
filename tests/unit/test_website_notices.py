# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages and notices of an operator: what the site makes of them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.lookup.website import LookupModule
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.notices import notice_message
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake

from .site_pages import ATOM, CONFIGURATIONS, SITE, Page, Rendered, notice, render, rendered, write


@pytest.fixture(params=CONFIGURATIONS)
def site(request: pytest.FixtureRequest) -> Rendered:
    """Return the site in each of the configurations."""
    return rendered(request.param)


def test_own_page_replaces_adds_and_takes_away(tmp_path: Path) -> None:
    write(
        tmp_path / "website",
        {
            "en/terms.md": "---\ntitle: Our rules\n---\nBe kind for {{ xmpp_upload_days }} days.\n",
            "en/workshops.md": "---\ntitle: Workshops\n---\n[R](../rooms/), [money](../donate/)\n\n<b>no HTML</b>\n",
            "en/legal.md": "---\ntitle: Legal notice\n---\nWe.\n",
            "en/rooms.md": "---\ntitle: Rooms\nwhen: xmpp_calls\n---\nOur rooms.\n",
            "en/notices.md": "---\ntitle: Notices\nwhen: false\n---\n",
            "static/logo.svg": "<svg/>",
        },
    )
    site = render(tmp_path, {})
    terms = Page("en/terms/", site["en/terms/index.html"])
    assert "Be kind for 30 days." in terms.words
    start = Page("en/", site["en/index.html"])
    links = start.values("a", "href")
    assert links.index("/en/workshops/") < links.index("/en/terms/") < links.index("/en/legal/")
    assert start.values("img", "src")[0] == "/static/logo.svg"
    workshops = Page("en/workshops/", site["en/workshops/index.html"])
    assert "../rooms/" in workshops.values("a", "href")
    assert "../donate/" not in workshops.values("a", "href"), "a page that is switched off is not linked"
    assert "<b>no HTML</b>" in workshops.words
    assert not [path for path in site if path.startswith("en/notices")]
    assert not [path for path, page in site.pages() if path.startswith("en/") and "/en/notices/" in page.text]
    assert json.loads(site[".well-known/xmpp-provider-v2.json"])["legalNotice"] == {"en": f"{SITE}/en/legal/"}
    # The other language has no such page: its reader is led to the start.
    assert ("/de/", "de") in [(values.get("href"), values.get("hreflang")) for _, values in workshops.elements]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[x](../nowhere/)", "extra.md:4 links to ../nowhere/, which is not a page of this site"),
        ("\n{{ xmpp_calls.no_such_thing.at_all }}", "extra.md:"),
    ],
)
def test_mistake_while_rendering_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path / "website", {"en/extra.md": f"---\ntitle: Extra\n---\n{text}\n"})
    with pytest.raises(AnsibleError, match=re.escape(words)):
        render(tmp_path, {})


def test_notices_are_on_their_page_in_the_feed_and_in_the_status(tmp_path: Path) -> None:
    begins = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
    ends = begins + timedelta(hours=1)
    times = (f"begins: {begins.isoformat()}", f"ends: {ends.isoformat()}")
    write(
        tmp_path / "notices",
        {
            "2026-01-02-move.de.md": notice("Umzug & <mehr>", "maintenance", *times),
            "2026-01-02-move.en.md": notice(
                "Moving & <more>", "maintenance", *times, "updated: 2026-01-03T10:00+01:00"
            ),
            "2026-01-01-hello.md": notice("Hello"),
            "2025-12-01-nur.de.md": notice("Nur deutsch"),
            "2025-11-01-past.md": notice("Past", "outage", "begins: 2025-11-01T10:00Z", "ends: 2025-11-01T11:00Z"),
        },
    )
    site = render(tmp_path, {})
    page = Page("en/notices/", site["en/notices/index.html"])
    titles = ["Moving & <more>", "Hello", "Nur deutsch", "Past"]
    places = [page.words.index(title) for title in titles]
    assert places == sorted(places), "the newest first"
    assert "{{ as_it_is }}" in page.words
    assert [values.get("lang") for tag, values in page.elements if tag == "article"] == [None, None, "de", None]

    feed = ET.fromstring(site["en/notices/feed.atom"])
    check_feed(feed)
    assert [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")] == titles
    assert feed.findtext(f"{ATOM}updated") == "2026-01-03T09:00:00Z"
    assert site == render(tmp_path, {}), "nothing in it changes from run to run"

    form = "%Y-%m-%dT%H:%M:%SZ"
    assert json.loads(site["status.json"]) == {
        "planned": True,
        "beginning": begins.strftime(form),
        "expected_end": ends.strftime(form),
        "message": {"default": "Moving & <more>", "en": "Moving & <more>", "de": "Umzug & <mehr>"},
    }


def check_feed(feed: ET.Element) -> None:
    """What RFC 4287 demands of a feed and its entries (4.1.1, 4.1.2)."""
    instant = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert feed.tag == f"{ATOM}feed"
    ids = []
    for part in (feed, *feed.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(part.findall(f"{ATOM}{name}")) == 1
        ids.append(part.findtext(f"{ATOM}id") or "")
        assert re.fullmatch(instant, part.findtext(f"{ATOM}updated") or "")
        relations = [link.get("rel") for link in part.findall(f"{ATOM}link")]
        assert "alternate" in relations
    assert all(re.match("[a-z]+:", address) for address in ids)
    assert len(ids) == len(set(ids))
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    assert [link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]


def test_feed_without_notices_is_valid(site: Rendered) -> None:
    for language in ("de", "en"):
        check_feed(ET.fromstring(site[f"{language}/notices/feed.atom"]))
    assert json.loads(site["status.json"]) == {}


def test_notice_as_a_message_has_every_language_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "2026-01-02-move.de.md": notice("Umzug"),
            "2026-01-02-move.en.md": notice("Moving"),
            "2026-01-01-hello.md": notice("Hello"),
        },
    )
    newest = notice_message(tmp_path, ["en", "de"], "")
    assert newest["subject"] == "Moving / Umzug"
    assert newest["body"].count("Text *here*") == 2
    assert notice_message(tmp_path, ["en", "de"], "2026-01-01-hello")["body"].count("Text *here*") == 1
    with pytest.raises(Mistake, match="notices has no notice yet; write one"):
        notice_message(tmp_path / "none" / "notices", ["en"], "")
    with pytest.raises(Mistake, match="has no notice nothing; there are: 2026-01-02-move, 2026-01-01-hello"):
        notice_message(tmp_path, ["en", "de"], "nothing")


def test_notice_that_cannot_be_sent_is_told_in_words(tmp_path: Path) -> None:
    """Not as an error of Ansible's, and before anything is published."""
    write(tmp_path, {"2026-01-01-hello.md": notice("Hello")})
    ask = LookupModule().run
    assert ask(["unsendable"], notices=str(tmp_path)) == [""]
    assert ask(["unsendable"], notices=str(tmp_path), name="2026-01-01-hello") == [""]
    (wrong,) = ask(["unsendable"], notices=str(tmp_path), name="2026-01-01-none")
    assert wrong == f"{tmp_path} has no notice 2026-01-01-none; there are: 2026-01-01-hello."
    assert "has no notice yet" in ask(["unsendable"], notices=str(tmp_path / "none"))[0]
