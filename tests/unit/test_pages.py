# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that list what the project has: what they list is what is there, all of it, and in its order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .loading import ROOT

DECISIONS = ROOT / "docs/decisions"


def rows(page: Path) -> Iterator[list[str]]:
    """Yield the cells of each row of all tables of a page, without the heads and the lines below them."""
    for table in re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n?)+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        for line in table.splitlines():
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


# ------------------------------------------------------------------ decisions
DECIDED = list(rows(DECISIONS / "README.md"))


def pages_of(cell: str) -> list[str]:
    """Return the pages that the links of a cell lead to."""
    return re.findall(r"\]\(([\w.-]+\.md)\)", cell)


def test_every_decision_is_in_the_table_once() -> None:
    listed = [name for _, answer, *_ in DECIDED for name in pages_of(answer)]
    assert sorted(listed) == sorted(page.name for page in DECISIONS.glob("*.md") if page.name != "README.md")


@pytest.mark.parametrize("row", DECIDED, ids=lambda row: row[0])
def test_row_of_a_decision(row: list[str]) -> None:
    """A question, one page that answers it, a day; and each number of the figure is on that page."""
    question, answer, figure, day = row
    assert question.endswith("?")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", day)
    (name,) = pages_of(answer)
    text = (DECISIONS / name).read_text(encoding="utf-8")
    assert [number for number in re.findall(r"\d[\d.]*\d|\d", figure) if number not in text] == []
