# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the secrets: where they are, how those of earlier versions get there, and who can read them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic

SUFFIX = ".txt"
# What earlier versions wrote into the folder above, for all domains together.
OLD = re.compile(r"((account|demo)-.+(?<!\.txt)|backup|backup-ssh(\.pub)?|coturn|upload)")
LOCK = ".lock"


def places(folder: Path, name: str) -> list[Path]:
    """Return the files that may hold a secret: of the domain, then those of earlier versions."""
    return [folder / f"{name}{SUFFIX}", folder.parent / f"{name}{SUFFIX}", folder.parent / name]


def read(path: Path) -> str | None:
    """Return the secret in a file, None without one; raises AnsibleError with what is wrong about it."""
    try:
        return path.read_text(encoding="utf-8").rstrip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise AnsibleError(f"{path} is not UTF-8: {error.reason} in byte {error.start + 1}") from error
    except OSError as error:
        raise AnsibleError(f"{path} cannot be read: {error.strerror}") from error


def find(folder: Path, name: str) -> tuple[Path, str] | None:
    """Return the file that holds a secret, and the secret."""
    for path in places(folder, name):
        if (secret := read(path)) is not None:
            return path, secret
    return None


def owner_in(folder: Path) -> tuple[int, int] | None:
    """Return to whom what root makes there, after sudo, must belong: to whom the folder belongs."""
    return (folder.stat().st_uid, folder.stat().st_gid) if os.geteuid() == 0 else None


def own(path: Path) -> None:
    """Give what root has made, after sudo, to whom the folder belongs that it lies in."""
    if owner := owner_in(path.parent):
        os.chown(path, *owner)


def make_folder(folder: Path) -> None:
    """Make a folder for nobody else, and those above."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        own(folder)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep others from writing secrets: Ansible looks after several hosts at once."""
    make_folder(root)
    path = root / LOCK
    with path.open("a", encoding="ascii") as stream:
        if stream.tell() == 0 and path.stat().st_uid == os.geteuid():
            path.chmod(0o600)
            own(path)
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all, for nobody else to read; until then its name begins with a dot."""
    make_folder(path.parent)
    atomic.write(path, text.encode(), owner=owner_in(path.parent), durable=True)


def write_ssh_key(path: Path, comment: str) -> None:
    """Write a new ssh key and, before it, the public one."""
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        key = Path(folder) / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AnsibleError(f"ssh-keygen created no key: {done.stderr.strip()}")
        public, private = (one.read_text(encoding="ascii") for one in (key.with_suffix(".pub"), key))
    write(path.with_name(f"{path.stem}.pub{SUFFIX}"), public)
    write(path, private)


def move(folder: Path, everybody: Iterable[Path], *, claim: bool) -> list[str]:
    """Move what an earlier version wrote, for all domains together, into the folders of the domains; return what moved.

    *folder* has them from now on if it may *claim* them. They are gone above once *everybody* has a folder, and not
    before a copy is in one of these. Wherever this is interrupted, each secret is in one place at least, whole.
    """
    root = folder.parent
    moved = []
    with locked(root):
        for path in sorted(root.iterdir()):
            if path.is_file() and OLD.fullmatch(path.name):
                target = path.with_name(path.name + SUFFIX)
                if target.exists() and read(target) != read(path):
                    raise AnsibleError(f"{path} and {target} differ: delete the one that is not in use")
                path.replace(target)
        shared = [path for path in sorted(root.glob(f"*{SUFFIX}")) if OLD.fullmatch(path.name.removesuffix(SUFFIX))]
        for path in shared if claim else ():
            if not (folder / path.name).exists():
                write(folder / path.name, path.read_text(encoding="utf-8"))
                moved.append(path.name)
        for path in shared:
            folders = list(everybody)
            if all(one.is_dir() for one in folders) and any(read(one / path.name) == read(path) for one in folders):
                path.unlink()
    return moved


def existing(path: Path) -> Path:
    """Return the path, or what there is of it; raises PermissionError where one may not look."""
    while path != path.parent:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            path = path.parent
        else:
            break
    return path


def access_mistake(root: Path, folder: Path, *, writing: bool) -> str | None:
    """Return why who runs Ansible cannot read secrets, or write them, to follow "xmpp_secrets_dir is …, which"."""
    try:
        there = existing(root)
        if there != root:
            shut = writing and not os.access(there, os.W_OK | os.X_OK)
            return f"the account {user()} cannot make: {there} is {owner(there)}'s" if shut else None
        for place in (root, folder):
            if place.is_dir():
                if not os.access(place, os.R_OK | os.X_OK | (os.W_OK if writing else 0)):
                    return closed(place)
                for path in sorted(place.iterdir()):
                    if OLD.fullmatch(path.name.removesuffix(SUFFIX)) and not os.access(path, os.R_OK):
                        return closed(path)
    except PermissionError as error:
        there = Path(error.filename)
        while not os.access(there, os.F_OK) and there != there.parent:
            there = there.parent
        return f"the account {user()} cannot use: {there} is shut. Name a folder of its own"
    return None


def closed(path: Path) -> str:
    """Say that somebody else's file or folder is shut, and what opens it."""
    return (
        f"the account {user()} cannot use: {path} is {owner(path)}'s (did site.yml run with sudo before?). Go on with "
        f"sudo, or take it over: sudo chown -R {user()}: {path}"
    )


def user() -> str:
    """Return the name of who runs Ansible."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def owner(path: Path) -> str:
    """Return the name of whom a file belongs to, as far as one may know."""
    try:
        return path.owner()
    except (OSError, KeyError):
        return "another account"
