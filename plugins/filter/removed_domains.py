# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domains a host would no longer serve, and who is on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: removed_domains
short_description: Domains that somebody is on and a host would no longer serve
description:
  - Compares what a host serves (C(identity) of M(host_facts)) with the domains that it is to serve from now on. A
    domain with nothing of anybody does not count.
  - Returns of each C(name), C(what) is on it in words, and C(setting), which named it.
positional: domains
options:
  _input:
    description: What M(host_facts) says of the host's identity.
    type: dict
    required: true
  domains:
    description: The domains to serve, each with its parts.
    type: list
    elements: dict
    required: true
"""


# What people have on which part of a domain, and the setting that names the part of xmpp_domain.
KINDS = {
    "accounts": ("domain", "xmpp_domain", "{} account{}"),
    "rooms": ("muc", "xmpp_muc_domain", "{} room{}"),
    "nodes": ("pubsub", "xmpp_pubsub_domain", "{} node{}"),
    "uploads": ("upload", "xmpp_upload_domain", "the links to uploaded files"),
}


def removed_domains(identity: Mapping[str, Any], domains: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return the domains that would go, as they were configured."""
    found = []
    for kind, (part, setting, words) in KINDS.items():
        for name in identity["served"].get(kind, ()):
            number = identity["population"].get(name, {}).get(kind, 0)
            if number and name not in {entry[part] for entry in domains}:
                what = words.format(number, "" if number == 1 else "s")
                found.append({"name": name, "what": what, "setting": setting})
    return found


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"removed_domains": removed_domains}
