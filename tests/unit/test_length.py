# SPDX-License-Identifier: GPL-3.0-or-later
"""A file has at most 300 lines, a plugin 150 beside its documentation, or says on its first lines why it has more."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

from .loading import ROOT

LINES = 300
PLUGIN_LINES = 150
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
FIRST = 16
# Written by programs, by others, or read as a list.
OTHERS = ("LICENSE", "CHANGELOG.md", "docs/settings.md", "docs/privacy.md", "tests/browser/package-lock.json")


def test_long_files_have_a_reason() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    long = {}
    names = tracked.split("\0")
    assert len(names) > 500
    for name in names:
        path = ROOT / name
        if not name or name in OTHERS or path.is_symlink() or not path.is_file() or path.suffix in (".png", ".svg"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LINES and f"ore than {LINES} lines" not in "\n".join(lines[:FIRST]):
            long[name] = len(lines)
    assert long == {}


def lines_without_documentation(path: Path) -> int:
    """Return the lines of a plugin, without what ansible-doc prints."""
    text = path.read_text(encoding="utf-8")
    documented = sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and {getattr(target, "id", "") for target in node.targets} & DOCUMENTATION
    )
    return len(text.splitlines()) - documented


def test_long_plugins_have_a_reason() -> None:
    """What several plugins need is in module_utils or plugin_utils."""
    plugins = [path for path in (ROOT / "plugins").glob("*/*.py") if not path.parent.name.endswith("_utils")]
    assert len(plugins) > 30
    long = {path for path in plugins if lines_without_documentation(path) > PLUGIN_LINES}
    reasons = {
        path for path in plugins if f"More than {PLUGIN_LINES} lines: " in path.read_text(encoding="utf-8")[:400]
    }
    assert long == reasons
