# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting as the operator would write it: for advice that other parts than the front door give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible import context
from ansible.utils.vars import load_extra_vars
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import in_notation, yaml_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Places

AsWritten = Callable[[str, Any], str]  # name and value of a setting to its line


def places_of(variables: Mapping[str, Any], loader: Any) -> Places:
    """Return what finds the places of a host's settings, outside of the role that has them."""
    defaults = PROJECT / "roles/xmpp/defaults"
    return Places(variables, defaults, load_extra_vars(loader), context.CLIARGS.get("extra_vars", ()))


def written_for(places: Places) -> AsWritten:
    """Return what writes a setting in the format of the place where it is, or belongs."""
    return lambda name, value: in_notation(yaml_line(name, value), places.notation((name,)))
