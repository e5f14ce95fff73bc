# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that list what the project has: what they list is what is there, all of it, and in its order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from ..kit.documentation import tables
from .loading import ROOT

DECISIONS = ROOT / "docs/decisions"


# ------------------------------------------------------------------ contents
def test_contents_have_every_page() -> None:
    """Each with what is in it; README leads there."""
    contents = ROOT / "docs/README.md"
    lines = [row for table in tables(contents).values() for row in table]
    assert all(re.fullmatch(r"\[[^]]+\]\([^)]+\)", link) and words for link, words in lines)
    listed = {link.partition("](")[2].rstrip(")").partition("#")[0] for link, _ in lines}
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {contents.name}
    assert listed == pages | {"decisions/README.md", "../CHANGELOG.md", "../CONTRIBUTING.md"}
    assert "(docs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


# ------------------------------------------------------------------ README
REASONS = [row for row in tables(ROOT / "README.md")["Conexizan"] if row[0].startswith("**")]


def test_readme_has_six_reasons() -> None:
    assert len(REASONS) == 6


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row[0])
def test_figure_of_a_reason_is_on_its_page(row: list[str]) -> None:
    """The number of attacks is that of the rows in docs/security.md."""
    _, reason = row
    (link,) = re.findall(r"\]\(([\w/.-]+\.md)[#)]", reason)
    page = ROOT / link
    attacks = tables(page).get("Attacks", [])
    text = page.read_text(encoding="utf-8") + f" {len(attacks)} "
    said = re.sub(r"\]\([^)]*\)", "", reason)
    assert [number for number in re.findall(r"\d[\d.,]*\d|\d", said) if number not in text] == []


# ------------------------------------------------------------------ decisions
DECIDED = [row for table in tables(DECISIONS / "README.md").values() for row in table]


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


# ------------------------------------------------------------------ glossary
def test_glossary_is_sorted_and_says_each_word_once() -> None:
    lists = [[row[0].strip("*").lower() for row in table] for table in tables(ROOT / "docs/glossary.md").values()]
    assert len(lists) == 2
    assert lists == [sorted(set(terms)) for terms in lists]


# ------------------------------------------------------------------ architecture
ARCHITECTURE = ROOT / "docs/architecture.md"
PICTURE = ROOT / "docs/architecture.svg"
ROLES = [role["role"] for role in yaml.safe_load((ROOT / "site.yml").read_text(encoding="utf-8"))[0]["roles"]]
TABLES = tables(ARCHITECTURE)


def words(cell: str) -> list[str]:
    """Return the names of roles in a cell, outside of code."""
    return [word for word in re.findall(r"\w+", re.sub(r"`[^`]*`", "", cell)) if word in ROLES]


def paths(cell: str) -> list[str]:
    """Return the paths on a host that a cell names."""
    return re.findall(r"`(/[^`]+)`", cell)


def fillers(folder: str) -> list[str]:
    """Return the roles that have files for a folder of the host."""
    return sorted(role for role in ROLES if any((ROOT / "roles" / role / "templates" / folder.lstrip("/")).glob("*")))


def mentions(role: str, path: str) -> bool:
    """Whether a role has something for a path of the host, or names it."""
    folder = ROOT / "roles" / role
    inside = folder / "templates" / path.lstrip("/")
    if inside.exists() or inside.with_name(inside.name + ".j2").exists():
        return True
    texts = [file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.is_file()]
    return any(path in text for text in texts)


def test_roles_are_described_in_the_order_of_a_run() -> None:
    assert [(number, role) for number, role, _ in TABLES["The order of a run"]] == [
        (str(number), role) for number, role in enumerate(ROLES, 1)
    ]


def test_picture_shows_the_roles_in_the_order_of_a_run() -> None:
    """It is drawn once, loads nothing, and has colours for both kinds of background."""
    text = PICTURE.read_text(encoding="utf-8")
    shown = [
        " ".join(element.itertext()) for element in ElementTree.fromstring(text).iter() if element.tag[-5:] == "}text"
    ]
    assert [found[2] for line in shown if (found := re.match(r"(\d+) (\w+)", line)) and found[2] in ROLES] == ROLES
    assert [found[1] for line in shown if (found := re.match(r"(\d+) (\w+)", line)) and found[2] in ROLES] == [
        str(number) for number in range(1, len(ROLES) + 1)
    ]
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(href|src)=|url\((?!#)|@import|<script", text)
    assert f"({PICTURE.name})" in ARCHITECTURE.read_text(encoding="utf-8")


def test_every_drop_in_folder_is_listed_with_who_fills_it() -> None:
    """Folders that roles read by a pattern: those of the project, below /etc/xmpp and /etc/nginx."""
    found = {
        f"/etc/{top}/{folder.name}"
        for top in ("xmpp", "nginx")
        for folder in ROOT.glob(f"roles/*/templates/etc/{top}/*.d")
    }
    listed = {paths(folder)[0]: sorted(words(filled)) for folder, filled, *_ in TABLES["Drop-in folders"][:6]}
    assert listed == {folder: fillers(folder) for folder in found}
    picture = " ".join(ElementTree.fromstring(PICTURE.read_text(encoding="utf-8")).itertext())
    assert [folder for folder in found if folder.rpartition("/")[2] not in picture] == []


@pytest.mark.parametrize(
    ("folder", "role"),
    [
        (folder, role)
        for cell, filled, *_ in TABLES["Drop-in folders"][6:]
        for folder in paths(cell)
        for role in words(filled)
    ],
)
def test_role_fills_the_folder(folder: str, role: str) -> None:
    assert mentions(role, folder)


@pytest.mark.parametrize(
    ("path", "owner"),
    [(path, owner) for cell, owner, _ in TABLES["Who owns which folder"] for path in paths(cell)],
)
def test_owner_of_a_folder_knows_it(path: str, owner: str) -> None:
    if module := re.fullmatch(r"the module `(\w+)`", owner):
        known = [ROOT / f"plugins/modules/{module[1]}.py", *ROOT.glob("plugins/module_utils/**/*.py")]
        assert any(path in file.read_text(encoding="utf-8") for file in known)
        assert known[0].exists()
    else:
        assert mentions(owner, path)


# ------------------------------------------------------------------ troubleshooting
def spoken() -> str:
    """Return what roles, playbooks and plugins say, as it is printed: on one line, and in one piece."""
    files = [
        file for folder in ("roles", "playbooks", "plugins") for file in (ROOT / folder).rglob("*") if file.is_file()
    ]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    joined = re.sub(r"""(["'])\s*\n\s*f?\1""", "", "\n".join(texts))
    return " ".join(joined.split())


SPOKEN = spoken()
MESSAGES = [
    (message, part)
    for table in tables(ROOT / "docs/troubleshooting.md").values()
    for row in table
    for message in re.findall(r"`([^`]*[a-z] [^`]*)`", f"{row[0]} {row[1]}")
    if not message.startswith(("playbooks/", "journalctl ", "systemctl ", "xmpp_certificates:"))
    for part in re.split(r"…", message)
    if part.strip(" ,")
]


@pytest.mark.parametrize(("message", "part"), MESSAGES)
def test_message_is_one_of_the_project(message: str, part: str) -> None:
    assert part.strip(" ,") in SPOKEN


# ------------------------------------------------------------------ upgrading
def test_one_notes_a_version_and_goes_back_to_it(tmp_path: Path) -> None:
    """With git, as docs/upgrading.md has one type it, in a repository of two commits."""
    page = (ROOT / "docs/upgrading.md").read_text(encoding="utf-8")

    def told(command: str, **words: str) -> str:
        assert command in page
        for word, value in words.items():
            command = command.replace(word, value)
        return git(*command.removeprefix("git ").split())

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@friends.example"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message=old")
    before = told("git rev-parse HEAD")
    git("commit", "--quiet", "--allow-empty", "--message=new")
    told("git checkout COMMIT", COMMIT=before)
    assert git("log", "-1", "--format=%s") == "old"
    told("git switch -")
    assert git("log", "-1", "--format=%s") == "new"


# ------------------------------------------------------------------ contributing
def test_changes_for_a_new_setting_apply() -> None:
    """tests/contributing applies them and runs what the page says."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    patch = "".join(re.findall(r"^```diff\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert patch.count("\n+++ b/") == 5
    done = subprocess.run(
        ["git", "apply", "--check", "-"], cwd=ROOT, input=patch, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
