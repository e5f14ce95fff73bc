# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of another server that are imported, and exported again."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from .service import Service

OLD = "old.test"


@dataclass
class Transfer:
    """Imports and exports accounts; those that were imported are deleted at the end."""

    service: Service
    folder: Path
    names: list[str] = field(default_factory=list)

    def name(self) -> str:
        """One that nobody has."""
        self.names.append(f"imported-{secrets.token_hex(4)}")
        return self.names[-1]

    def import_file(self, file: Path, *words: str) -> str:
        """What import.yml says, in one line."""
        words = (f"file={file}", f"domain={OLD}", f"into={self.service.domain}", *words)
        done = self.service.run_playbook("import", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.sub(r"\s+", " ", done.stdout)

    def export(self, name: str) -> ET.Element:
        """What export.yml writes of an account."""
        file = self.folder / f"{secrets.token_hex(4)}.xml"
        done = self.service.run_playbook("export", f"user={name}", f"file={file}")
        assert done.returncode == 0, done.stdout + done.stderr
        return ET.parse(file).getroot()


def contacts(document: ET.Element) -> dict[str, tuple[str, str, bool, list[str]]]:
    """How somebody stands to each contact: who sees whom, who was asked, who asks, and the groups."""
    asking: dict[str, tuple[str, str, bool, list[str]]] = {
        one.get("from", ""): ("none", "", True, []) for one in document.iter("{jabber:client}presence")
    }
    return asking | {
        one.get("jid", ""): (
            one.get("subscription", "none"),
            one.get("ask", ""),
            one.get("jid", "") in asking,
            [group.text or "" for group in one],
        )
        for one in document.iter("{jabber:iq:roster}item")
    }


def roster(*items: str) -> str:
    """A list of contacts."""
    return f"<query xmlns='jabber:iq:roster'>{''.join(items)}</query>"


def write(folder: Path, users: dict[str, str], password: str = "password='good one'") -> Path:
    """A file with accounts of the old server, each with what belongs to it."""
    inside = "".join(f"<user name='{name}' {password}>{data}</user>" for name, data in users.items())
    path = folder / "accounts.xml"
    path.write_text(f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{OLD}'>{inside}</host></server-data>", "utf-8")
    return path
