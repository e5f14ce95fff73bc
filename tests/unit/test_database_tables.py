# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit looks into the database: what is too old, nobody's, or in a table that the ledger does not name."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import database_tables as tables

from .ledger import ledger

# As ejabberd makes them, with what matters here. (On a host, tests/host/ejabberd asks the same of its own.)
SCHEMA = """
CREATE TABLE users (username text, server_host text);
CREATE TABLE archive (username text, server_host text, timestamp BIGINT, xml text);
CREATE INDEX i1 ON archive (server_host, username, timestamp);
CREATE INDEX i2 ON archive (server_host, timestamp);
CREATE TABLE spool (username text, server_host text, xml text, created_at timestamp DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX i3 ON spool (created_at);
CREATE TABLE push_session (username text, server_host text, timestamp BIGINT);
CREATE TABLE auth_fast_tokens (username text, server_host text, created_at timestamp, expires timestamp);
CREATE TABLE invite_token (username text, server_host text, created_at timestamp);
CREATE TABLE private_storage (username text, server_host text, namespace text);
CREATE TABLE muc_room (name text, host text);
CREATE TABLE muc_registered (jid text, host text);
CREATE TABLE muc_room_subscribers (room text, host text, jid text);
CREATE TABLE pubsub_node (nodeid INTEGER PRIMARY KEY, host text, node text);
CREATE TABLE pubsub_state (nodeid bigint, jid text);
CREATE TABLE pubsub_item (nodeid bigint, publisher text);
CREATE TABLE route (domain text);
CREATE TABLE sr_user (jid text);
"""
DAY = 86400


def micros(days: float) -> int:
    return int((time.time() - days * DAY) * 1_000_000)


def text(days: float) -> str:
    return datetime.fromtimestamp(time.time() - days * DAY, UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A service with two people, a room, a node of each kind, and nothing that should not be there."""
    path = tmp_path / "xmpp.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.executescript(SCHEMA)
    put(path, "users", ("alice", "example.org"), ("bob", "example.org"), ("carol", "zebra.example"))
    put(
        path,
        "archive",
        ("alice", "example.org", micros(29), "x"),
        ("den@muc.example.org", "example.org", micros(1), "x"),
    )
    put(path, "archive", ("talk@muc.example.org", "example.org", micros(1), "x"))
    put(path, "spool", ("bob", "example.org", "x", text(30.05)))
    put(path, "push_session", ("alice", "example.org", micros(89)))
    put(path, "auth_fast_tokens", ("alice", "example.org", text(300), text(-1)))
    put(path, "invite_token", ("", "example.org", text(6)), ("alice", "example.org", text(1)))
    put(path, "muc_room", ("den", "muc.example.org"))
    put(path, "muc_registered", ("alice@example.org", "muc.example.org"), ("bob@example.org", "den@muc.example.org"))
    put(path, "muc_room_subscribers", ("den", "muc.example.org", "far@else.where"))
    put(path, "pubsub_node", (1, "alice@example.org", "urn:x"), (2, "pubsub.example.org", "news"))
    put(path, "pubsub_state", (1, "bob@example.org"), (2, "far@else.where"))
    put(path, "pubsub_item", (2, "bob@example.org/app"))
    put(path, "route", ("example.org",))
    put(path, "sr_user", ("banned@example.org",))
    return path


def put(path: Path, table: str, *rows: tuple[Any, ...]) -> None:
    with sqlite3.connect(path) as database:
        for row in rows:
            database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def found(path: Path, **settings: Any) -> list[str]:
    """What is said of each table."""
    entries = ledger(settings)
    _, findings = tables.look(entries, ["example.org"], ["talk@muc.example.org"], path)
    return [f"{one.table}: {tables.words(one)}" for one in findings]


def test_nothing_is_found_where_all_is_as_it_should_be(file: Path) -> None:
    """With what is deleted within the hour, a room that is online only, a ban, another server's people."""
    assert found(file) == []


# What somebody planted, and what is said of it.
PLANTED: dict[str, tuple[str, list[tuple[Any, ...]], str]] = {
    "old message": (
        "archive",
        [("alice", "example.org", micros(45), "x"), ("bob", "example.org", micros(31), "x")],
        "archive: 2 rows older than 30 days, the oldest 45 days old",
    ),
    "old message of another domain": (
        "archive",
        [("carol", "zebra.example", micros(40), "x")],
        "archive: 1 row older than 30 days, 40 days old",
    ),
    "old message that waits": (
        "spool",
        [("bob", "example.org", "x", text(33))],
        "spool: 1 row older than 30 days, 33 days old",
    ),
    "old push": (
        "push_session",
        [("bob", "example.org", micros(100))],
        "push_session: 1 row older than 90 days, 100 days old",
    ),
    "token past its end": (
        "auth_fast_tokens",
        [("bob", "example.org", text(1), text(3))],
        "auth_fast_tokens: 1 row older than 30 days, 33 days old",
    ),
    "old invitation": (
        "invite_token",
        [("bob", "example.org", text(20))],
        "invite_token: 1 row older than 7 days, 20 days old",
    ),
    "message of an account that is gone": (
        "archive",
        [("gone", "example.org", micros(2), "x"), ("left", "example.org", micros(9), "x")],
        "archive: 2 rows of accounts that no longer exist, the oldest 9 days old",
    ),
    "message of a room that is gone": (
        "archive",
        [("old@muc.example.org", "example.org", micros(3), "x")],
        "archive: 1 row of rooms that no longer exist, 3 days old",
    ),
    "account of the same name elsewhere": (
        "private_storage",
        [("alice", "other.example", "x")],
        "private_storage: 1 row of accounts that no longer exist",
    ),
    "mailbox of an account that is gone": (
        "spool",
        [("gone", "example.org", "x", text(1))],
        "spool: 1 row of accounts that no longer exist, 1 day old",
    ),
    "node of an account that is gone": (
        "pubsub_node",
        [(3, "gone@example.org", "x")],
        "pubsub_node: 1 row of accounts that no longer exist",
    ),
    "subscription of an account that is gone": (
        "pubsub_state",
        [(1, "gone@example.org"), (2, "gone@example.org/app")],
        "pubsub_state: 2 rows of accounts that no longer exist",
    ),
    "item of a node that is gone": (
        "pubsub_item",
        [(9, "bob@example.org")],
        "pubsub_item: 1 row without its parent row",
    ),
    "name reserved in a room that is gone": (
        "muc_registered",
        [("bob@example.org", "old@muc.example.org")],
        "muc_registered: 1 row of rooms that no longer exist",
    ),
    "subscriber of a room that is gone": (
        "muc_room_subscribers",
        [("old", "muc.example.org", "bob@example.org")],
        "muc_room_subscribers: 1 row of rooms that no longer exist",
    ),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_planted_is_found(file: Path, kind: str) -> None:
    table, rows, said = PLANTED[kind]
    put(file, table, *rows)
    assert found(file) == [said]


def test_table_that_nobody_knows_is_found_when_something_is_in_it(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute('CREATE TABLE "di""ary" (text text)')
    assert found(file) == []
    with sqlite3.connect(file) as database:
        database.execute('INSERT INTO "di""ary" VALUES (\'dear\')')
    assert found(file) == ['di"ary: 1 row in a table that the ledger does not list']


def test_age_follows_the_setting(file: Path) -> None:
    assert found(file, xmpp_archive_days=20) == [
        "archive: 1 row older than 20 days, 29 days old",
        "spool: 1 row older than 20 days, 30 days old",
    ]


def test_every_table_of_the_ledger_has_a_rule() -> None:
    """Whose its rows are can be told, or why not; and since when, where the ledger names days."""
    limits = tables.limits_of(ledger({}, everything=True))
    rules = {*tables.ACCOUNTS, *tables.PARENTS, *tables.ROOMS, *(table for table, _ in tables.ADDRESSES)}
    assert set(limits) == rules | tables.BY_THEMSELVES
    assert rules & tables.BY_THEMSELVES == set()
    assert {table for table, days in limits.items() if days is not None} - {"caps_features"} == set(tables.AGES)


def test_nothing_is_written(file: Path) -> None:
    with tables.opened(file) as database, pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.execute("DELETE FROM archive")


def test_writer_does_not_wait(file: Path) -> None:
    """While the audit reads."""
    with tables.opened(file) as reader:
        rows = reader.execute("SELECT * FROM archive")
        assert rows.fetchone()
        writer = sqlite3.connect(file, timeout=0)
        with writer:
            writer.execute("INSERT INTO archive VALUES ('alice', 'example.org', 1, 'x')")
        writer.close()


def test_large_tables_are_not_read_row_by_row(file: Path) -> None:
    """A hundred thousand messages take as long as one: it goes from owner to owner by the index."""
    with sqlite3.connect(file) as database:
        database.executemany(
            "INSERT INTO archive VALUES (?, 'example.org', ?, 'x')",
            ((("alice", "bob")[number % 2], micros(1) + number) for number in range(100_000)),
        )
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with tables.opened(file) as database:
        database.set_progress_handler(step, 100)
        looked = tables.Tables(database, tables.limits_of(ledger({})), ["example.org"], ["talk@muc.example.org"])
        assert [*looked.old(), *looked.gone(), *looked.unnamed()] == []
    assert steps < 1000, "instructions of SQLite's machine, in hundreds"


# ---------------------------------------------------------------------- Mnesia
def live(name: str, storage: str, elements: int) -> dict[str, Any]:
    return {"name": name, "storage_type": storage, "elements": elements, "memory_kb": 1, "memory_mb": 0}


def test_what_mnesia_keeps_on_disk_is_found(tmp_path: Path) -> None:
    """By what the running server says; and what an earlier one left."""
    for name in ("schema.DAT", "LATEST.LOG", "DECISION_TAB.LOG", "roster.DCD", "old.DCD", "xmpp.db"):
        (tmp_path / name).write_bytes(b"12345")
    running = [
        live("session", "RAM copy", 9),
        live("roster", "RAM and disc copy", 2),
        live("motd", "Disc only copy", 0),
    ]
    assert [f"{one.table}: {tables.words(one)}" for one in tables.mnesia(running, tmp_path)] == [
        "roster: 2 rows that Mnesia keeps on disk, where it overwrites nothing",
        "old.DCD: 5 bytes of a Mnesia table that ejabberd no longer has",
    ]
