# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as the controller renders it in several configurations, for the tests of its pages."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.conexizan.xmpp.plugins.lookup.website import LookupModule

from .loading import ROOT, trusted

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
        "xmpp_languages": ["en", "de", "fr", "es"],
        "xmpp_name": NAME,
        "xmpp_registration": "open",
        "xmpp_inviters": "members",
        "xmpp_keep_inviter": True,
        "xmpp_circles": [{"name": "family", "members": ["maria"]}],
        "xmpp_limited": ["tim"],
        "xmpp_components": [
            {"name": "bridge.friends.test", "description": "A bridge", "secret": "x" * 32},
            {"name": "bot.friends.test", "description": "A bot", "secret": "x" * 32, "public": True},
        ],
        "xmpp_moderators": ["bob"],
        "xmpp_registration_question": {
            "de": {"question": "Was ist <b> & *mehr*?", "answers": ["Linde"]},
            "en": {"question": "What is <b> & *more*?", "answers": ["lime"]},
            "es": {"question": "¿Qué significa <b> & *más*?", "answers": ["tilo"]},
            "fr": {"question": "Que veut dire <b> & *plus* ?", "answers": ["tilleul"]},
        },
        "xmpp_rooms": [{**ROOM, "moderated": True}],
        "xmpp_contact_purposes": {"abuse": ["mailto:abuse@friends.test"]},
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
        "xmpp_provider": {"free_of_charge": False, "server_testing": True},
    },
    "by invitation": {"xmpp_registration": "invite"},
    "after a review": {"xmpp_registration": "review", "xmpp_moderators": ["bob"]},
    "web chat": {"xmpp_webchat": True, "xmpp_single_port": True, "xmpp_languages": ["en", "de", "fr", "es"]},
    "another port": {
        "xmpp_https_port": 8443,
        "xmpp_contact_addresses": ["mailto:a_b@friends.test", "https://x.test/y"],
        "xmpp_rooms": [{"name": "support", "title": "Questions"}],
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
    found: dict[str, Any] = {"inventory_dir": "/nowhere", "xmpp_domain": "friends.test"}
    for role in ("xmpp", "website"):
        for pattern in ("defaults/main.yml", "vars/main.yml", "vars/main/*.yml"):
            for file in sorted((ROOT / "roles" / role).glob(pattern)):
                found |= trusted(file)
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


def notice(title: str, kind: str = "news", *lines: str) -> str:
    """Return the text of a notice."""
    return "\n".join(["---", f"title: {title}", f"kind: {kind}", *lines, "---", "Text *here* {{ as_it_is }}.", ""])
