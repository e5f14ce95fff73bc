# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup ``setting``: how the operator of this host writes a setting, and where, for the advice in a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import places_of, written_for

DOCUMENTATION = r"""
name: setting
short_description: A setting as the operator of the host writes it
description:
  - Messages advise settings. What is right in a file of YAML is a string in an INI inventory, and nothing on the
    command line, so the advice is in the format of the place where the setting is. If it has none yet, that is the file
    of the inventory. An inventory that is a program, or a host named on the command line, gets YAML.
  - Needs the role C(xmpp) in the play. Its own errors, of the front door, are in the same formats.
options:
  _terms:
    description: Names of settings, each with the value to advise.
    type: list
    elements: dict
    required: true
"""

RETURN = r"""
_raw:
  description: >-
    For each setting a dictionary with C(line), for example V(xmpp_calls: false) or V(xmpp_calls=False), and C(place),
    which is a file, mostly with the number of the line, or the command line.
  type: list
  elements: dict
"""


class LookupModule(Lookup):
    """The lookup."""

    def run(
        self, terms: list[Mapping[str, Any]], variables: Mapping[str, Any] | None = None, **_: Any
    ) -> list[dict[str, str]]:
        """Return place and line of each setting."""
        places = places_of(variables or {}, self._loader)
        written = written_for(places)
        return [
            {"place": places.find((name,)), "line": written(name, value)}
            for settings in terms
            for name, value in settings.items()
        ]
