# SPDX-License-Identifier: GPL-3.0-or-later
"""What was brought to this host: packages that came and went, and what is in a folder that nobody brought."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import make_parents

RECORD = Path("/var/lib/xmpp/packages.json")


def brought() -> set[str]:
    """Return what packages and roles have installed, and the folders that it is in."""
    files = {line for path in dpkg.INFO.glob("*.list") for line in path.read_text(encoding="utf-8").splitlines()}
    for path in tree_files.MANIFESTS.glob("*.json"):
        ours = (tree_files.read_json(path) or {"files": {}})["files"]
        files |= {*ours, *(str(parent) for file in ours for parent in Path(file).parents)}
    return files


def foreign(folders: list[str], made: list[str]) -> list[str]:
    """Return what is in folders, and neither brought nor *made* (patterns); of such a folder, its name alone."""
    known = brought()

    def found(folder: Path) -> Iterator[str]:
        for path in sorted(folder.iterdir()):
            name = str(path)
            if any(fnmatch.fnmatch(name, pattern) for pattern in made):
                continue
            if path.is_dir() and not path.is_symlink():
                if name in known or not any(path.iterdir()) or any(one.startswith(f"{name}/") for one in made):
                    yield from found(path)
                else:
                    yield f"{name}/"
            # Packages make links to what they have brought.
            elif name not in known and not (path.is_symlink() and os.path.realpath(path) in known):
                yield name

    return [name for folder in folders if os.path.isdir(folder) for name in found(Path(folder))]


def idle(units: Mapping[str, str], before: set[str]) -> dict[str, list[str]]:
    """Return which services of packages that are there did not run, and which are not enabled; before ours only."""
    there = [unit for package, unit in units.items() if package in before]
    if RECORD.exists() or not there:
        return {}

    def without(verb: str, words: tuple[str, ...]) -> list[str]:
        answers = subprocess.run(["systemctl", verb, *there], capture_output=True, text=True, check=False).stdout
        return [unit for unit, answer in zip(there, answers.split(), strict=False) if answer in words]

    found = {"stopped": without("is-active", ("inactive", "failed")), "disabled": without("is-enabled", ("disabled",))}
    return {key: ones for key, ones in found.items() if ones}


def write_down(before: set[str], after: set[str], idle_before: Mapping[str, list[str]] | None = None) -> None:
    """Add to the record what came (C(added)), what went (C(gone)), and what came and went again (C(been)).

    And, by C(idle), which services were there and not in use.
    """
    record: dict[str, list[str]] = {"added": [], "gone": [], "been": []}
    if RECORD.exists():
        record |= json.loads(RECORD.read_text(encoding="utf-8"))
    came, went = after - before, before - after
    added, gone, been = (set(record[key]) for key in ("added", "gone", "been"))
    record |= idle_before or {}
    record |= {
        "added": sorted((added | came - gone) - went),
        "gone": sorted((gone | went - added) - came),
        "been": sorted((been | went & added) - came),
    }
    make_parents(RECORD)
    RECORD.write_text(json.dumps(record, indent=1), encoding="utf-8")
    RECORD.chmod(0o644)
