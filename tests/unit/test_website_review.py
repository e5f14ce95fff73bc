# SPDX-License-Identifier: GPL-3.0-or-later
"""What the site says with `xmpp_registration: review`, as the controller renders it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from .loading import ROOT
from .site_pages import render, rendered

REVIEW = yaml.safe_load((ROOT / "roles/xmpp/vars/main.yml").read_text(encoding="utf-8"))["xmpp_derived_review"]
DAYS = REVIEW["days"]
# Of a decision, how long it is waited for, and what is asked.
SAID = {
    "en": (r"\blets? (\w+ )?in\b", rf"\b{DAYS} days\b", "sentence"),
    "de": ("frei(ge)?schaltet", rf"\b{DAYS} Tagen?\b", "Satz"),
}

# What is written down by hand.
TEXTS = {
    "docs/people.md": r"People who wait to be let in\n.*?\n## ",
    "roles/xmpp/meta/argument_specs.yml": r"      xmpp_registration:.*?\n      \w",
}


def page(configuration: str, path: str) -> str:
    return " ".join(rendered(configuration)[path].split())


@pytest.mark.parametrize("language", SAID)
@pytest.mark.parametrize("name", ["register", "faq", "privacy"])
def test_pages_say_that_newcomers_wait(language: str, name: str) -> None:
    """Nowhere else."""
    review, other = (page(one, f"{language}/{name}/index.html") for one in ("after a review", "everything"))
    assert [word for word in SAID[language] if not re.search(word, review)] == []
    assert not re.search(SAID[language][1], other)


@pytest.mark.parametrize("path", TEXTS)
def test_documentation_says_the_numbers_of_the_settings(path: str) -> None:
    found = re.search(TEXTS[path], (ROOT / path).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = " ".join(found[0].split())
    assert re.findall(r"(\d+) days\b", text) == [str(DAYS)]
    assert re.findall(r"[Aa]t most (\d+)", text) == [str(REVIEW["accounts"])]


@pytest.mark.parametrize("language", SAID)
def test_way_to_an_account_is_another_one(language: str) -> None:
    """Terms and start page say so as well; the server's own form, which has no place for a sentence, is not offered."""
    decided, _, sentence = SAID[language]
    assert re.search(decided, page("after a review", f"{language}/terms/index.html"))
    assert sentence in page("after a review", f"{language}/index.html")
    review, other = (page(one, f"{language}/register/index.html") for one in ("after a review", "everything"))
    assert '<textarea id="reason" required disabled rows="4" maxlength="300"' in review
    assert 'id="reason"' not in other
    assert ("/register/plain/" in review, "/register/plain/" in other) == (False, True)


@pytest.mark.parametrize(
    ("language", "decided", "moderated"),
    [
        ("en", "Who was let in or refused", "What moderators do"),
        ("de", "Wer freigeschaltet oder abgelehnt wurde", "Was die Moderation tut"),
    ],
)
def test_privacy_page_names_moderators_where_there_are_some(
    language: str, decided: str, moderated: str, tmp_path: Path
) -> None:
    without = render(tmp_path, {"xmpp_registration": "review"})[f"{language}/privacy/index.html"]
    with_some = rendered("after a review")[f"{language}/privacy/index.html"]
    assert [(decided in one, moderated in one) for one in (without, with_some)] == [(True, False), (False, True)]


def test_provider_file_promises_no_new_password() -> None:
    """Nobody can know whose an account of a stranger is."""
    assert json.loads(rendered("after a review")[".well-known/xmpp-provider-v2.json"])["passwordReset"] == {}
