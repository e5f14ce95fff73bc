# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange the data of the service for that of a backup, and the other way round, so that it can be interrupted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from . import files, paths


def replaced(about: dict[str, Any]) -> dict[Path, Path | None]:
    """Return each path that a backup replaces, and where its new content is."""
    found: dict[Path, Path | None] = {Path(path): paths.STAGED / "files" / path.lstrip("/") for path in about["paths"]}
    found |= {paths.DATABASE.with_name(paths.DATABASE.name + suffix): None for suffix in ("-wal", "-shm")}
    found[paths.DATABASE] = paths.STAGED / "xmpp.db"
    if (paths.STAGED / "expiry").exists():
        found[paths.EXPIRY] = paths.STAGED / "expiry"
    # The folder that a disk is mounted on cannot be moved, what is in it can.
    for path in [path for path in found if path.is_mount()]:
        source = found.pop(path) or paths.STAGED / "nothing"
        names = {one.name for folder in (path, source) if folder.is_dir() for one in folder.iterdir()}
        found |= {path / name: source / name for name in sorted(names - {"lost+found"})}
    return found


def aside(path: Path) -> Path:
    """Return where the data of a path is kept during a restore."""
    return paths.ASIDE / "files" / str(path).lstrip("/")


def exchange(new: dict[Path, Path | None]) -> None:
    """Move the data of the service aside and the new data in its place; put_back reverts it at any point."""
    files.remove(paths.ASIDE)
    paths.ASIDE.mkdir(mode=0o700)
    begun = paths.ASIDE / "begun.json"
    begun.write_text(json.dumps({str(path): os.path.lexists(path) for path in new}), encoding="utf-8")
    os.sync()
    begun.rename(paths.HALF)
    (paths.STAGED / "about.json").unlink()  # from here on it is not complete any more
    os.sync()
    for path in new:
        if os.path.lexists(path):
            files.move(path, aside(path))
    os.sync()
    for path, source in new.items():
        if source is not None and os.path.lexists(source):
            files.move(source, path)
    os.sync()
    paths.HALF.rename(paths.LIST)
    os.sync()
    files.remove(paths.STAGED)


def put_back() -> bool:
    """Put back what was moved aside, wherever the exchange or this was interrupted; return whether there was any."""
    if paths.LIST.exists():
        paths.LIST.rename(paths.HALF)
        os.sync()
    if not paths.HALF.exists():
        return False
    existed = json.loads(paths.HALF.read_text(encoding="utf-8"))
    for path in map(Path, existed):
        if os.path.lexists(aside(path)):
            files.remove(path)
            files.move(aside(path), path)
        elif not existed[str(path)]:
            files.remove(path)
        # The others were not moved yet, or are back already.
        for ending in (files.PART, files.GONE):
            files.remove(path.with_name(path.name + ending))
    os.sync()
    delete_replaced()
    return True


def delete_replaced() -> None:
    """Delete what was moved aside, the list first: without it, the rest is never taken for complete."""
    paths.LIST.unlink(missing_ok=True)
    paths.HALF.unlink(missing_ok=True)
    os.sync()
    files.remove(paths.ASIDE)
