# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a backup and check it, without a change to the service (verb `prepare`)."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from . import files, paths
from .create import FORMAT
from .errors import BackupError
from .repository import Repository, message
from .retention import age_in_hours

# Not restored: tokens that were revoked and invitations that were used since the backup would be valid again.
TOKENS = ("auth_fast_tokens", "invite_token")
# An upload's folder, as mod_xmpp_upload names it, by account; before links were concealed, the second part was longer.
FOLDER = re.compile(rf"{re.escape(str(paths.UPLOADS))}/[0-9a-f]{{40}}/[0-9A-Za-z]{{24,40}}")
ANSWER_SECONDS = 90  # An operator waits. restic itself would try for a quarter of an hour.


def count_accounts(database: sqlite3.Connection) -> int:
    """Return how many accounts are in a database; 0 if it has no such table."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'users'").fetchone():
        return 0
    return int(database.execute("SELECT count(DISTINCT username || '@' || server_host) FROM users").fetchone()[0])


def check_description(about: dict[str, Any], domain: str) -> None:
    """Raise BackupError if this release cannot restore a backup here."""
    if about["format"] > FORMAT:
        raise BackupError(f"the backup was made by a newer release (format {about['format']}, this one knows {FORMAT})")
    if about["domain"] != domain:
        raise BackupError(f"the backup is of {about['domain']}, and this service is {domain} (xmpp_domain)")


def fetch_database(repository: Repository, snapshot: str, target: Path) -> int:
    """Make a database file of a dump and return the number of its accounts."""
    fast = ["-cmd", "PRAGMA journal_mode = OFF", "-cmd", "PRAGMA synchronous = OFF"]
    load = ["sqlite3", "-safe", "-bail", *fast, str(target)]
    restore = [*repository.command, "dump", snapshot, f"/{paths.DUMP}"]
    with tempfile.TemporaryFile("w+") as output:  # a pipe could fill up
        with subprocess.Popen(restore, env=repository.environment, stdout=subprocess.PIPE, stderr=output) as source:
            loaded = subprocess.run(load, stdin=source.stdout, stdout=output, stderr=output, check=False)
            source.communicate()  # if sqlite3 reads no more, restic ends as well
        output.seek(0)
        if source.returncode or loaded.returncode:
            raise BackupError(f"the database in {repository.place} cannot be restored: {message(output.read())}")
    with contextlib.closing(sqlite3.connect(target)) as database:
        if (verdict := database.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise BackupError(f"the database of the backup is damaged: {verdict}")
        if not (count := count_accounts(database)):
            raise BackupError("the database of the backup has no account")
        for table in TOKENS:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone():
                database.execute(f"DELETE FROM {table}")  # noqa: S608 -- a constant of this module
        database.commit()
    return count


def expiry_rules(repository: Repository, snapshot: str, days: int, earlier: str) -> str:
    """Return a rule for each restored upload's folder, so that it is deleted when it would have been (tmpfiles.d(5)).

    The change time of an upload is when it was sent: it is not changed after that. If it has a rule in *earlier*, it
    was restored at that time, with the hours in that rule left. A folder with another name than those of uploads gets
    none: others than root can make one, and a rule is an order to root.
    """
    listing = repository.call("ls", "--json", "--recursive", snapshot, str(paths.UPLOADS)).stdout
    # Not by splitlines(), which also splits where a name has one of Unicode's ends of lines in it.
    nodes = [json.loads(line) for line in listing.split("\n") if line]
    rule = r"^e (\S+) - - - [bc]B:(\d+)h$"  # until 2026, age was counted from birth
    left = {folder: int(hours) for folder, hours in re.findall(rule, earlier, re.MULTILINE)}
    rules = {}
    for node in nodes:
        folder = node.get("path", "").rpartition("/")[0]
        if node.get("type") == "file" and FOLDER.fullmatch(folder):
            changed = datetime.datetime.fromisoformat(node["ctime"]).timestamp()
            rules[folder] = max(0, min(days * 24, left.get(folder, days * 24)) - age_in_hours(changed))
    return "".join(f"e {folder} - - - cB:{hours}h\n" for folder, hours in sorted(rules.items()))


def prepare(settings: dict[str, Any], place: str, wanted: str) -> dict[str, Any]:
    """Fetch and check a backup; return its id, its time and the number of its accounts."""
    files.remove(paths.STAGED)
    paths.STAGED.mkdir(mode=0o700)
    repository = Repository(settings, place)
    try:
        repository.call("cat", "config", seconds=ANSWER_SECONDS)
        time, ids = repository.choose(wanted)
        about: dict[str, Any] = json.loads(repository.call("dump", ids["files"], str(paths.DESCRIPTION)).stdout)
        check_description(about, repository.domain)
        repository.call("restore", ids["files"], "--target", str(paths.STAGED / "files"), "--verify")
        count = fetch_database(repository, ids["database"], paths.STAGED / "xmpp.db")
        if str(paths.UPLOADS) in about["paths"]:
            before = paths.STAGED / "files" / str(paths.EXPIRY).lstrip("/")
            earlier = before.read_text(encoding="utf-8") if before.exists() else ""
            rules = expiry_rules(repository, ids["files"], settings["upload_days"], earlier)
            (paths.STAGED / "expiry").write_text(rules, encoding="utf-8")
            (paths.STAGED / "expiry").chmod(0o600)  # the name of a folder is enough to download what is in it
        (paths.STAGED / "about.json").write_text(json.dumps(about), encoding="utf-8")
    except BaseException:
        files.remove(paths.STAGED)
        raise
    return {"accounts": count, "id": ids["files"][:8], "time": time[:16]}
