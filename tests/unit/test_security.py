# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security.md against the tests: each attack that it lists is tried, and each number in it stands in that test."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .loading import ROOT

TESTS = ROOT / "tests"
MODULES = ROOT / "roles/ejabberd/templates/usr/local/lib/xmpp/modules"
# What says without a number that nothing came of it.
NONE = re.compile(r"\b(refused|nothing|nobody|ends?|only|dropped)\b")
# Digits that count nothing: names of standards, algorithms and networks.
NAMES = re.compile(r"XEP-\d+|SHA-\d+|IPv[46]|/64|\]\([^)]*\)|`[^`]*`")
NUMBER = re.compile(r"\d+(?:,\d{3})*")
# How limits are told that fill up again, and the seconds that this takes.
RATE = re.compile(r"(\d+)(?=[^;,|]*\bat once\b)[^;|]*?, then one (a second|a minute|in ten minutes)")
SECONDS = {"a second": 1, "a minute": 60, "in ten minutes": 600}


class Line(NamedTuple):
    """A line of the table."""

    attack: str
    outcome: str
    files: list[str]


def table() -> Iterator[Line]:
    """Yield the lines of the table."""
    for line in (ROOT / "docs/security.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("| attack |"):
            attack, outcome, files = line.removeprefix("| ").removesuffix(" |").split(" | ")
            yield Line(attack, outcome, re.findall("`([^`]+)`", files))


LINES = {line.attack: line for line in table()}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def marks(function: ast.AST) -> list[str]:
    """Return the attacks that a test is marked with."""
    return [
        argument.value
        for decorator in getattr(function, "decorator_list", [])
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.attack"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in parsed(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


# Attack to the tests that are marked with it.
MARKED: dict[str, list[tuple[Path, str]]] = {}
for _path in sorted(TESTS.rglob("test_*.py")):
    for _function in functions(_path):
        for _attack in marks(_function):
            MARKED.setdefault(_attack, []).append((_path, _function.name))


def files_of(name: str) -> list[Path]:
    """Return what the table calls `service/test_x`, or the files of a folder, such as `host/ejabberd`."""
    folder = TESTS / name
    return sorted(folder.glob("test_*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def definitions(path: Path) -> dict[str, ast.AST]:
    """Return what a module defines or imports from one beside it, by name."""
    found: dict[str, ast.AST] = {}
    for node in parsed(path).body:
        if isinstance(node, ast.Assign):
            found |= {
                name.id: node for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.ImportFrom) and node.level and node.module:
            found |= {alias.name: node for alias in node.names}
    return found


def numbers(path: Path, name: str) -> set[float]:
    """Return the numbers in a function, in what it uses by name, and in fixtures that are always used."""
    seen: set[tuple[Path, str]] = set()
    found: set[float] = set()

    def visit(path: Path, name: str) -> None:
        if (path, name) in seen:
            return
        seen.add((path, name))
        known = definitions(path)
        node = known.get(name)
        if node is None:
            return
        if isinstance(node, ast.ImportFrom):
            source = path.parents[node.level - 1] / f"{str(node.module).replace('.', '/')}.py"
            if source.exists():
                visit(source, name)
            return
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, int | float):
                found.add(float(part.value))
            elif isinstance(part, ast.Name):
                visit(path, part.id)
            elif isinstance(part, ast.arg) and part.arg in known:
                visit(path, part.arg)

    visit(path, name)
    for function in functions(path):
        if any("autouse=True" in ast.unparse(decorator) for decorator in function.decorator_list):
            visit(path, function.name)
    conftest = path.with_name("conftest.py")
    wanted = {argument.arg for function in functions(path) if function.name == name for argument in function.args.args}
    for fixture in wanted & set(definitions(conftest) if conftest.exists() else {}):
        visit(conftest, fixture)
    return found


@functools.cache
def limits() -> set[tuple[int, int]]:
    """Return what our modules let through at once, and the seconds until one more."""
    found = set()
    for path in MODULES.glob("*.erl"):
        text = path.read_text(encoding="utf-8")
        found |= {(int(one), int(each)) for one, each in re.findall(r"-define\(\w+, \{(\d+), (\d+)\}\)", text)}
        pair = [re.search(rf"-define\({name}, (\d+)\)", text) for name in ("AT_ONCE", "EACH")]
        if pair[0] and pair[1]:
            found.add((int(pair[0][1]), int(pair[1][1])))
    assert len(found) > 5
    return found


def test_table_is_read() -> None:
    assert len(LINES) > 30
    assert len(LINES) == len(list(table())), "an attack is listed twice"


@pytest.mark.parametrize("attack", LINES)
def test_attack_is_tried_by_a_test(attack: str) -> None:
    """In each file that the line names, and in no other."""
    named = [files_of(name) for name in LINES[attack].files]
    assert named
    there = {path for path, _ in MARKED.get(attack, [])}
    for paths in named:
        assert there & set(paths), f'no test in {paths[0].name} has the mark @pytest.mark.attack("{attack}")'
    assert there <= {path for paths in named for path in paths}, "a test that the table does not name has its mark"


@pytest.mark.parametrize("attack", LINES)
def test_each_number_is_one_of_the_test(attack: str) -> None:
    line = LINES[attack]
    text = NAMES.sub("", f"{line.attack}; {line.outcome}")
    told = {float(number.replace(",", "")) for number in NUMBER.findall(text)}
    assert told or NONE.search(line.outcome), "neither a number, nor that nothing came of it"
    assert told - {number for path, name in MARKED[attack] for number in numbers(path, name)} == set()
    for at_once, each in RATE.findall(text):
        assert (int(at_once), SECONDS[each]) in limits()


def test_every_mark_is_of_a_line() -> None:
    assert set(MARKED) - set(LINES) == set()


def test_every_attack_of_the_second_host_is_listed() -> None:
    unlisted = [
        f"{path.name}: {function.name}"
        for path in sorted((TESTS / "attack").glob("test_*.py"))
        for function in functions(path)
        if function.name.startswith("test_") and not marks(function)
    ]
    assert unlisted == []
