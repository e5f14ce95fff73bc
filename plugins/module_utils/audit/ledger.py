# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a find is expected: by an entry of the ledger, or by an administrator's current SSH session."""

from __future__ import annotations

import contextlib
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.finders import Find
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.forms import is_address

JOURNAL = "/run/log/journal"
SESSIONS = Path("/run/systemd/sessions")
# Whose lines of the journal name who logs in over ssh, until the sshd of our settings runs.
SSH_UNITS = ("ssh", "session-", "systemd-logind", "user@")
# Begins the names of the project's units. They log no person, so an entry for the journal does not excuse it.
OUR_UNITS = "xmpp-"
# A kind of find, and what an entry must say it holds to cover it. What people wrote can name anybody.
COVERED_BY = {
    "jid": {"jid", "content"},
    "ip": {"ip", "content"},
    "client": {"ip"},
    "text": {"jid", "content", "secret"},
}


def ssh_addresses() -> set[str]:
    """Return the addresses of the current SSH logins."""
    addresses = set()
    for one in SESSIONS.glob("*"):
        with contextlib.suppress(OSError):  # it has ended
            if one.is_file():
                told = dict(line.partition("=")[::2] for line in one.read_text(encoding="utf-8").splitlines())
                addresses.add(told.get("REMOTE_HOST", "").partition("%")[0])
    return {str(ipaddress.ip_address(address)) for address in addresses if is_address(address)}


def covers(pattern: str, path: str) -> bool:
    """Tell whether a pattern of the ledger matches this path or a folder that it is in."""
    wanted, given = pattern.rstrip("/").split("/"), path.split("/")
    return len(wanted) <= len(given) and all(map(fnmatchcase, given, wanted))


@dataclass
class Place:
    """A file or a folder in which something was found."""

    path: str
    finds: Counter[Find]

    def hits(self) -> dict[str, int]:
        """Return kind to number."""
        total: Counter[str] = Counter()
        for (kind, _), number in self.finds.items():
            total[kind] += number
        return dict(total)


@dataclass
class Ledger:
    """The entries, further units that log no person (what their names begin with), and who is logged in over ssh."""

    all_entries: list[dict[str, Any]]
    logs_nobody: tuple[str, ...]
    ssh: set[str] = field(default_factory=set)
    other_names: dict[str, str] = field(default_factory=dict)  # of folders, to the name that the ledger knows

    def entries(self, path: str) -> list[dict[str, Any]]:
        """Return the entries of the ledger that a file belongs to."""
        for other, name in self.other_names.items():
            if path == other or path.startswith(f"{other}/"):
                path = name + path.removeprefix(other)
        path, _, unit = path.partition(" of ") if path.startswith(JOURNAL + " of ") else (path, "", "")
        if unit.startswith((OUR_UNITS, *self.logs_nobody)):
            return []
        return [entry for entry in self.all_entries if any(covers(pattern, path) for pattern in entry["paths"])]

    def of_ssh(self, place: Place) -> Counter[Find]:
        """Return what is the address of somebody who is logged in over ssh, where that is noted."""
        path, _, unit = place.path.partition(" of ")
        if not (
            path.startswith(f"{SESSIONS}/") or (path.startswith(JOURNAL) and (not unit or unit.startswith(SSH_UNITS)))
        ):
            return Counter()
        own = {
            find: count for find, count in place.finds.items() if find[0] in ("ip", "client") and find[1] in self.ssh
        }
        return Counter(own)

    def known(self, place: Place) -> bool:
        """Tell whether the ledger covers everything that was found there, except the operator's own session."""
        holds = {kind for entry in self.entries(place.path) for kind in entry["holds"]}
        return all(holds & COVERED_BY[kind] for kind in Place(place.path, place.finds - self.of_ssh(place)).hits())

    def sent(self, path: str) -> str:
        """Return the name of the entry if the file is an upload: its entries hold nothing but content."""
        entries = self.entries(path)
        only = [entry["name"] for entry in entries if entry["holds"] == ["content"] and not entry["tables"]]
        return only[0] if len(entries) == len(only) and only else ""
