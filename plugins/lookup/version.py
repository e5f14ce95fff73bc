# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup ``version``: which version of this project runs here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT

DOCUMENTATION = r"""
name: version
short_description: The version of this project, with the commit if it is a clone
description:
  - Reads the files of git itself. The program may be missing, and it refuses a clone of another account, as with sudo.
  - Says the same as long as the files of the project are the same, whatever else is in the folder.
options:
  _terms: {description: None are taken.}
  project: {description: Folder of the project., type: path, default: the project of this plugin}
"""

RETURN = r"""
_raw:
  description: "One string, for example V(1.0.0) or V(1.0.0 (commit 0123456789ab))."
  type: list
"""

DIGITS = 12  # of a commit, enough to find it


def release(project: Path) -> str:
    """Return the version of the collection: of an installed one, its galaxy.yml became MANIFEST.json."""
    manifest = project / "MANIFEST.json"
    if manifest.exists():
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    return str(yaml.safe_load((project / "galaxy.yml").read_text(encoding="utf-8"))["version"])


def commit(project: Path) -> str:
    """Return the commit that a clone is at, or nothing (gitrepository-layout(5))."""
    folder = project / ".git"
    try:
        if folder.is_file():  # of a worktree, or a submodule
            folder = project / folder.read_text(encoding="utf-8").partition("gitdir: ")[2].strip()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        reference = head.removeprefix("ref: ")
        shared = folder / "commondir"
        common = folder / shared.read_text(encoding="utf-8").strip() if shared.exists() else folder
        if reference != head:
            loose = [place / reference for place in (folder, common) if (place / reference).is_file()]
            packed = common / "packed-refs"
            lines = packed.read_text(encoding="utf-8").splitlines() if packed.exists() else []
            found = [line.partition(" ")[0] for line in lines if line.partition(" ")[2] == reference]
            head = loose[0].read_text(encoding="utf-8").strip() if loose else "".join(found)
    except (OSError, UnicodeDecodeError):
        return ""
    return head if re.fullmatch("[0-9a-f]{40,64}", head) else ""


class LookupModule(Lookup):
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **options: Any) -> list[str]:
        """Return the version."""
        project = Path(options.get("project") or PROJECT)
        number = commit(project)[:DIGITS]
        return [release(project) + (f" (commit {number})" if number else "")]
