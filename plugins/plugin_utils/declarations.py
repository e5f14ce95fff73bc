# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in which each role declares what others collect from all roles of site.yml."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

# The folder with site.yml and roles/, of a clone and of an installed collection.
PROJECT = Path(__file__).resolve().parents[2]


def read(file: Path) -> Any:
    """Return what is in a file, which is not to be changed: it is read once, also for processes forked after that."""
    about = file.stat()
    return read_as_it_is(file, about.st_mtime_ns, about.st_size)


@functools.cache
def read_as_it_is(file: Path, *_: int) -> Any:
    """Return what is in a file of that time and size."""
    # "Unsafe" is without a copy, which would take longer than all the rest.
    return DataLoader().load_from_file(str(file), unsafe=True, trusted_as_template=True)


def site_roles(project: Path) -> list[str]:
    """Return the names of the roles in the order of site.yml."""
    roles = [role for play in read(project / "site.yml") for role in play.get("roles", [])]
    return list(dict.fromkeys(role["role"] if isinstance(role, dict) else role for role in roles))


def declared(project: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Yield roles that have C(vars/NAME), with that file, in the order of site.yml.

    Raises AnsibleError for a file of a role that is not there.
    """
    order = site_roles(project)
    found = {file.parts[-3]: file for file in sorted((project / "roles").glob(f"*/vars/{name}"))}
    for role in sorted(found.keys() - set(order)):
        raise AnsibleError(f"{found[role]} is of a role that is not in site.yml, so nobody would see it. Add the role.")
    yield from ((role, found[role]) for role in order if role in found)
