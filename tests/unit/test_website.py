# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as the controller renders it: every page in several configurations, own pages, notices, mistakes."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.conexizan.xmpp.plugins.lookup.website import LookupModule
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.notices import notice_message
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake

from .loading import ROOT

ATOM = "{http://www.w3.org/2005/Atom}"
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}
SITE = "https://friends.test"
SIZE_LIMIT = 60_000
NAME = 'Friends & <Co> *plain* "quoted"'
ROOM = {"name": "support", "title": "Help & [more](http://evil.test)", "description": "Questions <b>and</b> answers"}
MONERO = "monero:8BnERTpvL5MbCLtj5n9No7J5oE5hHiB3tVCK5cjSvCsWd2WRJLFuWeKTLiXo5QJqt2ZwUaLy2Vh1Ad51K7FNgqcHgjW85o"

# Settings that change what the pages may say.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "xmpp_name": NAME,
        "xmpp_registration": "open",
        "xmpp_rooms": [{**ROOM, "moderated": True}],
        "xmpp_recommended_rooms": [{"address": "garden@muc.neighbour.test", "title": "Garden | Ground"}],
        "xmpp_donations": [
            {"name": "Monero", "address": MONERO, "note": "*No* trace."},
            {"name": "Bank", "address": "https://bank.test/?a=1&b=2"},
        ],
        "xmpp_more_domains": ["family.test"],
        "xmpp_certificates": "selfsigned",
        "xmpp_federation": "allowlist",
        "xmpp_archive_default": "roster",
        "xmpp_backup_repository": "/backup",
    },
    "little": {
        "xmpp_federation": False,  # YAML's off
        "xmpp_calls": False,
        "xmpp_archive_default": "never",
        "xmpp_archive_days": 1,
        "xmpp_room_search_url": "",
        "xmpp_provider": {"free_of_charge": False},
    },
    "by invitation": {"xmpp_registration": "invite"},
    "web chat": {"xmpp_webchat": True},
    "another port": {
        "xmpp_https_port": 8443,
        "xmpp_contact_addresses": ["mailto:a_b@friends.test", "https://x.test/y"],
    },
}


class Rendered(dict[str, str]):
    """The files of the site by their path below its root."""

    def pages(self) -> Iterator[tuple[str, Page]]:
        """Yield path and content of every page."""
        for path, text in self.items():
            if path.endswith(".html"):
                yield path, Page(path, text)


class Page(HTMLParser):
    """A page, checked for well-formedness while it is read."""

    def __init__(self, path: str, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.url = urljoin(SITE, path.removesuffix("index.html"))
        self.text = text
        self.words = ""
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element: the one that was opened last."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words += data

    def values(self, tag: str, attribute: str) -> list[str]:
        """Return the values of an attribute of an element."""
        return [values[attribute] for name, values in self.elements if name == tag and attribute in values]

    @property
    def ids(self) -> list[str]:
        """Return the anchors."""
        return [values["id"] for _, values in self.elements if "id" in values]


def variables(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a host of these settings knows in the role website."""
    loader = DataLoader()
    found: dict[str, Any] = {"inventory_dir": "/nowhere", "xmpp_domain": "friends.test"}
    for role in ("xmpp", "website"):
        for pattern in ("defaults/main.yml", "vars/main.yml", "vars/main/*.yml"):
            for file in sorted((ROOT / "roles" / role).glob(pattern)):
                found |= loader.load_from_file(str(file), trusted_as_template=True)
    return found | settings


def render(folder: Path, settings: dict[str, Any]) -> Rendered:
    """Render the site as the role's task does it, with what is in the folder as an operator's."""
    known = variables({**settings, "xmpp_website_dir": str(folder / "website")})
    templar = Templar(loader=DataLoader(), variables=known)
    lookup = LookupModule(loader=DataLoader(), templar=templar)
    (files,) = lookup.run(
        ["pages"],
        known,
        pages=str(ROOT / "roles/website/pages"),
        own=str(folder / "website"),
        notices=str(folder / "notices"),
        languages=templar.template(known["website_languages"]),
        donations=templar.template(known["website_donations"]),
        ledger=templar.template(known["website_ledger"]),
        root="/srv",
    )
    assert isinstance(files, dict)
    return Rendered({path.removeprefix("/srv/"): text for path, text in files.items()})


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@functools.cache
def rendered(configuration: str) -> Rendered:
    """Return the site in one of the configurations, without anything of an operator's own."""
    return render(Path("/nowhere"), CONFIGURATIONS[configuration])


@pytest.fixture(params=CONFIGURATIONS)
def site(request: pytest.FixtureRequest) -> Rendered:
    """Return the site in each of the configurations."""
    return rendered(request.param)


@pytest.fixture
def everything() -> Rendered:
    """Return the site with everything on it."""
    return rendered("everything")


# ---------------------------------------------------------------------- every page, in every configuration
def test_every_page_is_whole(site: Rendered) -> None:
    """Well-formed, one h1, no level of headings left out, anchors unique, nothing unrendered, nothing inline."""
    for path, page in site.pages():
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        assert all(after - before <= 1 for before, after in pairwise(levels)), (path, levels)
        assert len(page.ids) == len(set(page.ids)), path
        assert "" not in page.ids, path
        assert page.values("html", "lang") == [path[:2]], path
        assert not re.search(r"\{\{|\}\}|\{%|\bNone\b|\*\*|\]\(", page.words.replace("](http://evil.test)", "")), path
        assert not {name for _, values in page.elements for name in values if name == "style" or name.startswith("on")}
        assert not {tag for tag, _ in page.elements} & {"style", "iframe", "object", "embed"}, path
        assert all(values.get("alt") is not None for tag, values in page.elements if tag == "img"), path
        assert page.values("title", "x") == []


def test_every_link_within_the_site_leads_somewhere(site: Rendered) -> None:
    """To a page that is there, and to an anchor that it has."""
    pages = {page.url: page for _, page in site.pages()}
    served = {urljoin(SITE, path) for path in site} | {
        urljoin(SITE, path.name) for path in (ROOT / "roles/website/templates/srv/xmpp/website").iterdir()
    }
    elsewhere = {
        f"{SITE}/.well-known/security.txt",
        f"{SITE}/register.js",
        f"{SITE}/register/plain/",
        f"{SITE}/qrcode.js",
        f"{SITE}/chat/de/",
        f"{SITE}/chat/en/",
    }
    for path, page in site.pages():
        for link in page.values("a", "href") + page.values("link", "href") + page.values("img", "src"):
            target = urlsplit(urljoin(page.url, link))
            if target.netloc != "friends.test" or target.scheme != "https":
                continue
            address = target._replace(fragment="").geturl()
            assert address in pages or address in served | elsewhere or address == f"{SITE}/", (path, link)
            if target.fragment and address in pages:
                assert target.fragment in pages[address].ids, (path, link)


def test_nothing_comes_from_elsewhere(site: Rendered) -> None:
    for path, page in site.pages():
        loaded = [*page.values("img", "src"), *page.values("script", "src")]
        loaded += [values["href"] for tag, values in page.elements if tag == "link" and "stylesheet" in values["rel"]]
        assert all(re.match("/[a-z]", address) for address in loaded), path


def test_start_page_is_small(site: Rendered) -> None:
    """With all that it loads."""
    static = ROOT / "roles/website/templates/srv/xmpp/website"
    extra = sum((static / name).stat().st_size for name in ("style.css", "favicon.svg", "talk.svg"))
    for language in ("de", "en"):
        assert len(site[f"{language}/index.html"].encode()) + extra < SIZE_LIMIT


def test_both_languages_have_the_same_pages(site: Rendered) -> None:
    paths = {language: {path[3:] for path in site if path.startswith(f"{language}/")} for language in ("de", "en")}
    assert paths["de"] == paths["en"]


def test_provider_file_says_what_the_settings_say(site: Rendered) -> None:
    told = json.loads(site[".well-known/xmpp-provider-v2.json"])
    assert set(told) == {
        "website", "passwordReset", "legalNotice", "alternativeJids", "busFactor", "organization", "serverTesting",
        "professionalHosting", "freeOfCharge", "maximumHttpFileUploadTotalSize", "maximumHttpFileUploadStorageTime",
        "maximumMessageArchiveManagementStorageTime", "serverLocations", "since",
    }  # fmt: skip
    assert told["maximumHttpFileUploadTotalSize"] == 1048
    assert told["maximumHttpFileUploadStorageTime"] == 30
    days = told["maximumMessageArchiveManagementStorageTime"]
    assert f"{days} {'Tag' if days == 1 else 'Tage'}" in Page("de/privacy/", site["de/privacy/index.html"]).words
    assert told["freeOfCharge"] == ("costs nothing" in site["en/terms/index.html"])


# ---------------------------------------------------------------------- what follows from settings
def test_texts_from_settings_are_only_texts(everything: Rendered) -> None:
    for path, page in everything.pages():
        assert not [link for link in page.values("a", "href") if "evil" in link], path
        if path[3:] not in ("404.html", "429.html"):
            assert NAME in page.words, path
    for language in ("de", "en"):
        rooms = Page(f"{language}/rooms/", everything[f"{language}/rooms/index.html"])
        assert ROOM["title"] in rooms.words
        assert ROOM["description"] in rooms.words
        assert "xmpp:support@muc.friends.test?join" in rooms.values("a", "href")
        assert "xmpp:garden@muc.neighbour.test?join" in rooms.values("a", "href")


def test_donations_have_a_page_and_codes(everything: Rendered) -> None:
    page = Page("en/donate/", everything["en/donate/index.html"])
    assert MONERO in page.words
    assert "https://bank.test/?a=1&b=2" in page.values("a", "href")
    assert page.values("img", "src")[1:] == ["/donate/1.svg", "/donate/2.svg"]
    assert ET.fromstring(everything["donate/1.svg"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert "style" not in everything["donate/1.svg"]
    without = rendered("defaults")
    assert not [path for path in without if "donate" in path]
    assert not [path for path, page in without.pages() if "donate" in page.text]


@pytest.mark.parametrize(
    ("configuration", "page", "there", "missing"),
    [
        ("defaults", "en/index", "everybody whose server speaks XMPP", "certificate of its authority"),
        ("defaults", "en/faq/index", "this service passes the call on", "This service does not pass calls on"),
        ("defaults", "de/faq/index", "verhelfen wir dir zu einem neuen Passwort", "brauchst du ein neues Konto"),
        ("defaults", "de/faq/index", "Solange es eingeschaltet ist", "Es ist abgeschaltet, bis"),
        ("everything", "en/index", "certificate of its authority", "everybody whose server speaks XMPP"),
        ("everything", "en/faq/index", "a chosen few others only", "This server does not take part"),
        ("everything", "de/faq/index", "brauchst du ein neues Konto", "verhelfen wir dir zu einem neuen Passwort"),
        ("everything", "de/faq/index", "nur Unterhaltungen mit deinen Kontakten", "Es ist abgeschaltet, bis"),
        ("defaults", "de/privacy/index", "verschwinden Kontaktliste, Profil", "In Sicherungen"),
        (
            "everything",
            "de/privacy/index",
            "In Sicherungen sind sie danach noch 7 Tage lang enthalten",
            "verschwinden Kontaktliste, Profil, Archiv und Dateien sofort. Was",
        ),
        ("little", "en/index", "exchanges messages with no other server", "write to people on other servers"),
        ("little", "en/faq/index", "does not pass calls on", "this service passes the call on"),
        ("little", "en/privacy/index", "Whom you call", "our server passes the call on"),
        ("little", "de/faq/index", "Es ist abgeschaltet, bis", "Solange es eingeschaltet ist"),
        ("little", "en/rooms/index", "Your app can list the public rooms", "search of the public rooms"),
        ("web chat", "en/index", "Scripts run only in the web chat.", "no script either"),
    ],
)
def test_text_follows_the_setting(configuration: str, page: str, there: str, missing: str) -> None:
    words = " ".join(Page(page, rendered(configuration)[f"{page}.html"]).words.split())
    assert there in words
    assert missing not in words


def test_only_the_languages_of_the_service_are_there(tmp_path: Path) -> None:
    site = render(tmp_path, {"xmpp_languages": ["de"]})
    assert not [path for path in site if path.startswith("en/")]
    assert not [path for path, page in site.pages() if "/en/" in page.text]


# ---------------------------------------------------------------------- what is kept
def test_pages_and_programs_are_told_the_same(site: Rendered) -> None:
    """All of the ledger is on the privacy page, its rows for the start page are there; both in every language."""
    told = json.loads(site["ledger.json"])
    assert {"account", "archive", "uploads", "connections"} <= {entry["name"] for entry in told}
    for language in ("de", "en"):
        privacy = Page(f"{language}/privacy/", site[f"{language}/privacy/index.html"])
        start = Page(f"{language}/", site[f"{language}/index.html"])
        for entry in told:
            for text in entry[language].values():
                assert text in privacy.words, (language, text)
            on_start = [entry[language][key] in start.words for key in ("what", "detail", "long")]
            assert all(on_start) == (entry["start_page"] is not None), (language, entry["name"])
        assert "/ledger.json" in privacy.values("a", "href")


def test_who_can_read_it_is_said_in_words(site: Rendered) -> None:
    """Of each entry, by people: a program or an account of the host tells a reader nothing."""
    told = json.loads(site["ledger.json"])
    programs = {"de": r"Chat-Server|Webserver|ejabberd|www-data", "en": r"chat server|web server|ejabberd|www-data"}
    for language, heading in (("de", "Wer es lesen kann:"), ("en", "Who can read it:")):
        words = Page(f"{language}/privacy/", site[f"{language}/privacy/index.html"]).words
        entries = words.split(heading)
        assert len(entries) == len(told) + 1
        for entry, text in zip(told, entries[1:], strict=True):
            assert text.strip().startswith(entry[language]["who"])
            assert not re.search(programs[language], entry[language]["who"])


def test_changed_period_is_on_every_page_that_tells_it(tmp_path: Path) -> None:
    site = render(tmp_path, {"xmpp_archive_days": 17, "xmpp_upload_days": 23})
    for language, words in (("de", "Tage"), ("en", "days")):
        for page in ("index.html", "privacy/index.html", "faq/index.html"):
            text = Page(page, site[f"{language}/{page}"]).words
            assert f"17 {words}" in text, (language, page)
            assert f"23 {words}" in text, (language, page)
            # Tokens of apps last that long, whatever is set.
            assert text.count(f"30 {words}") == (page == "privacy/index.html"), (language, page)
    told = {entry["name"]: entry["days"] for entry in json.loads(site["ledger.json"])}
    assert (told["archive"], told["uploads"]) == (17, 23)


# ---------------------------------------------------------------------- an operator's own pages
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
        ("[x](../nowhere/)", "extra.md:4 links to ../nowhere/, which is no page of this site"),
        ("\n{{ xmpp_calls.no_such_thing.at_all }}", "extra.md:"),
    ],
)
def test_mistake_while_rendering_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path / "website", {"en/extra.md": f"---\ntitle: Extra\n---\n{text}\n"})
    with pytest.raises(AnsibleError, match=re.escape(words)):
        render(tmp_path, {})


# ---------------------------------------------------------------------- notices
def notice(title: str, kind: str = "news", *lines: str) -> str:
    """Return the text of a notice."""
    return "\n".join(["---", f"title: {title}", f"kind: {kind}", *lines, "---", "Text *here* {{ as_it_is }}.", ""])


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


# ---------------------------------------------------------------------- at the front door
# Files, and the problems that are reported about them: file and line, and words.
MISTAKES: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "nothing wrong": (
        {
            "website/de/legal.md": "---\ntitle: Impressum\n---\n{{ xmpp_name | as_text }} {{ now().year }}\n",
            "website/en/legal.md": "---\ntitle: Legal\nwhen: website_calls is defined\n---\n{{ website_calls }}\n",
            "website/static/any.html": "{{ what }}",
            "notices/2026-01-01-hello.md": notice("Hello"),
        },
        [],
    ),
    "unknown language": (
        {"website/fr/faq.md": "---\ntitle: F\n---\n"},
        [("website/fr:1", "the folder of a language: de, en")],
    ),
    "no page": (
        {"website/en/faq.html": "<p>"},
        [("website/en/faq.html:1", "end in .md; other files belong into static/")],
    ),
    "no front matter": (
        {"website/en/faq.md": "# FAQ\n"},
        [("website/en/faq.md:1", "does not begin with front matter")],
    ),
    "front matter without end": (
        {"website/en/faq.md": "---\ntitle: F\n"},
        [("website/en/faq.md:1", 'no second line "---"')],
    ),
    "no YAML": ({"website/en/faq.md": "---\ntitle: F\nmenu: [\n---\n"}, [("website/en/faq.md:3", "cannot be read")]),
    "no title": ({"website/en/faq.md": "---\nmenu: 1\n---\n"}, [("website/en/faq.md:2", "title: …")]),
    "unknown key": (
        {"website/en/faq.md": "---\ntitle: F\ntilte: G\n---\n"},
        [("website/en/faq.md:3", 'unknown key "tilte"')],
    ),
    "script": (
        {"website/en/register.md": "---\ntitle: R\nscript: /static/r.js\n---\n"},
        [("website/en/register.md:3", 'unknown key "script"')],
    ),
    "no number": (
        {"website/en/faq.md": "---\ntitle: F\nmenu: top\n---\n"},
        [("website/en/faq.md:3", "a number is meant")],
    ),
    "broken template": (
        {"website/en/faq.md": "---\ntitle: F\n---\nOne\n{% if xmpp_calls %}\n"},
        [("website/en/faq.md:5", "is no valid template")],
    ),
    "broken condition": (
        {"website/en/faq.md": "---\ntitle: F\nwhen: xmpp_calls and\n---\n"},
        [("website/en/faq.md:3", 'behind "when:"')],
    ),
    "unknown variable in a condition": (
        {"website/en/faq.md": "---\ntitle: F\nwhen: xmpp_cals\n---\n"},
        [("website/en/faq.md:3", "uses xmpp_cals")],
    ),
    "unknown variable and filter": (
        {"website/en/faq.md": "---\ntitle: F\n---\n{{ xmpp_nmae }}\n{{ xmpp_name | nonsense }}\n"},
        [("website/en/faq.md:5", "uses nonsense, which is no filter"), ("website/en/faq.md:4", "uses xmpp_nmae")],
    ),
    "name of a notice": (
        {"notices/maintenance.md": notice("M")},
        [("notices/maintenance.md:1", "must begin with a date")],
    ),
    "no such day": (
        {"notices/2026-02-30-m.md": notice("M")},
        [("notices/2026-02-30-m.md:1", "must begin with a date")],
    ),
    "kind": (
        {"notices/2026-02-03-m.md": notice("M", "party")},
        [("notices/2026-02-03-m.md:3", "it can be maintenance")],
    ),
    "no begin": ({"notices/2026-02-03-m.md": notice("M", "outage")}, [("notices/2026-02-03-m.md:3", "it needs")]),
    "no distance from UTC": (
        {"notices/2026-02-03-m.md": notice("M", "outage", "begins: 2026-02-03T10:00")},
        [("notices/2026-02-03-m.md:4", "2026-11-22T22:00+01:00")],
    ),
    "ends before": (
        {"notices/2026-02-03-m.md": notice("M", "outage", "begins: 2026-02-03T10:00Z", "ends: 2026-02-03T09:00Z")},
        [("notices/2026-02-03-m.md:5", "ends before it begins")],
    ),
    "links of a notice": (
        {
            "website/en/workshops.md": "---\ntitle: W\n---\n",
            "notices/2026-02-03-m.de.md": notice("M"),
            "notices/2026-02-03-m.en.md": notice("M")
            + "\n[a](../rooms/) [b](../workshops/#x) [c](/de/faq) [d](https://x.test/nope/)\n",
        },
        [],
    ),
    "links of a notice that lead nowhere": (
        {
            "website/en/workshops.md": "---\ntitle: W\n---\n",
            # The first is there in English alone, and the notice is shown in both languages.
            "notices/2026-02-03-m.md": notice("M")
            + "\n[a](../workshops/)\n[b][1]\n[c](/fr/faq/)\n[d](../nope)\n\n[1]: /en/nothing/?x#y\n",
        },
        [
            (f"notices/2026-02-03-m.md:{line}", f"links to {address}, which is no page of this site")
            for line, address in ((7, "../workshops/"), (12, "/en/nothing/?x#y"), (9, "/fr/faq/"), (10, "../nope"))
        ],
    ),
    "languages differ": (
        {
            "notices/2026-02-03-m.de.md": notice("M", "outage", "begins: 2026-02-03T10:00Z"),
            "notices/2026-02-03-m.en.md": notice("M"),
        },
        [("notices/2026-02-03-m.en.md:3", "another kind, begin or end")],
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the problems reported in each case: one run, with a host and an inventory for each."""
    folder = tmp_path_factory.mktemp("front-door")
    inventories: list[str | Path] = []
    for number, (files, _) in enumerate(MISTAKES.values()):
        hosts = {"all": {"hosts": {f"case{number}": {}}, "vars": {"xmpp_domain": "friends.test"}}}
        write(folder / f"case{number}", {**files, "hosts.yml": yaml.safe_dump(hosts)})
        inventories += ["-i", folder / f"case{number}"]
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["xmpp"]}]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *inventories, folder / "play.yml"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    problems = {}
    for number, name in enumerate(MISTAKES):
        _, failed, rest = said.partition(f"fatal: [case{number}]: FAILED! => ")
        problems[name] = json.JSONDecoder().raw_decode(rest)[0]["problems"] if failed else []
        assert failed or f"ok: [case{number}]" in said, said
    return problems


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_before_any_host_is_touched(told: dict[str, list[str]], case: str) -> None:
    """By the task that checks the settings; each with file and line."""
    expected = MISTAKES[case][1]
    assert len(told[case]) == len(expected), told[case]
    for problem, (place, words) in zip(told[case], expected, strict=True):
        assert words in problem
        assert f"/{place}\n" in f"{problem}\n"
