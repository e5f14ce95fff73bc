# SPDX-License-Identifier: GPL-3.0-or-later
"""Report rows that should not be in the database's tables, for people and for programs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import database_tables
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.people import START
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, WARN, Row, row

TABLES = f"{database_tables.DATABASE} table"
TOO_OLD = """systemctl status xmpp-expire.service shows why it was not deleted. If it succeeded, it is a bug in this
project: please report it."""
LEFT_OVER = """It should have been deleted, or should not be there. If you put nothing there yourself, it is a bug in
this project: please report it."""


def inside(ledger: list[dict[str, Any]]) -> tuple[int, list[database_tables.Finding]]:
    """Return how many tables there are, and what is in them that should not be; raises ApiError and sqlite3.Error."""
    ejabberd = Api(SOCKET)
    number, found = database_tables.look(
        ledger, ejabberd.call("registered_vhosts"), ejabberd.call("muc_online_rooms", service="global")
    )
    return number, found + database_tables.mnesia(ejabberd.call("mnesia_list_tables"))


def inside_or_why(ledger: list[dict[str, Any]], notes: list[Row]) -> tuple[int, list[database_tables.Finding]]:
    """Return the same; if that cannot be told, nothing, and the reason as a row among the notes."""
    try:
        return inside(ledger)
    except (ApiError, sqlite3.Error) as error:
        notes.append(row(TABLES + "s", WARN, f"cannot be read: {error}", START))
    return 0, []


def table_row(finding: database_tables.Finding) -> Row:
    """Return the row about a table."""
    advice = TOO_OLD if finding.kind == database_tables.OLD else LEFT_OVER
    return row(f"{TABLES} {finding.table}", FAIL, database_tables.words(finding), advice)


def table_find(finding: database_tables.Finding, ledger: Iterable[Mapping[str, Any]], names: bool) -> dict[str, Any]:
    """Return the same for a program."""
    return {
        "path": f"{TABLES} {finding.table}",
        "entries": [entry["name"] for entry in ledger if finding.table in entry["tables"]],
        "known": False,
        "hits": {finding.kind: finding.rows},
        "days": finding.days,
    } | ({"names": []} if names else {})


def still_there(
    before: list[database_tables.Finding], ledger: list[dict[str, Any]], notes: list[Row]
) -> list[database_tables.Finding]:
    """Return what is there at a second look: what was on its way out, such as an account being deleted, is gone now."""
    kinds = {(one.table, one.kind) for one in before}
    there, again = inside_or_why(ledger, notes)
    return [one for one in again if (one.table, one.kind) in kinds] if there else before
