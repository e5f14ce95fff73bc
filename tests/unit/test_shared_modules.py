# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs on a host share with modules: all that they import is installed, by one role, and no more."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import yaml

from .loading import ROOT

SHARED = ROOT / "plugins/module_utils"
PREFIX = "ansible_collections.conexizan.xmpp.plugins.module_utils"
# They are there before the others, whatever is switched off.
ALWAYS = ("base", "ejabberd")


def programs(role: str) -> list[Path]:
    """Return a role's Python programs, and their parts."""
    files = (path for path in (ROOT / f"roles/{role}/templates/usr/local").rglob("*") if path.is_file())
    return [path for path in files if path.suffix == ".py" or b"python" in path.read_bytes().partition(b"\n")[0]]


def imports(path: Path) -> set[str]:
    """Return the shared modules that a file imports, as paths."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            inner = (node.module or "").removeprefix(PREFIX).strip(".").replace(".", "/")
            found |= {f"{inner}.py"} if inner else {f"{alias.name}.py" for alias in node.names}
    return found


def needed(role: str) -> set[str]:
    """Return what a role's programs import, and what that imports."""
    found: set[str] = set()
    fresh = {one for path in programs(role) for one in imports(path)}
    while fresh:
        found |= fresh
        fresh = {one for name in fresh for one in imports(SHARED / name)} - found
    return found | {f"{Path(name).parent}/__init__.py" for name in found if "/" in name}


def listed(role: str) -> list[str]:
    """Return what a role installs for its programs and others."""
    path = ROOT / f"roles/{role}/vars/main.yml"
    variables = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    names: list[str] = variables.get(f"__{role}_shared", [])
    return names


ROLES = [entry["role"] for entry in yaml.safe_load((ROOT / "site.yml").read_text())[0]["roles"]]
NEEDED = {role: needed(role) for role in ROLES}
LISTED = {role: names for role in ROLES if (names := listed(role))}


def test_programs_are_found() -> None:
    """Those of coturn and dynamic_dns import a module of the role base, which imports them."""
    assert [role for role in ROLES if NEEDED[role]] == [
        "base",
        "backup",
        "certificates",
        "ejabberd",
        "metrics",
        "alerts",
    ]


def test_what_a_program_imports_is_there_before_it() -> None:
    for role, names in NEEDED.items():
        earlier = [one for one in ALWAYS if ROLES.index(one) < ROLES.index(role)]
        there = {name for one in (*earlier, role) for name in LISTED.get(one, [])}
        assert names <= there, role


def test_each_file_belongs_to_one_role_and_is_imported() -> None:
    counted = Counter(name for names in LISTED.values() for name in names)
    assert set(counted.values()) == {1}
    assert set(counted) == {name for names in NEEDED.values() for name in names}


def test_lists_are_given_to_tree() -> None:
    for role in LISTED:
        tasks = (ROOT / f"roles/{role}/tasks/main.yml").read_text(encoding="utf-8")
        assert tasks.count("conexizan.xmpp.tree:") == tasks.count(f'shared: "{{{{ __{role}_shared }}}}"'), role


def test_lists_are_sorted() -> None:
    assert {role: sorted(names) for role, names in LISTED.items()} == LISTED
