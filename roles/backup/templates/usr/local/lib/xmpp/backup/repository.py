# SPDX-License-Identifier: GPL-3.0-or-later
"""A restic repository."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from . import paths, snapshots
from .errors import BackupError

NO_REPOSITORY = 10  # restic's exit codes
INCOMPLETE = 3


class Repository:
    """A restic repository, and the snapshots of one domain in it."""

    def __init__(self, settings: dict[str, Any], place: str = "") -> None:
        """Take the settings; *place* replaces the repository in them."""
        self.place = place or settings["repository"]
        self.domain: str = settings["domain"]
        ssh = "-F none -o BatchMode=yes -o ServerAliveInterval=30 -o ServerAliveCountMax=10"
        # Any server is accepted at first: it gets encrypted data only.
        ssh += f" -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={paths.STATE}/known_hosts"
        self.command = ["restic", "--quiet", f"--option=sftp.args={ssh} -i {paths.CONFIGURATION}/ssh_key"]
        self.environment = {
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
            "RESTIC_REPOSITORY": self.place,
            "RESTIC_PASSWORD_FILE": str(paths.CONFIGURATION / "password"),
            "RESTIC_CACHE_DIR": str(paths.CACHE),
            "AWS_ACCESS_KEY_ID": settings["s3_key_id"],
            "AWS_SECRET_ACCESS_KEY": settings["s3_secret"],
        }

    def call(
        self, *arguments: str, accepted: tuple[int, ...] = (0,), seconds: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Call restic; raises BackupError with its message if the exit code is not *accepted*, or after *seconds*."""
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            last = (error.stderr or b"").decode().splitlines()[-1:]
            raise BackupError(f"no answer from {self.place} in {seconds} s: {message(''.join(last))}") from error
        if done.returncode not in accepted:
            raise BackupError(f"restic {arguments[0]} at {self.place} failed: {message(done.stderr)}")
        return done

    def snapshots(self) -> list[dict[str, Any]]:
        """Return restic's description of each snapshot in the repository."""
        found: list[dict[str, Any]] = json.loads(self.call("snapshots", "--json").stdout)
        return found

    def backups(self) -> dict[str, dict[str, str]]:
        """Return the complete backups of the domain; raises BackupError if there is none."""
        listed = self.snapshots()
        if not (found := snapshots.complete(listed, self.domain)):
            others = ", ".join(sorted({one["hostname"] for one in listed} - {self.domain}))
            raise BackupError(
                f"{self.place} holds no complete backup of {self.domain}" + f", but of {others}" * bool(others)
            )
        return found

    def choose(self, wanted: str) -> tuple[str, dict[str, str]]:
        """Return time and ids of the newest backup that has an id beginning with *wanted*."""
        backups = self.backups()
        chosen = [(time, ids) for time, ids in backups.items() if any(one.startswith(wanted) for one in ids.values())]
        if not chosen:
            have = ", ".join(f"{ids['files'][:8]} ({time[:16]})" for time, ids in backups.items())
            raise BackupError(f"{self.place} has no backup {wanted}; it has {have}")
        return chosen[-1]


def message(output: str) -> str:
    """Return the message of a program as one line, without what restic puts around it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if lines and lines[-1].startswith("{"):
        lines = str(json.loads(lines[-1]).get("message")).splitlines()
    return " ".join(lines[-6:]).removeprefix("Fatal: ") or "it gave no reason"
