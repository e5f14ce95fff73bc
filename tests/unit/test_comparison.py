# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/comparison.md, and its short form in README: figures are those that were measured, what is said of this project
has tests, and what is said of others has a source, in a version that does not change."""

from __future__ import annotations

import re

import pytest

from ..kit.documentation import tables
from .loading import ROOT, trusted

PAGE = ROOT / "docs/comparison.md"
TEXT = PAGE.read_text(encoding="utf-8")
TABLES = tables(PAGE)
SHORT = [row for row in tables(ROOT / "README.md")["Conexizan"] if len(row) == 3]
SOURCES = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", TEXT, re.MULTILINE))
# Pages that have no versions.
MOVING = {"debian", "prosody-modules", "snikket-faq"}
PROOFS = TABLES["What is said here of Conexizan"]


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, outside of its links' addresses."""
    return re.findall(r"\d[\d.,]*\d|\d", re.sub(r"\]\([^)]*\)", "", text))


def test_readme_and_page_compare_the_same_projects() -> None:
    headings = [line.partition(" (")[0].removeprefix("The ") for line in re.findall("^## (.*)$", TEXT, re.MULTILINE)]
    names = [name for name, *_ in SHORT]
    assert len(names) == 5
    assert [name for name, *_ in TABLES["Compared with other projects"]] == ["**Conexizan**", *names]
    assert headings[: len(names)] == names
    for section in re.split("^## ", TEXT, flags=re.MULTILINE)[1 : len(names) + 1]:
        assert "\n*Take it for* " in section, "what each is better for comes first"
    assert "(docs/comparison.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_figures_are_those_that_were_measured() -> None:
    """Also of memory where its page is not named beside it."""
    measured = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    said = [*re.findall(r"\[([^]]*\d[^]]*)\]\(performance\.md[#)]", TEXT), *re.findall(r"[\d.]+ MiB", TEXT)]
    said += [figure for *_, here in SHORT for figure in re.findall(r"[\d.]+ MiB", here)]
    assert len(said) >= 6
    assert [figure for figure in said for number in numbers(figure) if number not in measured] == []


def test_other_numbers_are_those_of_the_project() -> None:
    defaults = trusted(ROOT / "roles/xmpp/defaults/main.yml")
    days = [defaults["xmpp_archive_days"], defaults["xmpp_upload_days"]]
    assert TABLES["Compared with other projects"][0][1:3] == [f"{number} days" for number in days]
    assert f"after {days[0]} days" in PROOFS[0][0]
    (attacks,) = [found for *_, here in SHORT for found in re.findall(r"(\d+) attacks", here)]
    assert int(attacks) == len(tables(ROOT / "docs/security.md")["Attacks"])
    tested = trusted(ROOT / "roles/xmpp/vars/main.yml")["xmpp_derived_tested"]["ejabberd"]
    assert f"- ejabberd {tested} with limits" in TEXT


@pytest.mark.parametrize(("what", "tests"), PROOFS)
def test_what_is_said_of_this_project_has_a_test(what: str, tests: str) -> None:
    names = re.findall(r"`([\w/]+)`", tests)
    assert names, what
    for name in names:
        places = (f"tests/{name}.py", f"molecule/{name.replace('/', '/tests/')}.py")
        assert any((ROOT / place).exists() for place in places), name


def test_what_is_said_of_others_has_a_source() -> None:
    used = set(re.findall(r"\]\[([\w-]+)\]", TEXT))
    assert used == SOURCES.keys()
    assert {name for name, source in SOURCES.items() if not re.search(r"/[0-9a-f]{40}(/|$)", source)} == MOVING
