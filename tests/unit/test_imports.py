# SPDX-License-Identifier: GPL-3.0-or-later
"""No test module is imported by another: what tests share is in tests/kit, or beside those that share it."""

from __future__ import annotations

import ast

import pytest

from .loading import ROOT


def imported(text: str) -> set[str]:
    """Return all parts of the names that a module imports, or imports from."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(alias.name for alias in node.names)]
    return {part for name in names for part in name.split(".")}


def modules_of_tests(text: str) -> set[str]:
    """Return the test modules among them."""
    return {name for name in imported(text) if name.startswith("test_")}


def test_no_test_module_is_imported_by_another() -> None:
    files = [path for folder in ("tests", "molecule") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = {str(path.relative_to(ROOT)): modules_of_tests(path.read_text(encoding="utf-8")) for path in files}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "text",
    [
        "from .test_x import y",
        "from . import test_x",
        "from ..service.test_x import y as z",
        "import tests.service.test_x",
        "def late():\n    from tests.service import test_x as x",
    ],
)
def test_import_of_a_test_module_is_found(text: str) -> None:
    assert modules_of_tests(text) == {"test_x"}
