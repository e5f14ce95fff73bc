# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' files on a host: what stands there, and how all are put back while no service has taken the new ones."""

from __future__ import annotations

import base64
import contextlib
import grp
import hashlib
import json
import os
import pwd
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.atomic import write

# One file a role says what the role has installed (NAME.json), another one, as long as a run has not come to its end
# well, what stood there before (NAME.before).
MANIFESTS = Path("/var/lib/xmpp/tree")
STAMPS = Path("/var/lib/systemd/timers")
SYSTEMD = "/etc/systemd/system/"
# What a file says that a role has written (ansible_managed).
MANAGED = "Managed by Ansible: changes made here are lost"


@dataclass(frozen=True)
class Found:
    """What stands at a path now."""

    content: bytes
    uid: int
    gid: int
    mode: int


def boot_id() -> str:
    """Identify this boot: systemd's monotonic timestamps compare within one only."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def find(path: Path) -> Found | None:
    """Return the regular file at *path*, None if there is none."""
    if path.is_symlink() or not path.is_file():
        return None
    status = path.stat()
    return Found(path.read_bytes(), status.st_uid, status.st_gid, status.st_mode & 0o7777)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write what only root may read."""
    write(path, json.dumps(value, indent=1).encode(), 0o600, owner=(os.getuid(), os.getgid()))


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what was written; None of what is not there, or is what a power cut left of it."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return value
    return None


def manifest_of(role: str) -> dict[str, Any]:
    """Return what a role has installed. Without a manifest, or with what a power cut left of it: nothing."""
    empty: dict[str, Any] = {"files": {}, "directories": [], "boot": boot_id(), "changed": {}}
    found = read_json(MANIFESTS / f"{role}.json") or empty
    # Before a reboot: every unit has been started since.
    return found if found.get("boot") == boot_id() else found | {"boot": boot_id(), "changed": {}}


def written() -> set[str]:
    """Return the paths that roles have installed, or had begun to install when they were interrupted."""
    paths = set()
    for path in [*MANIFESTS.glob("*.json"), *MANIFESTS.glob("*.before")]:
        paths |= set((read_json(path) or {"files": {}})["files"])
    return paths


def digest(files: Iterable[tuple[str, str, str, str, int]]) -> str:
    """Return one checksum of a role's files: path, checksum of the content, owner, group and mode of each."""
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()


def digests() -> dict[str, str]:
    """Return one of each role's files, as they stand, where its last run has written what is there.

    None of a role that lacks a file, has one that somebody has changed, or shares one with another role.
    """
    manifests = {path.stem: manifest_of(path.stem)["files"] for path in MANIFESTS.glob("*.json")}
    owners = Counter(path for files in manifests.values() for path in files)
    result = {}
    for role, files in manifests.items():
        found = {path: find(Path(path)) for path in files if owners[path] == 1}
        rows = [
            (path, files[path], *names(one.uid, one.gid), one.mode)
            for path, one in found.items()
            if one and hashlib.sha256(one.content).hexdigest() == files[path]
        ]
        if files and len(rows) == len(files):
            result[role] = digest(rows)
    return result


def names(uid: int, gid: int) -> tuple[str, str]:
    """Return the names of an owner and a group, or the numbers of those that have none."""
    owner, group = str(uid), str(gid)
    with contextlib.suppress(KeyError):
        owner = pwd.getpwuid(uid).pw_name
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(gid).gr_name
    return owner, group


def make_parents(path: Path) -> list[str]:
    """Create the missing parents of *path* (root, 0755) and return them, outermost first."""
    missing = []
    parent = path.parent
    while not parent.exists():
        missing.append(parent)
        parent = parent.parent
    for directory in reversed(missing):
        directory.mkdir()
        directory.chmod(0o755)  # whatever the umask
    return [str(directory) for directory in reversed(missing)]


def put_back(before: Mapping[Path, Found | None], made: Iterable[str]) -> None:
    """Make files what they were, and remove the folders that were *made* since."""
    for path in (path for path, found in before.items() if found is None):
        # A folder may be in its place, or a file in the place of its folder.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
            path.unlink()
    remove_empty(made)
    for path, found in before.items():
        if found is not None:
            make_parents(path)
            write(path, found.content, found.mode, owner=(found.uid, found.gid))


def remove_empty(directories: Iterable[str]) -> list[str]:
    """Remove those that nobody has anything in, and return the others, in order."""
    kept = []
    for directory in sorted(set(directories), reverse=True):
        try:
            os.rmdir(directory)
        except OSError:
            if os.path.isdir(directory):
                kept.append(directory)
    return sorted(kept)


def remember(name: str, before: Mapping[Path, Found | None]) -> None:
    """Keep what a role is about to change. What is kept already is older: no service has taken what came after it."""
    kept = MANIFESTS / f"{name}.before"
    value = read_json(kept) or {"manifest": read_json(MANIFESTS / f"{name}.json"), "files": {}}
    for path, found in before.items():
        if found is None:
            value["files"].setdefault(str(path), None)
        elif str(path) not in value["files"]:
            value["files"][str(path)] = [base64.b64encode(found.content).decode(), found.uid, found.gid, found.mode]
    write_json(kept, value)


def accept() -> None:
    """The services have taken the files: forget what stood there before."""
    for kept in MANIFESTS.glob("*.before"):
        kept.unlink()


def refuse() -> None:
    """Put back the files of all roles, since a service does not take the new ones; raises OSError."""
    reload, units = False, []
    for kept in sorted(MANIFESTS.glob("*.before")):
        value = read_json(kept)
        if value is None:  # what a power cut left: every service was started since
            kept.unlink()
            continue
        before = {
            Path(path): None if entry is None else Found(base64.b64decode(entry[0]), *entry[1:])
            for path, entry in value["files"].items()
        }
        reload = reload or any(str(path).startswith(SYSTEMD) for path in before)
        # Stopped and disabled when its file was removed.
        units += [
            path.name
            for path, found in before.items()
            if f"{path.parent}/" == SYSTEMD and found and b"[Install]" in found.content and not path.exists()
        ]
        manifest = kept.with_suffix(".json")
        old = value["manifest"] or {"directories": []}
        put_back(before, {*(read_json(manifest) or old)["directories"]} - {*old["directories"]})
        if value["manifest"] is None:
            manifest.unlink(missing_ok=True)
        else:
            write_json(manifest, old)
        kept.unlink()
    if reload:
        subprocess.run(["systemctl", "daemon-reload"], check=False)
    if units:
        subprocess.run(["systemctl", "enable", "--now", "--quiet", *units], check=False)
