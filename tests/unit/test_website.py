# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as the controller renders it: every page in several configurations, and what follows from settings."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree as ET

import pytest

from .loading import ROOT
from .site_pages import CONFIGURATIONS, MONERO, NAME, ROOM, SITE, SIZE_LIMIT, Page, Rendered, render, rendered, write


@pytest.fixture(params=CONFIGURATIONS)
def site(request: pytest.FixtureRequest) -> Rendered:
    """Return the site in each of the configurations."""
    return rendered(request.param)


@pytest.fixture
def everything() -> Rendered:
    """Return the site with everything on it."""
    return rendered("everything")


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
        f"{SITE}/chat/es/",
        f"{SITE}/chat/fr/",
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


def test_provider_file_says_what_to_do_without_the_password() -> None:
    """Where the operator knows whose an account is. What is open to strangers has no way back."""

    def told(configuration: str) -> dict[str, str]:
        links: dict[str, str] = json.loads(rendered(configuration)[".well-known/xmpp-provider-v2.json"])[
            "passwordReset"
        ]
        return links

    for configuration in ("defaults", "by invitation"):
        assert set(told(configuration)) == {"de", "en"}
        for language, link in told(configuration).items():
            page, anchor = link.removeprefix(f"{SITE}/").split("#")
            assert page == f"{language}/faq/"
            assert anchor in Page(page, rendered(configuration)[f"{page}index.html"]).ids
    assert told("everything") == {}


def test_provider_file_allows_tests_only_if_the_operator_does() -> None:
    assert json.loads(rendered("defaults")[".well-known/xmpp-provider-v2.json"])["serverTesting"] is False
    assert json.loads(rendered("little")[".well-known/xmpp-provider-v2.json"])["serverTesting"] is True


def test_contact_page_says_what_an_address_is_for() -> None:
    """Those of one purpose below those for all; the room for questions without being named for it."""
    page = Page("en/contact/", rendered("everything")["en/contact/index.html"])
    assert "Spam and abuse: abuse@friends.test" in page.words
    assert "mailto:abuse@friends.test" in page.values("a", "href")
    assert "Sales" not in page.words
    asking = Page("en/contact/", rendered("another port")["en/contact/index.html"])
    assert "Help: support@muc.friends.test\n" in asking.words
    assert "xmpp:support@muc.friends.test?join" in asking.values("a", "href")
    assert "Help: " not in page.words, "in its support room, newcomers cannot write"


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
        ("defaults", "en/index", "everybody whose server speaks XMPP", "certificate of its certificate authority"),
        ("defaults", "en/faq/index", "this service passes the call on", "This service does not pass calls on"),
        ("defaults", "de/faq/index", "verhelfen wir dir zu einem neuen Passwort", "brauchst du ein neues Konto"),
        ("defaults", "de/faq/index", "Solange es eingeschaltet ist", "Es ist abgeschaltet, bis"),
        ("everything", "en/index", "certificate of its certificate authority", "everybody whose server speaks XMPP"),
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
        ("little", "en/account/index", "only those who have an account here themselves", "have to accept it. This"),
        ("little", "de/faq/index", "für die neue gefragt, aber nur mit einem Konto hier", "für die neue gefragt."),
        ("defaults", "de/account/index", "müssen zustimmen. Nachrichten", "selbst hier ein Konto"),
        ("web chat", "en/index", "Scripts run only on the account page and in the web chat.", "no script either"),
    ],
)
def test_text_follows_the_setting(configuration: str, page: str, there: str, missing: str) -> None:
    words = " ".join(Page(page, rendered(configuration)[f"{page}.html"]).words.split())
    assert there in words
    assert missing not in words


ACCOUNT_PAGES = {
    "no page": "---\ntitle: x\nwhen: false\n---\n",
    "a page of the operator's": "---\ntitle: Mine\n---\nWrite to me.\n",
}


@pytest.mark.parametrize("own", ACCOUNT_PAGES)
def test_what_only_the_account_page_can_do_is_said_only_with_it(tmp_path: Path, own: str) -> None:
    """A page in its place has no script; where there is none, nothing leads to it."""
    write(tmp_path, {f"website/{language}/account.md": ACCOUNT_PAGES[own] for language in ("de", "en")})
    site = render(tmp_path, {})
    assert ("en/account/index.html" in site) == (own != "no page")
    for language, here in (("de", "auf dieser website"), ("en", "on this web site")):
        for name in ("", "faq/", "privacy/", "terms/"):
            words = " ".join(Page(name, site[f"{language}/{name}index.html"]).words.split()).lower()
            texts = [rendered("defaults")[f"{language}/{name}index.html"], site[f"{language}/{name}index.html"]]
            with_it, without = (" ".join(Page(name, text).words.split()).lower().count(here) for text in texts)
            assert with_it > without, (language, name)
            main = site[f"{language}/{name}index.html"].partition("</header>")[2].partition("<footer>")[0]
            assert "account/" not in main, (language, name)
            assert not re.search(r" [,.;:]|,,", words), (language, name)


def test_only_the_languages_of_the_service_are_there(tmp_path: Path) -> None:
    site = render(tmp_path, {"xmpp_languages": ["de"]})
    assert not [path for path in site if path.startswith("en/")]
    assert not [path for path, page in site.pages() if "/en/" in page.text]


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


def test_invitations_are_on_the_pages_of_a_service_whose_members_invite(everything: Rendered) -> None:
    """And on no other's; where it is kept who invited whom, they say so."""
    for language, kept, told in (
        ("en", "and who used them", "is stored for 30 days"),
        ("de", "und wer sie benutzt hat", "ist 30 Tage lang gespeichert"),
    ):
        others = rendered("by invitation")
        account, faq, privacy = (f"{language}/{page}/index.html" for page in ("account", "faq", "privacy"))
        assert told in Page("", everything[account]).words
        assert 'id="invite"' not in others[account]
        assert "account/#invite" in everything[faq]
        assert "#invite" not in others[faq]
        assert kept in Page("", everything[privacy]).words
        assert kept not in Page("", others[privacy]).words
