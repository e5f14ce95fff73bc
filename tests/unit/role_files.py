# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a role as the module tree gets them, and its templates as a play renders them."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.conexizan.xmpp.plugins.module_utils import role_tree

from .loading import ROOT, trusted

# What host_facts says of a host that the service was never on, and that nothing speaks against.
BARE_HOST: dict[str, Any] = {
    "release": "trixie",
    "mirror": "http://mirror.test/debian",
    "has_ipv6": True,
    "acknowledged": -1,
    "beside": [],
    "links": {},
    "inside": "",
    "half_restored": False,
    "identity": {
        "foreign": [],
        "missing": [],
        "served": {},
        "population": {},
        "known_secrets": [],
        "strange_secrets": [],
    },
}


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


def rendered(settings: dict[str, Any], role: str, template: str) -> Any:
    """Return a template as a play with this role renders it."""
    variables: dict[str, Any] = {"inventory_dir": "/nowhere", "xmpp_domain": "friends.test", "ansible_managed": ""}
    for folder in ("xmpp", role):
        for file in ("defaults/main.yml", "vars/main.yml"):
            path = ROOT / "roles" / folder / file
            variables |= trusted(path) if path.exists() else {}
    return Templar(loader=DataLoader(), variables=variables | settings).template(trust_as_template(template))
