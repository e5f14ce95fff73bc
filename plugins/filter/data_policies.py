# SPDX-License-Identifier: GPL-3.0-or-later
"""What service discovery says of the data of a domain and of its parts (XEP-0504), from the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

DOCUMENTATION = r"""
name: data_policies
short_description: Data policies of a domain and its parts (XEP-0504)
description:
  - Returns one data form for the domain and for each part that stores something, each with C(module), the module of
    ejabberd that answers for it, and C(fields), a list of C(name), C(type) and C(values). Times come from the ledger.
  - What cannot be said truly of every service has no field (docs/decisions/service-discovery.md says which, and why).
positional: pages, texts, uploads_backed_up
options:
  _input:
    description: The ledger, as its lookup returns it.
    type: list
    elements: dict
    required: true
  pages:
    description: Where the pages of the web site are in the language of the texts, without a slash at the end.
    type: str
    required: true
  texts:
    description: "C(stays), C(deleted), C(deleted_backups) for the domain, C(more) for all; what people read."
    type: dict
    required: true
  uploads_backed_up:
    description: Whether the backups, if there are any, have uploads.
    type: bool
    required: true
"""

TYPES = {
    "auth_data": "list-single",
    "data_retention": "text-single",
    "data_deletion": "boolean",
    "tos": "text-single",
    "access_policy": "list-multi",
    "full_erasure": "boolean",
    "backup_frequency": "text-single",
    "backup_retention": "text-single",
    "extra_info": "text-multi",
}
NIGHTLY = "24"


def hours(days: Sequence[int | None]) -> str:
    """Return the longest of these times as XEP-0504 writes it."""
    known = [one for one in days if one is not None]
    return str(max(known) * 24) if len(known) == len(days) else "infinite"


def data_policies(
    ledger: Sequence[Mapping[str, Any]], pages: str, texts: Mapping[str, str], uploads_backed_up: bool
) -> list[dict[str, Any]]:
    """Return the forms."""
    days = {entry["name"]: entry["days"] for entry in ledger}
    backed_up = "backup" in days

    def form(module: str, kept: Sequence[str], in_backup: bool, **own: list[str]) -> dict[str, Any]:
        """Return what is said of one part, which keeps these entries of the ledger."""
        values = {
            "data_retention": [hours([days[name] for name in kept])],
            "tos": [f"{pages}/terms/"],
            "access_policy": ["admins"],
            "backup_frequency": [NIGHTLY if in_backup else "0"],
            "backup_retention": [hours([days["backup"]]) if in_backup else "0"],
            **own,
        }
        values["extra_info"] = [*own.get("extra_info", []), f"{texts['more']} {pages}/privacy/"]
        return {
            "module": module,
            "fields": [{"name": name, "type": TYPES[name], "values": values[name]} for name in TYPES if name in values],
        }

    return [
        form(
            "mod_disco",
            ["archive", "waiting"],
            backed_up,
            # SCRAM shows no password, but making an account, changing its password, and apps that use PLAIN do.
            auth_data=["plain"],
            data_deletion=["true"],
            full_erasure=["true"],
            extra_info=[texts["stays"], texts["deleted_backups" if backed_up else "deleted"]],
        ),
        form("mod_muc", ["room_archive"], backed_up, access_policy=["admins", "moderators"]),
        form("mod_pubsub", ["profile"], backed_up, data_deletion=["true"]),
        form("mod_http_upload", ["uploads"], backed_up and uploads_backed_up),
    ]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"data_policies": data_policies}
