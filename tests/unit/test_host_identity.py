# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose service a host has: what would be lost with another ejabberd's data, and with a domain that is taken out."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.filter.removed_domains import removed_domains
from ansible_collections.conexizan.xmpp.plugins.module_utils import host_identity as identity

CONFIGURATION = """\
hosts: ["low.test", "club.test"]
modules:
  mod_http_upload:
    hosts: ["upload.@HOST@"]
  mod_muc:
    hosts: ["muc.@HOST@"]
  mod_muc_admin: {}
  mod_pubsub:
    hosts: ["nodes.elsewhere.test"]
"""
SCHEMA = """
CREATE TABLE users (username TEXT, server_host TEXT, type INTEGER);
CREATE TABLE muc_room (name TEXT, host TEXT);
CREATE TABLE pubsub_node (nodeid INTEGER, host TEXT);
INSERT INTO users VALUES ('admin', 'low.test', 0), ('maria', 'low.test', 1), ('maria', 'low.test', 2);
INSERT INTO users VALUES ('carla', 'club.test', 1);
INSERT INTO muc_room VALUES ('garden', 'muc.low.test');
INSERT INTO pubsub_node VALUES (1, 'maria@low.test'), (2, 'nodes.elsewhere.test');
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host in a folder."""
    for name, path in {"CONFIGURATION": "xmpp.yml", "DATA": "data", "UPLOADS": "uploads"}.items():
        monkeypatch.setattr(identity, name, tmp_path / path)
    monkeypatch.setattr(identity, "OTHERS", (tmp_path / "opt",))
    return tmp_path


def fill(database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(SCHEMA)


def parts(domain: str, **other: str) -> dict[str, str]:
    """A domain with its parts, as the roles have it."""
    names = {"muc": f"muc.{domain}", "upload": f"upload.{domain}", "pubsub": "nodes.elsewhere.test"}
    return {"domain": domain, **names, **other}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        ({"data/.erlang.cookie": "COOKIE", "data/translations.cache": "x", "data/empty.DAT": ""}, []),
        ({"data/passwd.DAT": "accounts"}, ["data"]),  # Mnesia
        ({"data/schema.DAT": "accounts"}, ["data"]),  # accounts in SQL or LDAP, Mnesia for the rest
        ({"data/ejabberd.db": "accounts"}, ["data"]),  # SQLite
        ({"data/xmpp.db": "accounts"}, ["data"]),  # of this project, whose record of packages is gone
        ({"data/node/passwd.DCD": "accounts"}, ["data"]),  # several nodes
        ({"opt/ejabberd@localhost/passwd.DAT": "accounts"}, ["opt"]),  # the makers' own package
        ({"data/passwd.DAT": "accounts", "opt/passwd.DAT": "accounts"}, ["data", "opt"]),
    ],
)
def test_data_of_another_ejabberd(files: dict[str, str], found: list[str], places: Path) -> None:
    for name, text in files.items():
        (places / name).parent.mkdir(parents=True, exist_ok=True)
        (places / name).write_text(text, encoding="ascii")
    assert identity.identity([], [], [], half_restored=False)["foreign"] == [str(places / name) for name in found]


@pytest.mark.parametrize(
    ("trees", "added", "half"),
    [
        (["base", "ejabberd"], [], False),
        (["base"], ["ejabberd"], False),
        (["backup", "base"], [], False),
        ([], [], True),
    ],
)
def test_data_of_this_service_is_not_foreign(trees: list[str], added: list[str], half: bool, places: Path) -> None:
    """Wherever a run, or a restore, was interrupted."""
    fill(places / "data/xmpp.db")
    assert identity.identity(trees, added, [], half_restored=half)["foreign"] == []


@pytest.mark.parametrize("log", [False, True], ids=["stopped", "running"])
def test_who_is_on_which_domain(log: bool, places: Path) -> None:
    """Nothing is written beside the database: ejabberd could not open what root has made."""
    (places / "xmpp.yml").write_text(CONFIGURATION, encoding="ascii")
    database = places / "data/xmpp.db"
    fill(database)
    with closing(sqlite3.connect(database)) as writer:
        if log:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("INSERT INTO users VALUES ('bert', 'low.test', 1)")
            writer.commit()
        before = sorted(path.name for path in database.parent.iterdir())
        found = identity.identity(["ejabberd"], [], [], half_restored=False)
        assert sorted(path.name for path in database.parent.iterdir()) == before
    assert found["served"] == {
        "accounts": ["low.test", "club.test"],
        "rooms": ["muc.low.test", "muc.club.test"],
        "nodes": ["nodes.elsewhere.test"],
        "uploads": ["upload.low.test", "upload.club.test"],
    }
    assert found["population"] == {
        "low.test": {"accounts": 2 + log},
        "club.test": {"accounts": 1},
        "muc.low.test": {"rooms": 1},
        "nodes.elsewhere.test": {"nodes": 1},
    }


@pytest.mark.parametrize("name", ["made?mode=rwc&x=.db", "made#x.db", "ma%64e.db", "node/made?mode=rwc&x=.db"])
def test_names_of_databases_say_nothing_to_sqlite(places: Path, name: str) -> None:
    """The module is root's, the names are ejabberd's: with a mode in one, it would write, and obey a journal."""
    fill(places / "data" / name)
    assert identity.population([])["club.test"] == {"accounts": 1}
    files = [str(path.relative_to(places / "data")) for path in (places / "data").rglob("*") if path.is_file()]
    assert files == [name]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)])
def test_what_is_no_database_keeps_nobody_waiting(places: Path, make: Callable[[Path], None]) -> None:
    (places / "data").mkdir()
    make(places / "data/x.db")
    (places / "data/x.db-wal").touch()  # as if ejabberd ran
    assert identity.population([]) == {}


def test_database_that_cannot_be_read_is_left_to_others(places: Path) -> None:
    (places / "data").mkdir()
    (places / "data/xmpp.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    assert identity.identity(["ejabberd"], [], [], half_restored=False)["population"] == {}


BOTH = [parts("low.test"), parts("club.test")]


@pytest.mark.parametrize(
    ("domains", "gone"),
    [
        (BOTH, {}),
        ([parts("low.test")], {"club.test": "1 account"}),
        ([parts("club.test"), parts("low.test")], {}),  # another one first
        ([parts("lowe.test"), parts("club.test")], {"low.test": "2 accounts", "muc.low.test": "1 room"}),
        ([parts("low.test", muc="rooms.low.test"), parts("club.test")], {"muc.low.test": "1 room"}),
        (
            [parts("low.test", pubsub="pubsub.low.test"), parts("club.test", pubsub="pubsub.club.test")],
            {"nodes.elsewhere.test": "1 node"},
        ),
        (
            [parts("low.test", upload="files.low.test"), parts("club.test")],
            {"upload.low.test": "the links to uploaded files"},
        ),
    ],
)
def test_domain_that_is_taken_out(domains: list[dict[str, str]], gone: dict[str, str], places: Path) -> None:
    (places / "xmpp.yml").write_text(CONFIGURATION, encoding="ascii")
    fill(places / "data/xmpp.db")
    if any(name.startswith("upload.") for name in gone):
        (places / "uploads").mkdir()
        (places / "uploads/photo.jpg").write_text("photo", encoding="ascii")
    found = identity.identity(["ejabberd"], [], [], half_restored=False)
    assert {one["name"]: one["what"] for one in removed_domains(found, domains)} == gone


def test_nobody_misses_a_domain_without_anybody(places: Path) -> None:
    (places / "xmpp.yml").write_text(CONFIGURATION, encoding="ascii")
    found = identity.identity(["ejabberd"], [], [], half_restored=False)
    assert removed_domains(found, [parts("other.test")]) == []


def test_moderators_without_an_account(places: Path) -> None:
    """Of the domain that they are to have one on; on a bare host, all of them."""
    asked = ["maria@low.test", "carla@low.test", "nobody@low.test"]
    assert identity.identity([], [], asked, half_restored=False)["missing"] == asked
    assert identity.identity(["ejabberd"], [], asked, half_restored=False)["missing"] == asked
    fill(places / "data/xmpp.db")
    assert identity.identity(["ejabberd"], [], asked, half_restored=False)["missing"] == asked[1:]
