# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace a file in one step, so that no reader ever sees half of one or a wide mode."""

from __future__ import annotations

import os
from pathlib import Path


def write(
    path: Path,
    content: bytes,
    mode: int = 0o600,
    *,
    owner: tuple[int, int] | None = None,
    durable: bool = False,
    modified: float | None = None,
) -> None:
    """Put *content* at *path*: whole, or, if that fails, not at all. Until then its name begins with a dot.

    *owner* is the number of the account and of the group. What is *durable* is on the disk before it takes the place
    of what was there: after a power cut, there is one of the two; on an SD card, it takes seconds. *modified* is the
    time that it shows.
    """
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")  # not tempfile: it takes long to load on a small host
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if owner is not None:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)  # whatever the umask
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
            if modified is not None:
                os.utime(stream.fileno(), (modified, modified))
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
