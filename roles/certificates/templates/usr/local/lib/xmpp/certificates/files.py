# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the certificates are, and how they are written so that services can read them."""

from __future__ import annotations

import contextlib
import grp
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic

HOME = Path("/etc/xmpp/certificates")
HOOKS = Path("/etc/xmpp/certificates.d")
WEBROOT = Path("/srv/xmpp/http")
GROUP = "xmpp-certificates"
CHAIN_MODE = 0o644
KEY_MODE = 0o640


LOOKING: list[bool] = []


class CertificateError(Exception):
    """What is wrong, in words for the operator."""


class DueError(Exception):
    """Something is to be changed, by who may only look."""


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Change nothing meanwhile: the first thing that would be changed raises DueError."""
    LOOKING.append(True)
    try:
        yield
    finally:
        LOOKING.pop()


def about_to_change() -> None:
    """Raise DueError if nothing may be changed. Called in front of each change that an update makes."""
    if LOOKING:
        raise DueError


def open_folder(folder: Path) -> bool:
    """Create a folder that services may enter, whatever the umask; return whether one existed that they could not."""
    folder.mkdir(exist_ok=True)
    if folder.stat().st_mode & 0o7777 == 0o755:
        return False
    folder.chmod(0o755)
    return True


def key_owner() -> tuple[int, int]:
    """Return the numbers of root and of the group that may read keys."""
    return 0, grp.getgrnam(GROUP).gr_gid


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace *path* in one step; a key is never readable by more than *mode* says."""
    about_to_change()
    open_folder(path.parent)
    younger = None
    if path.exists():
        # ejabberd reads a file again only if it is younger than the one it has read, by whole seconds.
        younger = max(int(time.time()), int(path.stat().st_mtime) + 1)
    atomic.write(path, content, mode, owner=key_owner() if mode == KEY_MODE else None, durable=True, modified=younger)


def in_use(domain: str) -> tuple[Path, Path]:
    """Return the paths of a domain's certificate and key."""
    return HOME / domain / "fullchain.pem", HOME / domain / "privkey.pem"


def install(domain: str, chain: bytes, key: bytes) -> bool:
    """Write a domain's certificate and key; return whether that changed anything."""
    changed = False
    for path, content, mode in zip(in_use(domain), (chain, key), (CHAIN_MODE, KEY_MODE), strict=True):
        if not path.exists() or path.read_bytes() != content:
            write(path, content, mode)
            changed = True
    return changed
