# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots that restic lists: their order, which are a complete backup, which have expired."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Any


def number(snapshot: dict[str, Any]) -> int:
    """Return the number of a snapshot in the order of creation; 0 for those from before numbers were given."""
    found = [re.fullmatch(r"made-(\d+)", tag) for tag in snapshot["tags"] or ()]
    return max((int(match[1]) for match in found if match), default=0)


def in_order(snapshots: Iterable[dict[str, Any]], domain: str) -> list[dict[str, Any]]:
    """Return a domain's snapshots in the order of creation, even if the clock was wrong."""
    ours = (one for one in snapshots if one["hostname"] == domain)
    return sorted(ours, key=lambda one: (number(one), str(one["time"])))


def complete(snapshots: Iterable[dict[str, Any]], domain: str) -> dict[str, dict[str, str]]:
    """Return a domain's complete backups in the order of creation: time to the ids of "files" and "database"."""
    found: dict[str, dict[str, str]] = {}
    for one in in_order(snapshots, domain):
        found.setdefault(one["time"], {}).update(dict.fromkeys(one["tags"] or (), one["id"]))
    return {time: ids for time, ids in found.items() if {"files", "database"} <= ids.keys()}


def newest(snapshots: Iterable[dict[str, Any]], domain: str) -> set[str]:
    """Return the ids of a domain's newest complete backup; none if there is no such backup."""
    return {one for ids in list(complete(snapshots, domain).values())[-1:] for one in ids.values()}


def creation_times(
    snapshots: Iterable[dict[str, Any]], domain: str, now: datetime.datetime
) -> dict[str, datetime.datetime]:
    """Return when each snapshot of a domain was created.

    A snapshot with a time in the future, or before that of an earlier one, was created with a wrong clock: it counts
    as created together with the next one.
    """
    times: list[tuple[str, datetime.datetime | None]] = []
    latest = None
    for one in in_order(snapshots, domain):
        time = datetime.datetime.fromisoformat(one["time"])
        fits = time <= now + datetime.timedelta(hours=1) and (latest is None or latest <= time)
        latest = time if fits else latest
        times.append((one["id"], time if fits else None))
    found, following = {}, now
    for name, when in reversed(times):
        following = when or following
        found[name] = following
    return found


def limit(days: int, now: datetime.datetime) -> datetime.datetime:
    """Return the time before which a snapshot has expired.

    Counted by the calendar and not from the newest snapshot, which may be long ago. Half a day less, so that no
    snapshot stays a day longer because of a few minutes.
    """
    return now - datetime.timedelta(days=days, hours=-12)


def expired(snapshots: list[dict[str, Any]], domain: str, days: int, now: datetime.datetime) -> list[str]:
    """Return the ids of a domain's snapshots that are older than *days*, except the newest complete backup."""
    kept, times = newest(snapshots, domain), creation_times(snapshots, domain, now)
    before = limit(days, now)
    return [
        one["id"] for one in snapshots if one["id"] in times and one["id"] not in kept and times[one["id"]] < before
    ]


def expired_of_former_domains(
    snapshots: list[dict[str, Any]], former: dict[str, str], days: int, now: datetime.datetime
) -> tuple[list[str], dict[str, str]]:
    """Return the ids of expired snapshots of *former* domains of this service, and the domains that have others.

    *former* says when this service made the last backup of each domain: a later snapshot is of another host, which has
    the domain now.
    """
    before = limit(days, now)
    gone, remain = [], {}
    for domain, last in former.items():
        until = datetime.datetime.fromisoformat(last)
        times = creation_times(snapshots, domain, now)
        ours = [one["id"] for one in in_order(snapshots, domain) if times[one["id"]] <= until]
        old = [name for name in ours if times[name] < before]
        gone += old
        if len(old) < len(ours):
            remain[domain] = last
    return gone, remain
