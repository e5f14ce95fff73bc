# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the names of a domain's parts (rooms, file store, …)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError


def named_like(domain: str, example: Mapping[str, str]) -> dict[str, str]:
    """Return *example* with its domain replaced by *domain*; raises AnsibleFilterError for a name outside of it.

    The key ``host`` becomes *domain* itself: a domain is its own web address unless somebody said otherwise.
    """
    old = example["domain"]
    names = {"domain": domain, "host": domain}
    for part, name in example.items():
        if part in names:
            continue
        if not name.endswith(f".{old}"):
            raise AnsibleFilterError(f"{name} is not below {old}, so the name for {domain} cannot be told")
        names[part] = name.removesuffix(old) + domain
    return names


def certificate_names(parts: Mapping[str, str], further: Mapping[str, list[str]]) -> list[str]:
    """Return the names that a domain's certificate must have, the domain first; *further* has more by domain."""
    return list(dict.fromkeys([*parts.values(), *further.get(parts["domain"], [])]))


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"named_like": named_like, "certificate_names": certificate_names}
