# SPDX-License-Identifier: GPL-3.0-or-later
"""No test module is imported by another, nor another folder's conftest: what tests share is in tests/kit."""

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


def foreign_conftests(text: str) -> list[str]:
    """Return the imports of a conftest that is not beside the module."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom) and "conftest" in imported(ast.unparse(node))
        if not (isinstance(node, ast.ImportFrom) and node.level == 1 and node.module in (None, "conftest"))
    ]


FILES = [path for folder in ("tests", "molecule") for path in sorted((ROOT / folder).rglob("*.py"))]
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in FILES}


def test_no_test_module_is_imported_by_another() -> None:
    assert len(TEXTS) > 100
    assert {path: names for path, text in TEXTS.items() if (names := modules_of_tests(text))} == {}


def test_no_conftest_is_imported_from_another_folder() -> None:
    assert any("from .conftest import" in text for text in TEXTS.values())
    assert {path: names for path, text in TEXTS.items() if (names := foreign_conftests(text))} == {}


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


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("from .conftest import DOORS", False),
        ("from . import conftest", False),
        ("from ..service.conftest import register as register", True),
        ("from ..service import conftest", True),
        ("from .. import conftest", True),
        ("from tests.service.conftest import register", True),
        ("import tests.service.conftest", True),
    ],
)
def test_import_of_a_conftest_is_found(text: str, foreign: bool) -> None:
    assert foreign_conftests(text) == [text] * foreign
