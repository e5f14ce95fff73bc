# SPDX-License-Identifier: GPL-3.0-or-later
"""Search a host: every file of its disk that a service can have written, and the journal."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO

from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.disk import (
    file_systems,
    own_folders,
    packaged,
    walk,
    written_by_roles,
)
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.finders import Find, Finder
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.ledger import JOURNAL, Ledger, Place, covers
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.reading import (
    has_checksum,
    journal_by_unit,
    search,
    search_file,
)

# Where an address need not be a person's: see the documentation of the module.
CONFIGURATION = (
    "/boot", "/etc", "/usr", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log/apt", "/var/log/dpkg.log",
)  # fmt: skip


@dataclass
class Audit:
    """What is looked for, and what was found."""

    ledger: Ledger
    everywhere: list[Finder]
    where_services_write: list[Finder]
    everything: bool
    places: list[Place] = field(default_factory=list)
    content: Counter[str] = field(default_factory=Counter)  # entry to number of files that were not read
    files: int = 0
    bytes: int = 0
    swap: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)  # path to reason

    def finders(self, path: str) -> list[Finder]:
        """Return what is looked for in this file."""
        if any(covers(folder, path) for folder in CONFIGURATION):
            return self.everywhere
        return self.everywhere + self.where_services_write

    def run(self) -> None:
        """Search the host."""
        elsewhere, self.swap = file_systems()
        brought = packaged()
        own = own_folders(pattern for entry in self.ledger.all_entries for pattern in entry["paths"])
        skipped = self.swap | (set() if self.everything else written_by_roles())
        for entry in walk("/", elsewhere):
            finds: Counter[Find] = Counter()
            finders = self.finders(entry.path)
            try:
                status = entry.stat(follow_symlinks=False)
                told = entry.name + (f"\n{os.readlink(entry.path)}" if stat.S_ISLNK(status.st_mode) else "")
                search(BytesIO(os.fsencode(told)), finders, finds)
                if (name := own.get((status.st_dev, status.st_ino), entry.path)) != entry.path:
                    self.ledger.other_names[entry.path] = name
                if stat.S_ISREG(status.st_mode) and entry.path not in skipped:
                    if not self.everything and (owner := self.ledger.sent(entry.path)):
                        self.content[owner] += 1
                    elif entry.path not in brought or (
                        self.everything and not has_checksum(entry.path, "md5", brought[entry.path])
                    ):
                        self.files += 1
                        self.bytes += search_file(entry.path, finders, finds)
            except FileNotFoundError:
                pass  # gone meanwhile
            except OSError as error:
                self.unreadable[entry.path] = str(error.strerror)
            if finds:
                self.places.append(Place(entry.path, finds))
        by_unit: dict[str, Counter[Find]] = {}
        for unit, data in journal_by_unit():
            search(BytesIO(data), self.everywhere + self.where_services_write, by_unit.setdefault(unit, Counter()))
        self.places += [Place(f"{JOURNAL} of {unit}", finds) for unit, finds in by_unit.items() if finds]
