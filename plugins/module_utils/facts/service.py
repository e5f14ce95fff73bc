# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier run has left on the host: the files of roles, what was acknowledged, and where folders really are."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files

ACKNOWLEDGED = Path("/etc/xmpp/acknowledged")


def trees() -> list[str]:
    """Return the roles that have files on this host, or had when a power cut left nothing of what they wrote down."""
    found = {path.stem: tree_files.read_json(path) for path in tree_files.MANIFESTS.glob("*.json")}
    return sorted(role for role, manifest in found.items() if manifest is None or manifest["files"])


def acknowledged(roles: list[str]) -> int:
    """Return the number of the last change of the project that the operator has acknowledged on this host."""
    if not ACKNOWLEDGED.exists():
        return 0 if roles else -1
    return int(ACKNOWLEDGED.read_text(encoding="utf-8").splitlines()[-1])


def links(folders: list[str]) -> dict[str, str]:
    """Return the symbolic links among *folders* and up to two levels below them, with the folder they lead to."""
    found = {}
    for folder in map(Path, folders):
        # Not all that people have sent, which nobody but the service writes.
        for path in [folder, *folder.glob("*"), *folder.glob("*/*")]:
            if path.is_symlink():
                found[str(path)] = "" if path.is_file() else os.readlink(path)
    return found


def inside(folder: str, places: list[str]) -> str:
    """Return which of *places* a folder is in, or is, wherever links lead; empty if in none."""
    real = Path(folder).resolve()
    return next((place for place in places if real.is_relative_to(Path(place).resolve())), "") if folder else ""
