# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of what is kept about persons, as a play has it."""

from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.conexizan.xmpp.plugins.lookup.ledger import LookupModule

from .loading import ROOT, trusted


def ledger(settings: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    """Return the ledger as a play with the role xmpp alone sees it."""
    loader = DataLoader()
    variables: dict[str, Any] = {"inventory_dir": "/nowhere", "xmpp_domain": "friends.test"}
    for file in ("defaults/main.yml", "vars/main.yml"):
        variables |= trusted(ROOT / "roles/xmpp" / file)
    variables |= settings
    templar = Templar(loader=loader, variables=variables)
    (entries,) = LookupModule(loader=loader, templar=templar).run([], variables, **options)
    return list(entries)
