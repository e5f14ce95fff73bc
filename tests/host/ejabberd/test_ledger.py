# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger knows of every table of the database that something is in."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import yaml
from testinfra.host import Host

LEDGER = Path(__file__).parents[3] / "roles/ejabberd/vars/ledger.yml"
# The server's own books.
NOBODYS = {"route", "schema_version", "sqlite_sequence"}
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
    assert told - set(there) == set()
    assert {table for table, rows in there.items() if rows} - told - NOBODYS == set()
    assert there["users"] > 0, "the search looks at the right place"
