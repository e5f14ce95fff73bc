# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of apt and dpkg: who has one, and whether what they do goes on."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import time
from pathlib import Path
from typing import IO

from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import PackagesError
from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import make_parents

LISTS_LOCK = Path("/var/lib/apt/lists/lock")
DPKG_LOCK = Path("/var/lib/dpkg/lock-frontend")
# Of a run that was interrupted on the controller, and goes on here: its end takes away what holds services back.
OUR_LOCK = Path("/run/xmpp-packages.lock")
# A call waits no longer: the action says who is waited for, and asks again as long as that goes on.
CALL_SECONDS = 20
DPKG_LOG = Path("/var/log/dpkg.log")
ARCHIVES = Path("/var/cache/apt/archives")


class WaitingError(PackagesError):
    """Somebody else has a lock."""

    def __init__(self, path: Path, pid: int) -> None:
        """Take the lock and who has it (0: nobody that is seen from here)."""
        super().__init__(f"{path} is held")
        self.report = {"lock": str(path), "pid": pid, "holder": who(pid), "step": step(), "progress": progress(pid)}


def holder_of(file: IO[str]) -> int:
    """Return who has a lock on a file, 0 if it is not known (fcntl(2), F_GETLK)."""
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        return int(struct.unpack("hhqqi", fcntl.fcntl(file, fcntl.F_GETLK, wanted))[4])
    except (OSError, struct.error):
        return 0


def who(pid: int) -> str:
    """Return a process for people to read."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return "a program that cannot be seen from here"
    programs = [os.path.basename(word) for word in words if word and not word.startswith("-")]
    # Ansible gives Python a module by standard input, or as a file of its own.
    if (
        programs[:1]
        and programs[0].startswith("python")
        and (len(programs) < 2 or "ansible" in " ".join(words).lower())
    ):
        return "an earlier run of this playbook"
    return " ".join(programs[1:2] if programs[:1] and programs[0].startswith("python") else programs[:2]) or "a program"


def step() -> str:
    """Return what dpkg did last, and what is left of what it unpacked."""
    lines = DPKG_LOG.read_text(encoding="utf-8", errors="replace").splitlines() if DPKG_LOG.exists() else []
    states = r"^Status: \S+ \S+ (?:half-installed|unpacked|half-configured|triggers-\S+)$"
    left = len(re.findall(states, dpkg.STATUS.read_text(encoding="utf-8"), re.MULTILINE))
    fetched = sum(path.stat().st_size for path in ARCHIVES.glob("**/*.deb")) >> 20
    words = [f"dpkg.log ends with {' '.join(lines[-1].split()[1:5])}"] if lines else []
    words += [f"to be configured: {left} packages"] if left else []
    words += [f"fetched: {fetched} MiB"] if fetched else []
    return ", ".join(words) or "nothing is installed yet"


def progress(pid: int) -> str:
    """Return what becomes another text as long as a process, or one that it started, goes on."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # has just ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        used[int(path.parent.name)] = sum(int(ticks) for ticks in fields[11:15])
    family = {pid}
    while more := {one for one, parent in parents.items() if parent in family} - family:
        family |= more
    # Of a process that cannot be seen, what it writes is all that is known.
    ticks = sum(used.get(one, 0) for one in family) if pid else 0
    sizes = [path.stat().st_size for path in (DPKG_LOG, dpkg.STATUS) if path.exists()]
    return f"{pid} {ticks} {sizes} {step()}"


def lock(path: Path) -> IO[str]:
    """Return a file with a lock on it, which holds as long as the file is open; wait a little while somebody has it."""
    deadline = time.monotonic() + CALL_SECONDS
    make_parents(path)
    file = path.open("a", encoding="ascii")
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise WaitingError(path, holder_of(file)) from error
            time.sleep(1)  # between two looks, as apt waits: only a signal would end a wait for the lock itself
        else:
            return file
