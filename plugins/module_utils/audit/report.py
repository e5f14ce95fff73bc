# SPDX-License-Identifier: GPL-3.0-or-later
"""Report the finds as rows for people and as data for programs; with names only on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.ledger import Place, covers
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.search import Audit
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, number, row

KINDS = {
    "jid": ("name", "names"),
    "ip": ("address", "addresses"),
    "client": ("client's address", "clients' addresses"),
    "text": ("match", "matches"),
}
SHOWN = 20
ADVICE = """The ledger does not list it. If the service wrote it, that is a bug in this project: please report it.
If you did, delete it when you no longer need it. -e names=true shows what was found."""
SWAP = "Switch it off, or encrypt it with a random key at each boot: man 5 crypttab, option swap."


def summary(places: Sequence[Place]) -> str:
    """Return in words how much was found."""
    total: Counter[str] = Counter()
    for place in places:
        total.update(place.hits())
    if not total:
        return "nothing found"
    kinds = [number(total[kind], *words) for kind, words in KINDS.items() if total[kind]]
    return f"{', '.join(kinds)} in {number(len(places), 'file', 'files')}"


def tell(places: Sequence[Place], names: bool) -> str:
    """Return what was found, if that is wanted, a line for each file."""
    if not names:
        return ""
    lines = []
    for place in places:
        values = sorted({value for _, value in place.finds})
        more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
        lines.append(f"{place.path}: {', '.join(values[:SHOWN])}{more}\n")
    return "".join(lines)


def masked(place: Place) -> str:
    """Return the path without the names in it."""
    path = place.path
    for _, value in place.finds:
        for part in (value, value.partition("@")[0]):
            path = path.replace(part, "…")
    return path


def rows(audit: Audit, *, names: bool) -> list[Row]:
    """Return the report: finds that the ledger covers, by its places, then each find that it does not cover."""
    told = []
    groups: dict[tuple[str, ...], list[str]] = {}
    for entry in audit.ledger.all_entries:
        if entry["paths"]:
            groups.setdefault(tuple(entry["paths"]), []).append(entry["name"])
    for paths, entries in groups.items():
        here = [
            place
            for place in audit.places
            if audit.ledger.known(place) and any(covers(one, place.path) for one in paths)
        ]
        unread = sum(audit.content[entry] for entry in entries)
        found = summary(here) + (f", {number(unread, 'uploaded file', 'uploaded files')}" if unread else "")
        told.append(row(" ".join(paths), PASS, f"{found} ({', '.join(entries)})", tell(here, names)))
    if logged_in := [Place(place.path, own) for place in audit.places if (own := audit.ledger.of_ssh(place))]:
        found = f"{summary(logged_in)}: current SSH logins, kept until the session ends"
        told.append(row("ssh", PASS, found, tell(logged_in, names)))
    for place in audit.places:
        if not audit.ledger.known(place):
            path = place.path if names else masked(place)
            told.append(row(path, FAIL, summary([place]), tell([place], names) + ADVICE))
    told.extend(row(path, WARN, f"cannot be read: {reason}.", "") for path, reason in audit.unreadable.items())
    told.extend(
        row(path, WARN, "swap: it can contain parts of the memory, unless it is encrypted.", SWAP)
        for path in sorted(audit.swap)
    )
    return told


def as_data(audit: Audit, *, names: bool) -> list[dict[str, Any]]:
    """Return the same for a program: each file with a find."""
    return [
        {
            "path": place.path if names else masked(place),
            "entries": [entry["name"] for entry in audit.ledger.entries(place.path)],
            "known": audit.ledger.known(place),
            "hits": place.hits(),
        }
        | ({"names": sorted({value for _, value in place.finds})} if names else {})
        for place in audit.places
    ]
