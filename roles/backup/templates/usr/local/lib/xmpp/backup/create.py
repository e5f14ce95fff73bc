# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a backup, delete expired ones, and read a part of the repository back (verb `run`)."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
import subprocess
import sys
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic

from . import paths, retention, snapshots
from .errors import INTERRUPTED, BackupError, KeptError
from .repository import INCOMPLETE, NO_REPOSITORY, Repository

FORMAT = 1  # of the backup as a whole; a release that cannot read an older one raises it


def dump() -> None:
    """Write the database as SQL to standard output; exit with 1 if SQLite could not read all of it.

    One read transaction: it sees one moment, and in write-ahead mode a reader blocks nobody.
    """
    end = b""
    with subprocess.Popen(["sqlite3", "-readonly", str(paths.DATABASE), ".dump"], stdout=subprocess.PIPE) as program:
        for line in program.stdout or ():
            sys.stdout.buffer.write(line)
            end = line
    sys.stdout.buffer.flush()
    if program.returncode or end != b"COMMIT;\n":  # sqlite3 ends the dump with ROLLBACK, and itself with 0
        sys.exit("the database is damaged")


def sources(*, uploads: bool) -> list[str]:
    """Return the files and folders of the backup beside the database."""
    found = [
        path for folder, patterns in paths.CERTIFICATES for pattern in patterns for path in sorted(folder.glob(pattern))
    ]
    rules = [paths.EXPIRY] if paths.EXPIRY.exists() else []
    return [str(path) for path in found + [paths.UPLOADS, *rules] * uploads]


def ejabberd_version() -> str:
    """Return the version of ejabberd's package."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", "ejabberd"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout


def find_or_create(repository: Repository, before: dict[str, Any]) -> None:
    """Create the repository if there is none; raises BackupError if there was one (*before*: status.json)."""
    if before.get("success") and before.get("repository") == repository.place:
        if repository.call("cat", "config", accepted=(0, NO_REPOSITORY)).returncode == NO_REPOSITORY:
            raise BackupError(
                f"{repository.place} is gone: it was there on {before['success']}. To begin a new repository, "
                f"remove {paths.STATUS}"
            )
    else:
        # Without asking first: if a bucket does not exist, or a key is wrong, restic asks S3 for a quarter of an hour.
        try:
            repository.call("init")
        except BackupError as error:
            if not re.search("config (file )?already (exists|initialized)", str(error)):
                raise
    repository.call("unlock")  # the lock of an interrupted run


def copy(repository: Repository, settings: dict[str, Any], _status: dict[str, Any]) -> None:
    """Make one backup."""
    if paths.HALF.exists():
        raise BackupError(INTERRUPTED)
    if subprocess.run(["systemctl", "--quiet", "is-active", "ejabberd.service"], check=False).returncode:
        raise BackupError("ejabberd does not run: its database can be read without changing it only while it runs")
    copied = sources(uploads=settings["uploads"])
    about = {"format": FORMAT, "domain": repository.domain, "ejabberd": ejabberd_version(), "paths": copied}
    paths.DESCRIPTION.write_text(json.dumps(about), encoding="utf-8")
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    count = max(map(snapshots.number, repository.snapshots()), default=0) + 1
    common = ["--host", repository.domain, "--time", moment, "--tag", f"made-{count}"]
    source = ["--stdin-filename", paths.DUMP, "--stdin-from-command", "--", sys.argv[0], "dump"]
    repository.call("backup", *common, "--tag", "database", *source)
    done = repository.call(
        "backup", *common, "--tag", "files", "--json", "--", str(paths.DESCRIPTION), *copied, accepted=(0, INCOMPLETE)
    )
    # Not by splitlines(), which also splits where a name has one of Unicode's ends of lines in it.
    messages = [json.loads(line) for line in done.stderr.split("\n") if line.startswith("{")]
    unread = [one["error"]["message"] for one in messages if one.get("message_type") == "error"]
    # Uploads that were deleted during the backup are no error.
    if wrong := [message for message in unread if "no such file or directory" not in message]:
        raise BackupError(f"{len(wrong)} files could not be read, the first: {wrong[0]}")


def read_back(repository: Repository, _settings: dict[str, Any], _status: dict[str, Any]) -> None:
    """Read a seventh of the repository, so that each byte is read once a week."""
    repository.call("check", f"--read-data-subset={datetime.date.today().isoweekday()}/7")


def back_up(settings: dict[str, Any], repository: Repository, status: dict[str, Any]) -> None:
    """Make a backup, delete expired ones, read a part of the repository back: each step also if another fails."""
    find_or_create(repository, status)
    if status["repository"] != repository.place:
        status["former"] = {}
    elif status["domain"] not in ("", repository.domain) and status["success"]:
        status["former"][status["domain"]] = status["success"]
    wrong = []
    status["kept"] = ""
    for step in (copy, retention.delete_expired, read_back):
        try:
            step(repository, settings, status)
        except KeptError as error:
            status["kept"] = str(error)
            print(f"No backups are deleted: {error}.", file=sys.stderr)
        except (BackupError, OSError, subprocess.SubprocessError) as error:
            wrong.append(str(error))
    if wrong:
        raise BackupError("; ".join(wrong))


def run(settings: dict[str, Any]) -> None:
    """Make a backup and write the result into status.json, for playbooks/check.yml."""
    retention.delete_leftovers(settings)
    status: dict[str, Any] = {"repository": settings["repository"], "success": "", "error": "", "kept": ""}
    status |= {"domain": "", "former": {}}
    # The file is empty if an earlier version of this wrote it on a full disk or during a power cut.
    with contextlib.suppress(FileNotFoundError, ValueError):
        status |= json.loads(paths.STATUS.read_text(encoding="utf-8"))
    try:
        back_up(settings, Repository(settings), status)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        status |= {"repository": settings["repository"], "domain": settings["domain"], "success": now, "error": ""}
    except Exception as error:
        status["error"] = str(error)
        raise
    finally:
        paths.DESCRIPTION.unlink(missing_ok=True)
        atomic.write(paths.STATUS, json.dumps(status).encode(), durable=True)
