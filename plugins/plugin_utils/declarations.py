# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in which each role declares what others collect from all roles of site.yml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError

# The folder with site.yml and roles/, of a clone and of an installed collection.
PROJECT = Path(__file__).resolve().parents[2]


def site_roles(project: Path, loader: Any) -> list[str]:
    """Return the names of the roles in the order of site.yml."""
    # Read only, so no copy is needed, which would take longer than all the rest.
    plays = loader.load_from_file(str(project / "site.yml"), unsafe=True)
    roles = [role for play in plays for role in play.get("roles", [])]
    return list(dict.fromkeys(role["role"] if isinstance(role, dict) else role for role in roles))


def declared(project: Path, name: str, loader: Any) -> Iterator[tuple[str, Path]]:
    """Yield roles that have C(vars/NAME), with that file, in the order of site.yml.

    Raises AnsibleError for a file of a role that is not there.
    """
    order = site_roles(project, loader)
    found = {file.parts[-3]: file for file in sorted((project / "roles").glob(f"*/vars/{name}"))}
    for role in sorted(found.keys() - set(order)):
        raise AnsibleError(f"{found[role]} is of a role that is not in site.yml, so nobody would see it. Add the role.")
    yield from ((role, found[role]) for role in order if role in found)
