# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts of pages say, by the names of sentences: each is on the page, in every language."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .loading import ROOT

WEBSITE = ROOT / "roles/website/templates/srv/xmpp/website"
SHARED = [WEBSITE / "page.js", WEBSITE / "xmpp.js"]
# What a page with a login imports of the account page's.
LOGIN = [WEBSITE / "account" / f"{name}.js" for name in ("commands", "links", "login", "parts", "session")]
# What register.html.j2 adds to its sentences (`labels`).
LABELS = {"proceed", "make", "set", "changed", "waits"}
SCRIPTS = {
    "account": [*SHARED, *sorted((WEBSITE / "account").glob("*.js"))],
    "moderation": [*SHARED, *LOGIN, *sorted((ROOT / "roles/website/moderation").glob("*.js"))],
    "register": [*SHARED, ROOT / "roles/registration/templates/srv/xmpp/website/register.js"],
}
# By a call, as the label of a button, as what somebody is asked before, as a Problem, or as what an error means.
NAMED = (
    r'\b(?:said|about|label)\("([\w-]+)"',
    r'\bbutton: \["([\w-]+)"',
    r'\bsure: "([\w-]+)"',
    r'\blist\("[\w-]+", [^;\n]*"([\w-]+)"\)',
    r'\bnew Problem\("([\w-]+)"(?!, \{ words)',  # else it has the server's words
)


def named(text: str) -> set[str]:
    """Return the names of sentences in a script."""
    meaning = re.findall(r"MEANING = (\{.*?\});", text, re.DOTALL)
    values = {name for one in meaning for name in re.findall(r': "([\w-]+)"', one)}
    meaning = re.findall(r"\bmeant\((\{.*?\}),", text)
    values |= {name for one in meaning for name in re.findall(r': "([\w-]+)"', one)}
    return values | {name for pattern in NAMED for name in re.findall(pattern, text)}


@pytest.mark.parametrize("page", SCRIPTS)
def test_sentences_of_scripts_are_on_their_page(page: str) -> None:
    folder = ROOT / "roles/website/vars/main"
    own: dict[str, Any] = yaml.safe_load((folder / f"{page}.yml").read_text())[f"__website_{page}"]
    scripts: dict[str, Any] = yaml.safe_load((folder / "scripts.yml").read_text())
    names = set().union(*(named(path.read_text()) for path in SCRIPTS[page]))
    assert {"weak", "unreachable", "server"} < names, "what is looked for is no longer written like this"
    assert len(names) > 10
    for language, texts in own.items():
        more = LABELS if page == "register" else set(scripts["__website_login"][language]["said"])
        there = {*scripts["__website_said"][language], *texts["said"], *more}
        assert names <= there, (language, sorted(names - there))


@pytest.mark.parametrize("page", SCRIPTS)
def test_sentences_about_something_have_a_place_for_it(page: str) -> None:
    """Without quotes, YAML takes a # for the beginning of a comment, and the sentence ends there."""
    folder = ROOT / "roles/website/vars/main"
    own: dict[str, Any] = yaml.safe_load((folder / f"{page}.yml").read_text())[f"__website_{page}"]
    scripts: dict[str, Any] = yaml.safe_load((folder / "scripts.yml").read_text())
    texts = "\n".join(path.read_text() for path in SCRIPTS[page])
    names = set(re.findall(r'\babout\("([\w-]+)"', texts))
    for language in own:
        told = (
            scripts["__website_said"][language] | scripts["__website_login"][language]["said"] | own[language]["said"]
        )
        assert [name for name in sorted(names & told.keys()) if "#" not in told[name]] == [], language
    assert page != "account" or len(names) > 5, "what is looked for is no longer written like this"


def test_what_the_account_page_measures_is_in_the_ledger() -> None:
    """Each entry by the tables that it names there, and no table twice; files are no table."""
    measured = yaml.safe_load((ROOT / "roles/website/vars/main/account.yml").read_text())["__website_stored"]
    entries = [one for path in ROOT.glob("roles/*/vars/ledger.yml") for one in yaml.safe_load(path.read_text())]
    tables = {one["name"]: one.get("tables", []) for one in entries if one["name"] in measured}
    assert tables.keys() == set(measured)
    assert [name for name, found in tables.items() if not found] == ["uploads"]
    named = [table for found in tables.values() for table in found]
    assert len(named) == len(set(named))
    script = (WEBSITE / "account/stored.js").read_text()
    (parts,) = re.findall(r"PARTS = (\[.*?\]);", script)
    assert set(re.findall(r'"(\w+)"', parts)) <= set(named)
