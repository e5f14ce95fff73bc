# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete what has expired: backups in the repository, and what restores have left on the host."""

from __future__ import annotations

import contextlib
import datetime
from typing import Any

import clock

from . import exchange, files, paths, snapshots
from .errors import KeptError
from .repository import Repository


def age_in_hours(moment: float) -> int:
    """Return how long ago a time (seconds since 1970) is."""
    return int((datetime.datetime.now(datetime.UTC).timestamp() - moment) / 3600)


def check_clock(listed: list[dict[str, Any]], settings: dict[str, Any], old: list[str]) -> None:
    """Raise KeptError if the clock may be wrong."""
    seen, now = clock.current(), datetime.datetime.now(datetime.UTC)
    kept = snapshots.newest(listed, settings["domain"])
    times = snapshots.creation_times(listed, settings["domain"], now)
    others = [when for name, when in times.items() if name not in kept]
    # The program started long ago: a backup was made since.
    seen.wall = now.timestamp()
    reason = clock.doubt(seen, "backups", settings["days"], max(others).timestamp() if old and others else None)
    with contextlib.suppress(OSError):  # in a sandbox without the file
        clock.write(seen)
    if reason:
        raise KeptError(reason)


def delete_expired(repository: Repository, settings: dict[str, Any], status: dict[str, Any]) -> None:
    """Delete expired backups, also of former domains of this service; raises KeptError if the clock may be wrong."""
    listed, now = repository.snapshots(), datetime.datetime.now(datetime.UTC)
    old = snapshots.expired(listed, repository.domain, settings["days"], now)
    check_clock(listed, settings, old)
    former = {domain: last for domain, last in status["former"].items() if domain != repository.domain}
    if snapshots.complete(listed, repository.domain):
        gone, former = snapshots.expired_of_former_domains(listed, former, settings["days"], now)
        old += gone
    if old:
        repository.call("forget", *old)
    # All of it, whatever that costs: users were told that it is deleted.
    repository.call("prune", "--max-unused", "0")
    status["former"] = former


def delete_leftovers(settings: dict[str, Any]) -> None:
    """Delete what unfinished restores have left, and the rules for restored uploads once all of these have expired."""
    if clock.doubt(clock.current(), "backups", settings["days"], None):
        return
    for path, days in ((paths.STAGED, 1), (paths.ASIDE, settings["days"]), (paths.EXPIRY, settings["upload_days"])):
        if path.exists() and age_in_hours(path.stat().st_mtime) >= days * 24:
            if path != paths.ASIDE:
                files.remove(path)
            elif not paths.HALF.exists():
                exchange.delete_replaced()
