# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of other servers, for the tests of the import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.lookup.prosody import LookupModule
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.import_export import (
    elements,
    files,
    prosody,
)

PIE = "urn:xmpp:pie:0"


def document(users: str, domain: str = "old.test", tag: str = "server-data") -> str:
    """A file's content."""
    return f"<{tag} xmlns='{PIE}'><host jid='{domain}'>{users}</host></{tag}>"


def file(folder: Path, content: str, name: str = "accounts.xml") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def sent(path: Path, old: str = "old.test", new: str = "new.test") -> dict[str, str]:
    """What goes to the host, by name."""
    return {name: elements.user(name, element, {old: new}) for name, element in files.read(path)[old].items()}


DATA = '["_data"] = { ["persistent"] = true; %s };'


# As Prosody 13 writes it, and as Prosody did before.
PEOPLE = '["anna@old.test"] = "owner"; ["_x@old.test"] = "admin"; ["evil.test"] = "outcast";'


ROOM = f'return {{ ["_jid"] = "%s"; {PEOPLE} %s }};\n'


OLD_ROOM = f'return {{ ["jid"] = "%s"; ["_affiliations"] = {{ {PEOPLE} }}; %s }};\n'


def stored(folder: Path, content: str, name: str = "garden", domain: str = "rooms%2eold%2etest") -> Path:
    """A folder with a Prosody's room."""
    path = folder / domain / "config" / f"{name}.dat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return folder


def rooms_in(folder: Path) -> list[dict[str, str]]:
    """The rooms in a folder."""
    found: list[dict[str, str]] = LookupModule().run(["rooms"], folder=folder)
    return found


def settings(**data: Any) -> dict[str, str]:
    """ejabberd's settings for those of a Prosody."""
    return {name: value for _, name, value in prosody.settings({"persistent": True, **data})[0]}
