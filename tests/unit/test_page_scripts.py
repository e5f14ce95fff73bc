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
# What register.html.j2 adds to its sentences (`labels`).
LABELS = {"proceed", "make", "set", "changed", "waits"}
SCRIPTS = {
    "account": [*SHARED, *sorted((WEBSITE / "account").glob("*.js"))],
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
    shared: dict[str, Any] = yaml.safe_load((folder / "scripts.yml").read_text())["__website_said"]
    names = set().union(*(named(path.read_text()) for path in SCRIPTS[page]))
    assert {"weak", "unreachable", "server"} < names, "what is looked for is no longer written like this"
    assert len(names) > 10
    for language, texts in own.items():
        there = {*shared[language], *texts["said"]} | (LABELS if page == "register" else set())
        assert names <= there, (language, sorted(names - there))
