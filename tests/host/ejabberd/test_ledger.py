# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger knows of every table of the database that something is in."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import yaml
from testinfra.host import Host

ROOT = Path(__file__).parents[3]
LEDGER = ROOT / "roles/ejabberd/vars/ledger.yml"
AUDIT = ROOT / "plugins/module_utils/database_tables.py"
# What the audit goes by, and what there is. As root, as the audit.
RULES = """
import json
with opened() as database:
    tables = Tables(database, {}, [], [])
    there = {name: [row[1] for row in database.execute(f"PRAGMA table_info({name})")] for name in tables.names}
    indexed = tables.has_index("archive", ["server_host", "username"])
wanted = [(table, column) for table, columns in {**ACCOUNTS, **ROOMS}.items() for column in columns]
wanted += [*ADDRESSES, *((table, age[0]) for table, age in AGES.items())]
wanted += [pair for table, (column, parent, key) in PARENTS.items() for pair in ((table, column), (parent, key))]
print(json.dumps({"there": there, "wanted": wanted, "indexed": indexed, "alone": sorted(BY_THEMSELVES)}))
"""
# The server's own books.
NOBODYS = {"route", "schema_version", "sqlite_sequence"}
# There only as long as somebody waits to be let in (mod_xmpp_registration_review.erl).
ON_DEMAND = {"waiting_accounts"}
TABLES = """
import json, sqlite3
database = sqlite3.connect("file:/var/lib/ejabberd/xmpp.db?mode=ro", uri=True)
names = [name for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
print(json.dumps({name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}))
"""


def test_every_table_is_in_the_ledger_or_empty(host: Host) -> None:
    """Those of modules that are off are there as well, and stay empty. A misspelt one would be missing."""
    told = {table for entry in yaml.safe_load(LEDGER.read_text()) for table in entry.get("tables", [])}
    there = json.loads(host.check_output(shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", TABLES])))
    assert told - set(there) <= ON_DEMAND
    assert {table for table, rows in there.items() if rows} - told - NOBODYS == set()
    assert there["users"] > 0, "the search looks at the right place"


def test_audit_goes_by_columns_that_are_there(host: Host) -> None:
    """Another version of ejabberd may name them otherwise, and the audit would look at nothing."""
    rules = json.loads(host.check_output(shlex.join(["python3", "-c", AUDIT.read_text() + RULES])))
    absent = ON_DEMAND - set(rules["there"])
    missing = [f"{table}.{column}" for table, column in rules["wanted"] if column not in rules["there"].get(table, [])]
    assert [one for one in missing if one.partition(".")[0] not in absent] == []
    assert set(rules["alone"]) <= set(rules["there"]) | absent
    assert rules["indexed"], "the archive is read row by row"
