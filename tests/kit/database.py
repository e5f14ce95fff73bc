# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the database that ejabberd did not write."""

from __future__ import annotations

import json
import shlex

from .service import DATABASE, Service

# Rows as ejabberd would have written them: table, and the values.
PLANT = """
import json, sqlite3, sys
with sqlite3.connect(sys.argv[1], timeout=30) as database:
    for statement in json.loads(sys.argv[2]):
        database.execute(statement)
"""


def change(service: Service, *statements: str) -> None:
    """Changes the database behind ejabberd's back."""
    command = ["runuser", "-u", "ejabberd", "--", "python3", "-c", PLANT, DATABASE, json.dumps(statements)]
    service.host.check_output(shlex.join(command))


def since(days: int) -> str:
    """A time, in microseconds, that was a minute more ago."""
    return f"(strftime('%s', 'now') - {days} * 86400 - 60) * 1000000"


def archived(owner: str, domain: str, days: int) -> str:
    return (
        "INSERT INTO archive (username, server_host, timestamp, peer, bare_peer, xml, txt, kind, nick, origin_id)"
        f" VALUES ('{owner}', '{domain}', {since(days)}, 'x', 'x', 'diary', '', 'chat', '', '')"
    )
