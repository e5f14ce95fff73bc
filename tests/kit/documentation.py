# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that the documentation tells, and its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .playbook import CHECKOUT

PAGES = [
    CHECKOUT / "README.md",
    CHECKOUT / "CONTRIBUTING.md",
    CHECKOUT / "CHANGELOG.md",
    *sorted(CHECKOUT.glob("docs/**/*.md")),
]
# The decisions and the changelog tell of commands, but nobody is told there to type one.
GUIDES = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "decisions"]
PLAYBOOK = "ansible-playbook -i inventories/home "
PROGRAM = re.compile(
    r"(sudo |source |export )?"
    r"(script/|playbooks/|site\.yml|RESTIC_|\.venv/|"
    r"(ansible[\w-]*|apt|ejabberdctl|git|journalctl|molecule|pip|prosody-migrator|pytest|restic) |"
    r"(ssh|systemctl|xmpp-\w+) )"
)


def fences(text: str) -> Iterator[str]:
    """Yield what stands between lines of three backticks."""
    yield from re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def bare(line: str) -> str:
    """Return a command without its comment and without what all playbooks' commands begin with."""
    return re.sub(r"\s+#.*", "", line).strip().removeprefix(PLAYBOOK)


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page: what looks like one between backticks, and all lines of a block that has one."""
    text = page.read_text(encoding="utf-8")
    for block in fences(text):
        lines = [command for line in block.splitlines() if (command := bare(line))]
        if any(map(PROGRAM.match, lines)):
            yield from lines
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from filter(PROGRAM.match, map(bare, re.findall(r"`([^`\n]+)`", prose)))


ALL = sorted({command for page in GUIDES for command in commands(page)})


def block(words: str) -> str:
    """Return the one block of all pages that has these words."""
    (found,) = (part for page in GUIDES for part in fences(page.read_text(encoding="utf-8")) if words in part)
    return found


def tables(page: Path) -> dict[str, list[list[str]]]:
    """Return the cells of each row below each heading, without the heads of the tables."""
    found: dict[str, list[list[str]]] = {}
    for part in re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        for table in re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n?)+)", part, re.MULTILINE):
            lines = (line.strip().strip("|").split("|") for line in table.splitlines())
            found.setdefault(part.partition("\n")[0], []).extend([cell.strip() for cell in line] for line in lines)
    return found
