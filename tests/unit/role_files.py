# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a role as the module tree gets them, for its tests."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import role_tree


def wanted(path: Path, content: bytes = b"one\n", mode: int = 0o644) -> Any:
    """Return a file that belongs to whoever runs the tests."""
    owner, group = (pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name)
    return role_tree.File(path, content, owner, group, mode)


def install(*files: role_tree.File, validate: list[list[str]] | None = None) -> list[str]:
    """Apply a tree and return the paths it changed."""
    current = role_tree.Tree("role", list(files))
    paths: list[str] = current.paths
    if paths:
        current.apply(validate or [])
    return paths
