# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the files of pages and notices: front matter and text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

PAGE_KEYS = ("title", "label", "description", "menu", "footer", "script", "when")
OWN_PAGE_KEYS = tuple(key for key in PAGE_KEYS if key != "script")  # the server lets none but the role's own run
PAGE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Mistake(Exception):
    """What is wrong with a file, to follow its name: "has no title"."""

    def __init__(self, file: Path, line: int, wrong: str) -> None:
        """Take the file, the line (from 1; 0 for all of it) and the words."""
        super().__init__(f"{file}{f':{line}' if line else ''} {wrong}.")
        self.file = file
        self.line = line
        self.wrong = wrong


def line_of(text: str, word: str) -> int:
    """Return the line (from 1) that has a word in it, or 1."""
    return next((number for number, line in enumerate(text.split("\n"), 1) if word in line), 1)


@dataclass(frozen=True)
class Source:
    """A file with front matter. *text* begins with as many empty lines as the front matter takes."""

    file: Path
    facts: dict[str, str]
    text: str

    def mistake(self, key: str, wrong: str) -> Mistake:
        """Return a mistake in a line of the front matter."""
        lines = self.file.read_text(encoding="utf-8").splitlines()
        line = next((number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 1)
        return Mistake(self.file, line, wrong)


def read(file: Path, keys: Collection[str]) -> Source:
    """Return a page or a notice; raises Mistake."""
    try:
        text = file.read_text(encoding="utf-8") + "\n"
    except UnicodeDecodeError as error:
        raise Mistake(file, 1, "is not written in UTF-8") from error
    if not text.startswith("---\n"):
        raise Mistake(file, 1, 'does not begin with front matter, which is a line "---", "title: …" and a line "---"')
    head, end, body = text[4:].partition("\n---\n")
    if not end:
        raise Mistake(file, 1, 'has no second line "---", which ends the front matter')
    try:
        facts = yaml.BaseLoader(head).get_single_data()  # texts only, nothing guessed
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "no YAML"
        raise Mistake(
            file, 2 + (mark.line if mark else 0), f"has front matter that cannot be read: {problem}"
        ) from error
    if not isinstance(facts, dict):
        raise Mistake(file, 2, 'has front matter without a "title: …"')
    source = Source(file, facts, "\n" * (head.count("\n") + 3) + body)
    for key, value in facts.items():
        if key not in keys:
            raise source.mistake(key, f'has the unknown key "{key}" in its front matter; it takes {", ".join(keys)}')
        if not isinstance(value, str) or not value.strip():
            raise source.mistake(key, f'has no value for "{key}:" in its front matter, or one that is not a string')
    if "title" not in facts:
        raise Mistake(file, 2, 'has front matter without a "title: …"')
    for key in ("menu", "footer"):
        if not facts.get(key, "0").isdigit():
            raise source.mistake(key, f'has "{key}: {facts[key]}", which is not a number (pages are sorted by it)')
    return source


def placed(page: Source, default: Source | None) -> Source:
    """Return an operator's page in the place of the role's page of that name; a new one goes into the menu."""
    inherited = {
        key: default.facts[key] for key in ("label", "menu", "footer", "when") if default and key in default.facts
    }
    if not default and not {"menu", "footer"} & page.facts.keys():
        inherited = {"footer": "90"} if page.file.stem == "legal" else {"menu": "45"}
    return Source(page.file, inherited | page.facts, page.text)


def visible(folder: Path) -> list[Path]:
    """Return the content of a folder without hidden files; empty if there is no folder."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def own_pages(folder: Path, known: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Yield language and file of each page of the operator; raises Mistake for an invalid name."""
    for part in visible(folder):
        if part.name == "static" and part.is_dir():
            continue
        if part.name not in known or not part.is_dir():
            raise Mistake(part, 1, f"is neither static/ nor the folder of a language: {', '.join(sorted(known))}")
        for file in visible(part):
            if file.suffix != ".md" or not PAGE_NAME.fullmatch(file.stem):
                wrong = "is not a page: its name must be lower-case letters, digits and hyphens, and end in .md"
                raise Mistake(file, 1, f"{wrong}; other files belong in static/")
            yield part.name, file
