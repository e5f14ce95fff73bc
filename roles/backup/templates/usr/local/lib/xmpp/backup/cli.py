# SPDX-License-Identifier: GPL-3.0-or-later
"""Back the service up with restic, and restore a backup (docs/decisions/backup.md).

run       make a backup, delete those that have expired, and read a part of the repository back
prepare   fetch a backup and check it to the last byte, without a change to the service
apply     stop ejabberd and put the prepared backup in place; the data from before is kept
rollback  put the data from before the restore back
commit    delete the data from before the restore

Reads /etc/xmpp/backup/settings.json. The result of `run` is in the journal and in status.json only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys

from . import paths
from .create import dump, run
from .errors import BackupError
from .prepare import prepare
from .restore import apply, commit, rollback


def lock(*, wait: bool) -> None:
    """Take the lock that backup and restore share, until this program ends; raises BackupError unless it may wait."""
    folder = os.open(paths.STATE, os.O_RDONLY)  # the folder itself, so that no lock file is left behind
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BackupError(
            "a backup or a restore is running: try again when it has ended, or end the backup: "
            "systemctl stop xmpp-backup.service"
        ) from None


def main() -> int:
    """Run the verb of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, dest="verb", metavar="VERB")
    for verb in ("run", "dump", "apply", "rollback", "commit"):
        verbs.add_parser(verb)
    preparing = verbs.add_parser("prepare")
    preparing.add_argument("--repository", default="", help="instead of the one in the settings")
    preparing.add_argument("--snapshot", default="", help="instead of the newest")
    arguments = parser.parse_args()
    if arguments.verb == "dump":  # called by `run`, which has the lock
        dump()
        return 0
    try:
        lock(wait=arguments.verb == "run")  # for a restore to end; xmpp-backup.service has a time limit
        settings = json.loads((paths.CONFIGURATION / "settings.json").read_text(encoding="utf-8"))
        if arguments.verb == "run":
            run(settings)
        elif arguments.verb == "prepare":
            print(json.dumps(prepare(settings, arguments.repository, arguments.snapshot)))
        elif arguments.verb == "apply":
            print(json.dumps({"changed": apply(settings)}))
        elif arguments.verb == "rollback":
            rollback()
        else:
            commit()
    except BackupError as error:
        print(f"{str(error)[0].upper()}{str(error)[1:]}.", file=sys.stderr)
        return 1
    return 0
