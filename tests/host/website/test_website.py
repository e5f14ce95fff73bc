# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site as a visitor gets it: over TLS, from outside the host."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import yaml
from testinfra.host import Host

DEFAULTS = Path(__file__).parents[3] / "roles" / "xmpp" / "defaults" / "main.yml"
# What a browser fetches without being asked for it, by element and attribute.
FETCHED = {
    ("img", "src"),
    ("link", "href"),
    ("script", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("form", "action"),
}
SIZE_LIMIT = 60_000


@dataclass
class Answer:
    """What the site answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body, decoded."""
        return self.body.decode()


class Page(HTMLParser):
    """What a test wants to know about a page."""

    def __init__(self, html: str) -> None:
        """Read the page."""
        super().__init__()
        self.language = ""
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "html":
            self.language = attributes.get("lang", "")

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words += data

    def values(self, tag: str, attribute: str) -> list[str]:
        """Return the values of an attribute of an element."""
        return [attributes[attribute] for name, attributes in self.elements if name == tag and attribute in attributes]

    def fetched(self) -> list[str]:
        """Return what a browser loads along with the page."""
        return [
            value
            for tag, attributes in self.elements
            for name, value in attributes.items()
            if (tag, name) in FETCHED and attributes.get("rel") not in ("canonical", "alternate")
        ]


class Site:
    """A visitor of the site, who trusts the authority of the host and nobody else."""

    def __init__(self, address: str, domain: str, port: int, authority: str) -> None:
        """Take note of where the site is."""
        self.address = address
        self.domain = domain
        self.port = port
        self.context = ssl.create_default_context(cadata=authority)

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for a path; an underscore in a header's name is a hyphen."""
        connection = http.client.HTTPSConnection(self.domain, self.port, timeout=60)
        plain = socket.create_connection((self.address, self.port), timeout=60)
        connection.sock = self.context.wrap_socket(plain, server_hostname=self.domain)
        with connection.sock:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())


@pytest.fixture(scope="module")
def settings(host: Host) -> dict[str, Any]:
    """Return what the operator said, on top of the defaults."""
    domain = host.ansible("ansible.builtin.debug", "var=xmpp_domain")["xmpp_domain"]
    return {**yaml.safe_load(DEFAULTS.read_text()), **host.ansible.get_variables(), "xmpp_domain": domain}


@pytest.fixture(scope="module")
def site(host: Host, settings: dict[str, Any]) -> Site:
    """Return the site of the host."""
    interfaces = json.loads(host.check_output("ip -json -4 address show scope global"))
    return Site(
        address=interfaces[0]["addr_info"][0]["local"],
        domain=settings["xmpp_domain"],
        port=settings["xmpp_https_port"],
        authority=host.file("/etc/xmpp/certificates/ca.crt").content_string,
    )


@pytest.fixture(params=["de", "en"])
def language(request: pytest.FixtureRequest) -> str:
    """Return each language of the site."""
    return str(request.param)


@pytest.fixture
def page(site: Site, language: str) -> Page:
    """Return the start page in each language."""
    answer = site.get(f"/{language}/")
    assert answer.status == http.client.OK
    return Page(answer.text)


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("DE", "de"),
        ("en-GB,en;q=0.7,de;q=0.3", "en"),
        ("it,de;q=0.8,en;q=0.5", "de"),
        ("it,en;q=0.8,de;q=0.5", "en"),
        ("it", "first"),
        ("den, ende", "first"),
        ("*", "first"),
        ("", "first"),
    ],
)
def test_visitor_is_greeted_in_a_language_of_theirs(
    site: Site, settings: dict[str, Any], accepted: str, expected: str
) -> None:
    answer = site.get("/", Accept_Language=accepted)
    assert answer.status == http.client.FOUND
    assert answer.headers["Location"] == f"/{settings['xmpp_languages'][0] if expected == 'first' else expected}/"
    assert "Accept-Language" in (answer.headers.get_all("Vary") or [])


def test_page_says_which_language_it_is_in(page: Page, language: str) -> None:
    assert page.language == language


def test_page_points_to_every_language(page: Page, settings: dict[str, Any]) -> None:
    assert sorted(page.values("link", "hreflang")) == sorted([*settings["xmpp_languages"], "x-default"])


def test_unknown_page_is_not_found_in_the_language_of_the_visitor(site: Site, language: str) -> None:
    answer = site.get("/no-such-page", Accept_Language=language)
    assert answer.status == http.client.NOT_FOUND
    assert Page(answer.text).language == language


@pytest.mark.parametrize("path", ["/de/", "/en/", "/style.css", "/favicon.svg", "/no-such-page", "/"])
@pytest.mark.parametrize(
    ("header", "value"),
    [
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; "
            "frame-ancestors 'none'",
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ],
)
def test_every_answer_carries_the_security_headers(site: Site, path: str, header: str, value: str) -> None:
    assert site.get(path).headers[header] == value


def test_browsers_insist_on_https_only_where_they_trust_the_certificate(site: Site, settings: dict[str, Any]) -> None:
    insist = settings["xmpp_certificates"] != "selfsigned" and settings["xmpp_https_port"] == 443
    assert ("Strict-Transport-Security" in site.get("/en/").headers) == insist


@pytest.mark.parametrize("path", ["/", "/de/", "/en/faq/", "/style.css", "/status.json", "/no-such-page"])
def test_no_cookie_is_set(site: Site, path: str) -> None:
    assert "Set-Cookie" not in site.get(path).headers


def test_server_does_not_tell_its_version(site: Site) -> None:
    assert site.get("/en/").headers["Server"] == "nginx"


def test_page_loads_nothing_from_elsewhere(page: Page) -> None:
    assert page.fetched()
    assert [url for url in page.fetched() if not url.startswith("/") or url.startswith("//")] == []


def test_page_has_no_script_and_no_inline_style(page: Page) -> None:
    names = {tag for tag, _ in page.elements}
    attributes = {name for _, found in page.elements for name in found}
    assert not names & {"script", "style", "iframe", "object", "embed", "form"}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}


@pytest.mark.parametrize("path", ["/style.css", "/favicon.svg", "/talk.svg"])
def test_files_of_the_page_name_no_other_host(site: Site, path: str) -> None:
    text = site.get(path).text.replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?:|@import|url\((?!\"/)|(?<![:/])//", text) == []


def test_everything_on_the_page_is_there_and_small(site: Site, language: str) -> None:
    start = site.get(f"/{language}/")
    styles = site.get("/style.css").text
    parts = {*Page(start.text).fetched(), *re.findall(r'url\("([^"]+)"\)', styles)}
    answers = [site.get(part) for part in parts]
    assert {answer.status for answer in answers} == {http.client.OK}
    assert len(start.body) + sum(len(answer.body) for answer in answers) < SIZE_LIMIT


def test_links_within_the_site_resolve(site: Site, page: Page, language: str) -> None:
    base = f"https://{site.domain}/{language}/"
    targets = {urlsplit(urljoin(base, link)) for link in page.values("a", "href")}
    ours = [target for target in targets if (target.scheme, target.netloc) == ("https", site.domain)]
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert ours
    assert {site.get(target.path).status for target in ours} == {http.client.OK}
    assert {target.fragment for target in ours if target.fragment} <= anchors


def test_page_tells_the_figures_that_the_server_runs_with(page: Page, settings: dict[str, Any], language: str) -> None:
    days = {"de": "Tage", "en": "days"}[language]
    words = page.words.replace("\N{NO-BREAK SPACE}", " ")
    for figure in (
        f"{settings['xmpp_archive_days']} {days}",
        f"{settings['xmpp_upload_days']} {days}",
        f"{settings['xmpp_upload_max_mib']} MiB",
        f"{settings['xmpp_archive_quota_mib']} MiB",
        f"{settings['xmpp_upload_quota_mib']} MiB",
    ):
        assert figure in words


def test_programs_are_told_what_is_kept(site: Site, settings: dict[str, Any]) -> None:
    """The same as the privacy page says, with the periods that the server runs with."""
    answer = site.get("/ledger.json")
    assert answer.headers["Content-Type"].startswith("application/json")
    told = {entry["name"]: entry for entry in json.loads(answer.text)}
    assert told["archive"]["days"] == settings["xmpp_archive_days"]
    assert told["uploads"]["days"] == settings["xmpp_upload_days"]
    assert ("calls" in told) == settings["xmpp_calls"]
    for code in ("de", "en"):
        words = Page(site.get(f"/{code}/privacy/").text).words
        assert [entry[code]["why"] for entry in told.values() if entry[code]["why"] not in words] == []


def test_page_offers_every_official_room(page: Page, settings: dict[str, Any]) -> None:
    links = page.values("a", "href")
    for room in settings["xmpp_rooms"]:
        assert f"xmpp:{room['name']}@muc.{settings['xmpp_domain']}?join" in links
        assert room["title"] in page.words


def test_page_says_whom_to_write_to(page: Page, settings: dict[str, Any]) -> None:
    assert f"xmpp:{settings['xmpp_admins'][0]}@{settings['xmpp_domain']}" in page.values("a", "href")


def test_page_speaks_of_calls_only_if_there_are_any(page: Page, settings: dict[str, Any], language: str) -> None:
    assert ({"de": "Anrufe", "en": "Calls"}[language] in page.words) == settings["xmpp_calls"]


def test_text_is_compressed_on_the_way(site: Site, language: str) -> None:
    assert site.get(f"/{language}/", Accept_Encoding="gzip").headers["Content-Encoding"] == "gzip"


def test_unchanged_page_is_not_sent_again(site: Site, language: str) -> None:
    tag = site.get(f"/{language}/").headers["ETag"]
    assert site.get(f"/{language}/", If_None_Match=tag).status == http.client.NOT_MODIFIED


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_cannot_be_written_to(site: Site, method: str) -> None:
    assert site.get("/en/", method=method).status == http.client.METHOD_NOT_ALLOWED
