# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Prosody stores and does not give out as XEP-0227: its rooms, who is blocked, and whose accounts it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export.prosody import accounts, blocked, rooms

DOCUMENTATION = r"""
name: prosody
short_description: Rooms and block lists of a Prosody
description:
  - Reads copies of the data folders of a Prosody's domains.
  - >-
    With the term C(rooms), returns the rooms that stay when everybody has left, each as C(address), C(xml) as
    /usr/local/lib/xmpp/xep0227 takes it, with the addresses as they were, and C(left), what of it is not taken.
  - With the term C(blocked), returns one dictionary, address of an account to a list of those whom it has blocked.
  - >-
    With the term C(accounts), returns the addresses of accounts whose passwords are in the folder, in files that are
    not read here, each as C(address), with the C(file). Of a database nothing is known but its file.
options:
  _terms: {description: What to return., choices: [rooms, blocked, accounts], required: true}
  folder: {description: The folder with the data folders in it; another file has none., type: path, required: true}
"""


class LookupModule(Lookup):
    """Returns rooms, who is blocked, or whose accounts there are."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
        """Return what the term says; raises AnsibleError."""
        folder = Path(options["folder"]).absolute()
        if terms == ["rooms"]:
            return rooms(folder)
        if terms == ["accounts"]:
            return accounts(folder)
        return [blocked(folder)]
