# SPDX-License-Identifier: GPL-3.0-or-later
"""Move, remove and own files and folders."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

# Endings of what an interrupted move to another disk leaves: at the target, and at the source.
PART, GONE = ".xmpp-part", ".xmpp-gone"


def move(source: Path, target: Path) -> None:
    """Move a file or folder to a path that does not exist; wherever it is interrupted, one of the two is complete."""
    for folder in reversed([folder for folder in target.parents if not folder.exists()]):
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # To another disk.
        part, gone = target.with_name(target.name + PART), source.with_name(source.name + GONE)
        remove(part)
        subprocess.run(["cp", "--archive", "--no-target-directory", "--", source, part], check=True)
        os.sync()
        part.rename(target)
        os.sync()
        source.rename(gone)
        remove(gone)


def remove(path: Path) -> None:
    """Remove a file, link or folder if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def own(path: Path, user: str, group: str) -> None:
    """Give a file, or a folder with all in it, to a user and a group: their numbers differ between hosts.

    Links are given, not what they lead to: others than root have made what is in the folder.
    """
    ids = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
    for one in [path, *path.rglob("*")]:
        os.chown(one, *ids, follow_symlinks=False)
