# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles bring to a host (vars/footprint.yml), as a play with the role xmpp sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from .playbook import CHECKOUT

if AnsibleCollectionConfig.collection_finder is None:
    init_plugin_loader([str(CHECKOUT / "collections")])


def footprint(part: str, settings: dict[str, Any] | None = None, *, project: Path = CHECKOUT, role: str = "") -> Any:
    """One part of the footprint, with the default settings but for these."""
    loader = DataLoader()
    variables: dict[str, Any] = {"inventory_dir": "/nowhere", "xmpp_domain": "friends.test"}
    for file in ("defaults/main.yml", "vars/main.yml"):
        variables |= loader.load_from_file(str(CHECKOUT / "roles/xmpp" / file), trusted_as_template=True, unsafe=True)
    variables |= settings or {}
    templar = Templar(loader=loader, variables=variables)
    lookup = lookup_loader.get("conexizan.xmpp.footprint", loader=loader, templar=templar)
    (found,) = lookup.run([part], variables, project=project, role=role)
    return json.loads(json.dumps(found))  # without Ansible's tags
