# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608  (names of tables and columns are those of this file, or quoted; SQLite takes them as no parameters)
"""Check the tables of ejabberd's database: expired rows, rows without an owner, tables missing in the ledger.

Reads only, by a connection of its own beside ejabberd's, which in write-ahead mode holds up nobody
(docs/decisions/backup.md). Each statement is short: it goes by an index where a table can be large.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DATABASE = Path("/var/lib/ejabberd/xmpp.db")
DAY = 86400
LATE = 2 * 3600  # seconds: xmpp-expire.timer runs once an hour
WAIT = 5  # seconds for a lock; there is one for a moment after a crash
# The server's own tables: they hold no personal data.
NOBODYS = {"route", "schema_version", "sqlite_sequence", "sqlite_stat1"}

MICROSECONDS, TEXT, END = "microseconds", "text", "end"
# Since when a row is there, or until when it may be. (Not of caps_features: as long as somebody's session goes by it.)
AGES = {
    "archive": ("timestamp", MICROSECONDS),
    "auth_fast_tokens": ("expires", END),  # a new token may take the row of an old one, with its created_at
    "invite_token": ("created_at", TEXT),
    "push_session": ("timestamp", MICROSECONDS),
    "spool": ("created_at", TEXT),
    "open_reports": ("day", TEXT),
    "waiting_accounts": ("day", TEXT),
}
# Whose a row is: the columns with the domain and the name. In the archive, the name can be a room's address.
ACCOUNTS = {"vcard_search": ("server_host", "lusername")} | dict.fromkeys((
    "archive", "archive_prefs", "auth_fast_tokens", "invite_token", "privacy_default_list", "privacy_list",
    "private_storage", "push_session", "roster_version", "rostergroups", "rosterusers", "spool", "vcard",
    "waiting_accounts",
), ("server_host", "username"))  # fmt: skip
# The same as one address, with or without a resource. One of another server is nobody's here to know.
ADDRESSES = [
    ("muc_registered", "host"),
    ("muc_registered", "jid"),
    ("muc_room_subscribers", "jid"),
    ("pubsub_item", "publisher"),
    ("pubsub_node", "host"),
    ("pubsub_node_owner", "owner"),
    ("pubsub_state", "jid"),
    ("open_reports", "about"),
    ("open_reports", "reporter"),
]
# What belongs to a row of another table: the column, that table, and its column.
PARENTS = {
    "privacy_list_data": ("id", "privacy_list", "id"),
    "pubsub_item": ("nodeid", "pubsub_node", "nodeid"),
    "pubsub_node_option": ("nodeid", "pubsub_node", "nodeid"),
    "pubsub_node_owner": ("nodeid", "pubsub_node", "nodeid"),
    "pubsub_state": ("nodeid", "pubsub_node", "nodeid"),
}
ROOMS = {"muc_room_subscribers": ("host", "room")}
# Nothing to be checked: accounts and rooms themselves, and addresses that stay although they are gone (see the ledger).
BY_THEMSELVES = {"caps_features", "muc_room", "pubsub_subscription_opt", "sr_group", "sr_user", "users"}

OLD, GONE_ACCOUNT, GONE_ROOM, GONE_PARENT, UNNAMED = "old", "account", "room", "parent", "unnamed"
MNESIA, LEFT = "mnesia", "left"
IN_MEMORY = "RAM copy"
# Of Mnesia itself: names of tables, and of transactions that are under way.
MNESIAS = {"schema.DAT", "DECISION_TAB.LOG", "LATEST.LOG", "PREVIOUS.LOG"}


@dataclass(frozen=True)
class Finding:
    """Something in a table: how many rows, and since how many days the oldest is there, if that can be told."""

    table: str
    kind: str
    rows: int
    days: int | None = None
    limit: int | None = None


def opened(path: Path = DATABASE) -> contextlib.closing[sqlite3.Connection]:
    """Return a connection that can only read."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=WAIT, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return contextlib.closing(connection)


class Tables:
    """The tables of a database, and which accounts and rooms there are."""

    def __init__(
        self,
        database: sqlite3.Connection,
        limits: Mapping[str, int | None],
        domains: Sequence[str],
        online: Sequence[str],
    ) -> None:
        """Take the days of each table, the domains of accounts, and the rooms that are online by their addresses."""
        self.database, self.limits, self.domains, self.online = database, limits, set(domains), set(online)
        self.now = time.time()
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.names = {name for (name,) in names}

    def accounts(self) -> set[tuple[str, str]]:
        """Return domain and name of each account."""
        return set(self.database.execute("SELECT DISTINCT server_host, username FROM users"))

    def rooms(self) -> set[str]:
        """Return the address of each room."""
        stored = self.database.execute("SELECT name || '@' || host FROM muc_room") if "muc_room" in self.names else ()
        return self.online | {address for (address,) in stored}

    def has_index(self, table: str, columns: Sequence[str]) -> bool:
        """Tell whether an index of a table begins with these columns."""
        indexes = [name for _, name, *_ in self.database.execute(f"PRAGMA index_list({table})")]
        for index in indexes:
            parts = [row[2] for row in self.database.execute(f'PRAGMA index_info("{index}")')]
            if parts[: len(columns)] == list(columns):
                return True
        return False

    def distinct(self, table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Yield what stands in these columns, each once. By an index, it goes from one to the next, not row by row."""
        named = ", ".join(columns)
        if not self.has_index(table, columns):
            yield from self.database.execute(f"SELECT DISTINCT {named} FROM {table}")
            return
        # Not WHERE (one, other) > (?, ?): for that, SQLite reads all rows that are equal.
        after = [
            f"SELECT {named} FROM {table} WHERE {''.join(f'{same} = ? AND ' for same in columns[:kept])}"
            f"{columns[kept]} > ? ORDER BY {named} LIMIT 1"
            for kept in reversed(range(len(columns)))
        ]
        found = self.database.execute(f"SELECT {named} FROM {table} ORDER BY {named} LIMIT 1").fetchone()
        while found:
            yield found
            last, found = found, None
            for less, statement in enumerate(after):
                found = found or self.database.execute(statement, last[: len(columns) - less]).fetchone()

    def count(self, table: str, where: str, values: Sequence[Any] = ()) -> tuple[int, float | None]:
        """Return how many rows there are of a kind, and since when the oldest is there."""
        column, unit = AGES.get(table, ("", ""))
        oldest = f"min({column})" if column else "NULL"
        rows, since = self.database.execute(f"SELECT count(*), {oldest} FROM {table} WHERE {where}", values).fetchone()
        return rows, moment(since, unit, self.limits.get(table))

    def days(self, since: float | None) -> int | None:
        """Return for how many whole days something is there."""
        return None if since is None else max(0, int((self.now - since) // DAY))

    def old(self) -> Iterator[Finding]:
        """Yield what is older than its table's days."""
        for table in sorted(AGES.keys() & self.names):
            limit = self.limits.get(table)
            if limit is None:
                continue
            column, unit = AGES[table]
            before = self.now - LATE - (0 if unit == END else limit * DAY)
            value: Any = int(before * 1_000_000)
            if unit != MICROSECONDS:
                value = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%d %H:%M:%S")
            # The archive's index by time is one for each domain.
            domains = [one for (one,) in self.distinct(table, "server_host")]
            found = [self.count(table, f"server_host = ? AND {column} < ?", (one, value)) for one in domains]
            yield from self.finding(table, OLD, found, limit)

    def finding(
        self, table: str, kind: str, found: Sequence[tuple[int, float | None]], limit: int | None = None
    ) -> Iterator[Finding]:
        """Yield one finding of what was counted in several turns, if it was anything."""
        if rows := sum(number for number, _ in found):
            oldest = min((since for _, since in found if since is not None), default=None)
            yield Finding(table, kind, rows, self.days(oldest), limit)

    def gone(self) -> Iterator[Finding]:
        """Yield what is of accounts and rooms that are no more, or belongs to a row that is no more."""
        counted: dict[tuple[str, str], list[tuple[int, float | None]]] = {}
        # Owners first: who comes meanwhile is among the accounts.
        owners = {table: list(self.distinct(table, *ACCOUNTS[table])) for table in ACCOUNTS.keys() & self.names}
        addresses = {
            (table, column): [one for (one,) in self.distinct(table, column)]
            for table, column in ADDRESSES
            if table in self.names
        }
        rooms_of = {table: list(self.distinct(table, *ROOMS[table])) for table in ROOMS.keys() & self.names}
        accounts, rooms = self.accounts(), self.rooms()
        for table, found in owners.items():
            domain, name = ACCOUNTS[table]
            for owner in found:
                room = "@" in owner[1]
                # Without a name: the domain itself, for example with an invitation by the operator.
                if owner[1] and (owner[1] not in rooms if room else owner not in accounts):
                    kind = GONE_ROOM if room else GONE_ACCOUNT
                    counted.setdefault((table, kind), []).append(
                        self.count(table, f"{domain} = ? AND {name} = ?", owner)
                    )
        for (table, column), written in addresses.items():
            for address in written:
                name, _, domain = address.partition("/")[0].rpartition("@")
                if not name:
                    continue
                kind = GONE_ACCOUNT if domain in self.domains else GONE_ROOM
                gone = (domain, name) not in accounts if kind == GONE_ACCOUNT else f"{name}@{domain}" not in rooms
                # What is no domain of accounts can be a service with rooms, or another server.
                if gone and (kind == GONE_ACCOUNT or (table, column) == ("muc_registered", "host")):
                    counted.setdefault((table, kind), []).append(self.count(table, f"{column} = ?", (address,)))
        for table, found in rooms_of.items():
            host, name = ROOMS[table]
            for owner in found:
                if f"{owner[1]}@{owner[0]}" not in rooms:
                    counted.setdefault((table, GONE_ROOM), []).append(
                        self.count(table, f"{host} = ? AND {name} = ?", owner)
                    )
        for table, (column, parent, key) in PARENTS.items():
            if {table, parent} <= self.names:
                orphan = f"NOT EXISTS (SELECT 1 FROM {parent} WHERE {parent}.{key} = {table}.{column})"
                counted[table, GONE_PARENT] = [self.count(table, orphan)]
        for (table, kind), numbers in sorted(counted.items()):
            yield from self.finding(table, kind, numbers)

    def unnamed(self) -> Iterator[Finding]:
        """Yield the tables with something in them that no entry names."""
        for table in sorted(self.names - self.limits.keys() - NOBODYS):
            quoted = '"' + table.replace('"', '""') + '"'
            rows = self.database.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]
            if rows:
                yield Finding(table, UNNAMED, rows)


def moment(value: Any, unit: str, limit: int | None) -> float | None:
    """Return since when a row is there, in seconds since 1970."""
    if value is None or (unit == END and limit is None):
        return None
    if unit == MICROSECONDS:
        return float(value) / 1_000_000
    written = datetime.fromisoformat(str(value)).replace(tzinfo=UTC).timestamp()
    return written - (limit or 0) * DAY if unit == END else written


def limits_of(ledger: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Return table to days of the entries that name it; None where one of them has no end."""
    found: dict[str, list[int | None]] = {}
    for entry in ledger:
        for table in entry["tables"]:
            found.setdefault(table, []).append(entry["days"])
    return {
        table: None if None in days else max(day for day in days if day is not None) for table, days in found.items()
    }


def look(
    ledger: Sequence[Mapping[str, Any]], domains: Sequence[str], online: Sequence[str], path: Path = DATABASE
) -> tuple[int, list[Finding]]:
    """Return how many tables there are, and what is in them that should not be; raises sqlite3.Error."""
    limits = limits_of(ledger)
    with opened(path) as database:
        tables = Tables(database, limits, domains, online)
        return len(tables.names), [*tables.old(), *tables.gone(), *tables.unnamed()]


def mnesia(tables: Sequence[Mapping[str, Any]], folder: Path = DATABASE.parent) -> list[Finding]:
    """Return what is in tables that Mnesia keeps on disk, as the running server lists them, and files of others."""
    live = {str(table["name"]): table for table in tables if table["storage_type"] != IN_MEMORY}
    found = [Finding(name, MNESIA, table["elements"]) for name, table in sorted(live.items()) if table["elements"]]
    for file in sorted(folder.glob("*.D[ACM][TDLP]")):
        if file.stem not in live and file.name not in MNESIAS:
            found.append(Finding(file.name, LEFT, file.stat().st_size))
    return found


def words(finding: Finding) -> str:
    """Return a finding as a sentence without its end, and without a name."""
    one = finding.rows == 1
    if finding.kind == LEFT:
        return f"{finding.rows} byte{'' if one else 's'} of a Mnesia table that ejabberd no longer has"
    rows = f"{finding.rows} row{'' if one else 's'}"
    age = "1 day old" if finding.days == 1 else f"{finding.days} days old"
    oldest = "" if finding.days is None else f", {age}" if one else f", the oldest {age}"
    if finding.kind == OLD:
        return f"{rows} older than {finding.limit} days{oldest}"
    what = {
        GONE_ACCOUNT: "of accounts that no longer exist",
        GONE_ROOM: "of rooms that no longer exist",
        GONE_PARENT: f"without {'its' if one else 'their'} parent row",
        UNNAMED: "in a table that the ledger does not list",
        MNESIA: "that Mnesia keeps on disk, where it overwrites nothing",
    }[finding.kind]
    return f"{rows} {what}{oldest}"
