# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one role on a host: compared with what is wanted, written, removed, handed over to another role."""

from __future__ import annotations

import base64
import grp
import hashlib
import os
import pwd
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.atomic import write
from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import (
    SYSTEMD,
    find,
    make_parents,
    manifest_of,
    put_back,
    remove_empty,
    write_json,
)


class TreeError(Exception):
    """What is wrong, in words for the operator."""


@dataclass(frozen=True)
class File:
    """One wanted file."""

    path: Path
    content: bytes
    owner: str
    group: str
    mode: int

    @property
    def ids(self) -> tuple[int, int]:
        """Numeric owner and group; raises KeyError for an account that the host does not have (yet)."""
        return pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid


def content_of(entry: dict[str, Any]) -> bytes | None:
    """Return the wanted content: as it was sent, or, by its checksum, as it stands here; None if it does not."""
    if entry["content"] is not None:
        return base64.b64decode(entry["content"])
    found = find(Path(entry["path"]))
    return found.content if found and hashlib.sha256(found.content).hexdigest() == entry["sha256"] else None


def run(command: list[str]) -> str:
    """Run *command* and return what it printed; raises TreeError with its words if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise TreeError(f"{command[0]} is not installed: run site.yml without --tags") from error
    if done.returncode:
        raise TreeError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Tree:
    """The files of one role on this host."""

    def __init__(self, name: str, files: list[File], heirs: dict[str, str] | None = None) -> None:
        """Compare with what is there; *heirs* says which role a file that is not wanted any more has moved to."""
        self.files = files
        self.name = name
        self.manifest_path = tree_files.MANIFESTS / f"{name}.json"
        self.manifest = manifest_of(name)
        others = {path.stem: manifest_of(path.stem) for path in tree_files.MANIFESTS.glob("*.json")}
        others.pop(name, None)
        wanted = {str(file.path) for file in files}
        # Installed by a role that had the file before, or that was called otherwise.
        self.taken = {path: role for role, one in others.items() for path in one["files"] if path in wanted}
        self.files_before = {path: others[role]["files"][path] for path, role in self.taken.items()}
        self.files_before |= self.manifest["files"]
        claimed = {path for one in others.values() for path in one["files"]}
        left = [path for path in sorted(self.manifest["files"]) if path not in wanted and os.path.lexists(path)]
        self.handed = {path: heirs[path] for path in left if heirs and path in heirs and path not in claimed}
        self.gone = [Path(path) for path in left if path not in claimed and path not in self.handed]
        parents = {str(parent) for path in self.gone for parent in path.parents}
        # Folders that another role has made, and may not need any more.
        self.foreign_folders = {
            folder for one in others.values() for folder in one["directories"] if folder in parents or not one["files"]
        }
        self.before = {path: find(path) for path in [*self.gone, *(file.path for file in files)]}
        self.differing = [file for file in files if self.differs(file)]

    def differs(self, file: File) -> bool:
        """Tell whether content, owner or mode of a file are not as wanted."""
        found = self.before[file.path]
        if found is None or found.content != file.content or found.mode != file.mode:
            return True
        if self.files_before.get(str(file.path)) != hashlib.sha256(file.content).hexdigest():
            return True  # written by a run that was interrupted before it could say so
        try:
            return (found.uid, found.gid) != file.ids
        except KeyError:  # the account comes with a package that check mode has not installed
            return True

    @property
    def paths(self) -> list[str]:
        """Everything that is to be written or removed."""
        return [str(file.path) for file in self.differing] + [str(path) for path in self.gone]

    def diff(self) -> list[dict[str, str]]:
        """Return before and after of every change; contents only of what anybody on the host may read."""
        after: dict[Path, tuple[bytes, int]] = {file.path: (file.content, file.mode) for file in self.differing}
        rows = []
        for path in [*after, *self.gone]:
            found = self.before[path]
            old = (found.content, found.mode) if found else (b"", 0o644)
            new = after.get(path, (b"", 0o644))
            secret = not (old[1] & new[1] & 0o004)
            texts = []
            for content, mode in (old, new):
                text = content.decode("utf-8", "replace")
                if secret or b"\0" in content:
                    text = f"(sha256 {hashlib.sha256(content).hexdigest()[:16]})\n" if content else ""
                texts.append(text if old[1] == new[1] else f"# mode {mode:04o}\n{text}")
            rows.append({"before_header": str(path), "after_header": str(path), "before": texts[0], "after": texts[1]})
        return rows

    @property
    def moving(self) -> bool:
        """Whether files are handed over between roles, which is no change on the host."""
        return bool(self.taken or self.handed)

    def hand_over(self) -> None:
        """Write down whose the files are now, and when they changed.

        If this is interrupted, the next run makes up for it: a file that two roles claim is removed by neither.
        """
        moves = [(path, role, self.name) for path, role in self.taken.items()]
        moves += [(path, self.name, role) for path, role in self.handed.items()]
        roles = {role for _, *both in moves for role in both} - {self.name}
        manifests = {role: manifest_of(role) for role in roles} | {self.name: self.manifest}
        for role in roles:
            tree_files.remember(role, {})
        for path, source, target in moves:
            old, new = manifests[source], manifests[target]
            new["files"][path] = old["files"].pop(path)
            if path in old["changed"]:
                new["changed"][path] = old["changed"].pop(path)
        if moves:
            write_json(self.manifest_path, self.manifest)
        for role in roles:
            write_json(tree_files.MANIFESTS / f"{role}.json", manifests[role])

    def apply(self, validate: list[list[str]], *, keep: bool = True) -> None:
        """Write and remove; put everything back and raise TreeError if *validate* does not like it.

        What was there is kept until the services have taken what comes, unless they have been asked already.
        """
        make_parents(self.manifest_path)
        if keep:
            tree_files.remember(self.name, {Path(path): self.before[Path(path)] for path in self.paths})
        self.hand_over()
        directories = {*self.manifest["directories"]}
        made: list[str] = []
        leaving = [path.name for path in self.gone if str(path.parent) + "/" == SYSTEMD]
        if leaving:
            run(["systemctl", "disable", "--now", "--quiet", *leaving])
        for name in leaving:  # of a timer, when it last ran
            (tree_files.STAMPS / f"stamp-{name}").unlink(missing_ok=True)
        try:
            for path in self.gone:
                path.unlink()
            # Accounts and directories first: the files that follow may belong to them.
            for file in sorted(self.differing, key=lambda file: not str(file.path).startswith("/etc/sysusers.d/")):
                if file.path.is_dir():  # whose files are gone
                    remove_empty(directories)
                made += make_parents(file.path)
                try:
                    owner = file.ids
                except KeyError as error:
                    raise TreeError(
                        f"{file.path} is to belong to {file.owner}:{file.group}, which the host does not have: "
                        f"run site.yml without --tags, a package makes it"
                    ) from error
                # Not durable: the next run puts right what a power cut took.
                write(file.path, file.content, file.mode, owner=owner)
                if str(file.path).startswith("/etc/sysusers.d/"):
                    run(["systemd-sysusers", str(file.path)])
            tmpfiles = [path for path in self.paths if path.startswith("/etc/tmpfiles.d/") and os.path.exists(path)]
            if tmpfiles:
                run(["systemd-tmpfiles", "--create", *tmpfiles])
            for command in validate if self.files and self.paths else []:
                run(command)
        except (TreeError, OSError):
            put_back(self.before, made)
            raise
        remove_empty(self.foreign_folders)
        stamp = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.manifest |= {
            "files": {str(file.path): hashlib.sha256(file.content).hexdigest() for file in self.files},
            "directories": remove_empty(directories | {*made}),
            "changed": self.manifest["changed"] | dict.fromkeys(self.paths, stamp),
        }
        # Kept also when no file is left: what read the removed ones must be restarted.
        write_json(self.manifest_path, self.manifest)
        if any(path.startswith(SYSTEMD) for path in self.paths):
            run(["systemctl", "daemon-reload"])
