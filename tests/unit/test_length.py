# SPDX-License-Identifier: GPL-3.0-or-later
"""A file has at most 300 lines, or says on its first lines why it has more."""

from __future__ import annotations

import subprocess

from .loading import ROOT

LINES = 300
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
