# SPDX-License-Identifier: GPL-3.0-or-later
"""List the files of the host, and which of them came from packages or roles."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.reading import has_checksum

PACKAGES = Path("/var/lib/dpkg/info")
# Of the file systems without a device of their own, those that hold files of this host.
STORAGE = ("overlay", "ramfs", "tmpfs", "zfs")


def file_systems() -> tuple[set[str], set[str]]:
    """Return where file systems are mounted that hold no files of this host, and where swap is."""
    nodev = {
        line.split()[1]
        for line in Path("/proc/filesystems").read_text(encoding="utf-8").splitlines()
        if line.startswith("nodev")
    } - set(STORAGE)
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines())
    elsewhere = {mount[1].replace("\\040", " ") for mount in mounts if mount[2] in nodev}
    return elsewhere, {line.split()[0] for line in Path("/proc/swaps").read_text(encoding="utf-8").splitlines()[1:]}


def walk(folder: str, without: set[str]) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder but what is in others; what vanishes meanwhile is left out."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.path in without:
                continue
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path, without)


def packaged() -> dict[str, str]:
    """Return the files below /usr that packages brought, with their checksums (MD5)."""
    return {
        f"/{path}": checksum
        for one in PACKAGES.glob("*.md5sums")
        for checksum, path in (line.split(None, 1) for line in one.read_text(encoding="utf-8").splitlines())
        if path.startswith("usr/")
    }


def written_by_roles() -> set[str]:
    """Return the files that the roles wrote from the settings, as they wrote them."""
    return {
        path
        for manifest in tree_files.MANIFESTS.glob("*.json")
        for path, checksum in (tree_files.read_json(manifest) or {"files": {}})["files"].items()
        if has_checksum(path, "sha256", checksum)
    }


def own_folders(patterns: Iterable[str]) -> dict[tuple[int, int], str]:
    """Return the folders that patterns of the ledger name, and those they are in, by what tells them from all others.

    The same folder may be met under another name: where a link leads (/srv on another disk), or what is mounted there.
    """
    found = {}
    for pattern in patterns:
        for folder in [Path(pattern), *Path(pattern).parents]:
            with contextlib.suppress(OSError):
                status = folder.stat()
                if stat.S_ISDIR(status.st_mode) and len(folder.parts) > 2:
                    found[status.st_dev, status.st_ino] = str(folder)
    return found
