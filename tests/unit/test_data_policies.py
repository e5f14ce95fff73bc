# SPDX-License-Identifier: GPL-3.0-or-later
"""What service discovery says of data (XEP-0504), from the ledger."""

from __future__ import annotations

from typing import Any

from ansible_collections.conexizan.xmpp.plugins.filter.data_policies import data_policies

TEXTS = {"stays": "S.", "deleted": "D.", "deleted_backups": "B.", "more": "M:"}
DAYS: dict[str, int | None] = {"archive": 5, "waiting": 7, "room_archive": 3, "uploads": 2, "profile": None}


def policies(days: dict[str, int | None], uploads: bool = True) -> dict[str, dict[str, list[str]]]:
    """Return the values of each field, by module."""
    ledger: list[dict[str, Any]] = [{"name": name, "days": kept} for name, kept in days.items()]
    return {
        form["module"]: {field["name"]: field["values"] for field in form["fields"]}
        for form in data_policies(ledger, "https://a.test/en", TEXTS, uploads)
    }


def test_hours_are_the_longest_of_the_ledger() -> None:
    kept = {module: fields["data_retention"] for module, fields in policies(DAYS).items()}
    assert kept == {"mod_disco": ["168"], "mod_muc": ["72"], "mod_pubsub": ["infinite"], "mod_http_upload": ["48"]}


def test_without_backups_there_are_none() -> None:
    for fields in policies(DAYS).values():
        assert (fields["backup_frequency"], fields["backup_retention"]) == (["0"], ["0"])
    assert policies(DAYS)["mod_disco"]["extra_info"] == ["S.", "D.", "M: https://a.test/en/privacy/"]


def test_backups_are_those_that_hold_it() -> None:
    told = policies(DAYS | {"backup": 9}, uploads=False)
    assert {module: fields["backup_retention"] for module, fields in told.items()} == {
        "mod_disco": ["216"], "mod_muc": ["216"], "mod_pubsub": ["216"], "mod_http_upload": ["0"],
    }  # fmt: skip
    assert told["mod_disco"]["extra_info"][1] == "B."


def test_nothing_is_claimed_that_is_not_known() -> None:
    """Whether the disk is encrypted, no setting says; not all can be exported; no gateway sends to other networks."""
    for fields in policies(DAYS).values():
        assert not {"encryption_at_rest", "data_export", "data_transmission", "encryption_algorithm"} & set(fields)
    assert {module for module, fields in policies(DAYS).items() if "full_erasure" in fields} == {"mod_disco"}
