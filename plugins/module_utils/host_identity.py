# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose service a host has: the domains that it serves, who is on them, its secrets, and data of another ejabberd."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.fingerprints import fingerprint
from ansible_collections.conexizan.xmpp.plugins.module_utils.private_json import PASSWORDS, read

CONFIGURATION = Path("/etc/ejabberd/xmpp.yml")
DATA = Path("/var/lib/ejabberd")
# Where else an ejabberd keeps its accounts: the packages and the installer of its makers.
OTHERS = (Path("/opt/ejabberd/database"), Path("/usr/local/var/lib/ejabberd"), Path("/usr/local/lib/ejabberd/database"))
# No data of anybody: a start makes them.
WORTHLESS = (".erlang.cookie", "translations.cache", "LATEST.LOG")
# Each secret that is on the controller as well: the file that holds it, and what stands around it there.
HOLDERS = {
    "backup": (Path("/etc/xmpp/backup/password"), r"(.*)"),
    "backup-ssh": (Path("/etc/xmpp/backup/ssh_key"), r"(.*)"),
    "coturn": (Path("/etc/coturn/xmpp.conf"), r".*^static-auth-secret=([^\n]*)$.*"),
    "upload": (Path("/etc/nginx/xmpp.upload-secret.conf"), r'.*^set \$xmpp_upload_secret "([^"]*)";$.*'),
}
# What people have on a domain: its table, the column with the domain, the one that tells them apart. Nodes of persons
# (PEP) go with their accounts.
TABLES = {
    "accounts": ("users", "server_host", "username"),
    "rooms": ("muc_room", "host", "name"),
    "nodes": ("pubsub_node", "host", "nodeid"),
}
UPLOADS = Path("/srv/xmpp/upload/data")
# The part of a domain that they are on, by the module that serves it.
MODULES = {"rooms": "mod_muc", "nodes": "mod_pubsub", "uploads": "mod_http_upload"}


def secret_fingerprints() -> dict[str, str]:
    """Return SALT:FINGERPRINT of each secret that is on the host."""
    found = {}
    for name, (path, pattern) in HOLDERS.items():
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        match = re.fullmatch(pattern, text, re.DOTALL | re.MULTILINE)
        if match and match[1].strip():
            found[name] = fingerprint(match[1].strip(), secrets.token_hex(16))
    return found


def served() -> dict[str, list[str]]:
    """Return the domains that ejabberd was last configured for, by what people have on them."""
    text = CONFIGURATION.read_text(encoding="utf-8") if CONFIGURATION.exists() else ""
    domains: list[str] = json.loads(match[1]) if (match := re.search(r"^hosts: (\[.*\])$", text, re.MULTILINE)) else []
    found = {"accounts": domains}
    for kind, module in MODULES.items():
        match = re.search(rf"^  {module}:\n    hosts: (\[.*\])$", text, re.MULTILINE)
        patterns = json.loads(match[1]) if match else []
        found[kind] = list(dict.fromkeys(name.replace("@HOST@", domain) for name in patterns for domain in domains))
    return found


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read it: what is on the host stays byte for byte, whether ejabberd runs or not."""
    # Without a log there is nobody who writes, and SQLite would make files beside it.
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    # Quoted: ejabberd names the files, and a question mark in a name would let it choose the mode.
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=5)) as database:
        yield database


def population(uploads: list[str]) -> dict[str, dict[str, int]]:
    """Return how many of each kind there are on each domain, served or not; of uploads, whether there are any."""
    found: dict[str, dict[str, int]] = {}
    # (Opening a pipe would wait for whoever writes to it.)
    for path in sorted(filter(Path.is_file, [*DATA.glob("*.db"), *DATA.glob("*/*.db")])):
        with contextlib.suppress(sqlite3.DatabaseError), opened(path) as database:  # a broken one is not ours to judge
            for kind, (table, domain, name) in TABLES.items():
                if domain not in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}:
                    continue
                what = f"SELECT {domain}, count(DISTINCT {name}) FROM {table}"  # noqa: S608 -- names of TABLES
                for host, number in database.execute(f"{what} WHERE {domain} NOT LIKE '%@%' GROUP BY {domain}"):
                    found.setdefault(host, Counter())[kind] += number
    if any(path.is_file() for path in UPLOADS.rglob("*")):
        for host in uploads:
            found.setdefault(host, Counter())["uploads"] = 1
    return {host: dict(numbers) for host, numbers in found.items()}


def foreign() -> list[str]:
    """Return the folders with data of an ejabberd, on a host that this service was never on."""
    return [str(place) for place in (DATA, *OTHERS) if place.is_dir() and any(map(is_data, place.rglob("*")))]


def is_data(path: Path) -> bool:
    """Whether it is a file that somebody may miss."""
    return path.name not in WORTHLESS and path.is_file() and path.stat().st_size > 0


def missing(accounts: list[str]) -> list[str]:
    """Return which of these addresses are no account of the service."""
    database = DATA / "xmpp.db"
    if not accounts or not database.exists():
        return accounts
    with contextlib.suppress(sqlite3.DatabaseError), opened(database) as reader:
        there = "SELECT 1 FROM users WHERE username = ? AND server_host = ?"
        return [address for address in accounts if not reader.execute(there, address.split("@")).fetchone()]
    return accounts


def identity(trees: list[str], added: list[str], moderators: list[str], *, half_restored: bool) -> dict[str, Any]:
    """Return it all."""
    # A restore puts the database in place before ejabberd's files, and both come after the packages.
    ours = half_restored or "ejabberd" in added or bool({"ejabberd", "backup"} & set(trees))
    if not ours:
        others: dict[str, Any] = {"served": {}, "population": {}, "secrets": {}, "passwords": {}}
        return {"foreign": foreign(), "missing": moderators, **others}
    now = served()
    return {
        "foreign": [],
        "served": now,
        "population": population(now["uploads"]),
        "missing": missing(moderators),
        "secrets": secret_fingerprints(),
        # Of what each administrator was given last, hashed in the same way.
        "passwords": read(PASSWORDS),
    }
