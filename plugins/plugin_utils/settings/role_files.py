# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of roles say about their variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

SPEC_FILE = "meta/argument_specs.yml"
ENTRY_POINT = "settings"
# Ansible has read these files already; "unsafe" means without a copy, which would take longer than all the rest.


def options_of(role: Path, loader: Any) -> dict[str, Any]:
    """Return the specification of a role's variables, by name."""
    entry_points = loader.load_from_file(str(role / SPEC_FILE), unsafe=True)["argument_specs"]
    options: dict[str, Any] = entry_points[ENTRY_POINT]["options"]
    return options


def defaults_of(role: Path, loader: Any) -> dict[str, Any]:
    """Return the defaults of a role's variables, by name."""
    return loader.load_from_file(str(role / "defaults/main.yml"), unsafe=True) or {}


def derived_of(role: Path, loader: Any) -> list[str]:
    """Return the names of what a role computes for others, as its file has them: they know where they are written."""
    file = role / "vars/main.yml"
    names = (loader.load_from_file(str(file), unsafe=True) or {}) if file.is_file() else {}
    return [name for name in names if name.startswith(f"{role.name}_derived_")]


def role_names(variables: Mapping[str, Any]) -> list[str]:
    """Return the names of the play's roles, without that of the collection which they may come from."""
    return [name.rpartition(".")[2] for name in variables.get("ansible_play_role_names", ())]
