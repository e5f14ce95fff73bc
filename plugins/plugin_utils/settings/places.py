# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value comes from: what Ansible knows about it, and what the text of the inventory shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import (
    COMMAND_LINE,
    INI,
    INI_HOST,
    JSON,
    YAML,
)

Keys = tuple[str | int, ...]  # the way to a value: the setting, then list indexes (from 0) and keys

ON_COMMAND_LINE = "the command line (-e)"
YAML_SUFFIXES = (".yml", ".yaml", ".json")


def is_vaulted(value: Any) -> bool:
    """Whether the value, or a part of it, was encrypted. Tags are internal to ansible-core, so they may be missing."""
    try:
        from ansible._internal._datatag._tags import VaultedValue
        from ansible.parsing.vault import EncryptedString
    except ImportError:
        return False
    if isinstance(value, Mapping):
        return any(is_vaulted(item) for item in value.values())
    if isinstance(value, list):
        return any(is_vaulted(item) for item in value)
    return isinstance(value, EncryptedString) or VaultedValue.is_tagged_on(value)


def origin_of(value: Any) -> tuple[str | None, int | None, str | None]:
    """Return the file and the line that a value or key was written in, or else a description of its source."""
    try:
        from ansible._internal._datatag._tags import Origin
    except ImportError:
        return None, None, None
    origin = Origin.get_tag(value)
    return (origin.path, origin.line_num, origin.description) if origin else (None, None, None)


class Places:
    """Finds where the operator can change a value."""

    def __init__(
        self,
        variables: Mapping[str, Any],
        defaults_dir: Path,
        extra: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Take the host's variables, the folder with the defaults, and what -e sets: the variables, and as written."""
        self.variables = variables
        # Playbooks find the roles by a link.
        self.defaults_dir = defaults_dir.resolve()
        self.extra = extra or {}
        self.options = options

    def find(self, keys: Keys) -> str:
        """Return file and line of the innermost part that is known, or else the inventory."""
        name = str(keys[0])
        # What -e sets is in force, wherever else the setting is. True and null carry no origin, but their keys do.
        holders: list[Any] = [self.extra if name in self.extra else self.variables]
        for key in keys:
            try:
                holders.append(holders[-1][key])
            except (LookupError, TypeError):
                break
        for depth in range(len(holders) - 1, 0, -1):
            for candidate in (key_in(holders[depth], keys[depth : depth + 1]), holders[depth]):
                if place := self.readable(*origin_of(candidate)):
                    return place
        if name in self.extra:
            return self.readable(*origin_of(key_in(self.extra, keys))) or ON_COMMAND_LINE
        path = origin_of(self.variables.get(name))[0]
        is_default = path is not None and self.is_default(path)
        if name in self.variables and not is_default and (place := self.search(name)):
            return place
        # The key of a setting stays the one of its first source when a later one overrides it: a last resort.
        return self.readable(*origin_of(key_in(self.variables, keys))) or self.inventory()

    def notation(self, keys: Keys) -> str:
        """Return the format of the place where a value stands, or belongs."""
        place, name = self.find(keys), re.escape(str(keys[0]))
        if place == ON_COMMAND_LINE:
            last = next((option for option in reversed(self.options) if re.search(rf"\b{name}\b", option)), "")
            return JSON if last.startswith(("{", "[")) else COMMAND_LINE
        path, _, line = place.rpartition(":")
        if not line.isdigit():
            return INI if is_ini(Path(place)) else YAML
        try:
            text = Path(path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        except (OSError, ValueError, IndexError):
            return YAML
        found = re.search(rf"(^|\s){name}\s*=", text)
        if not found or Path(path).suffix in YAML_SUFFIXES:
            return YAML
        return INI_HOST if text[: found.start()].strip() else INI

    def readable(self, path: str | None, line: int | None, description: str | None) -> str | None:
        """Return a place in words, or None if it is not the operator's."""
        if path is None:
            return ON_COMMAND_LINE if description and "'-e'" in description else None
        if self.is_default(path):
            return None
        return shorten(Path(path)) + (f":{line}" if line else "")

    def is_default(self, path: str) -> bool:
        """Whether a file is one with the defaults."""
        return self.defaults_dir in Path(path).resolve().parents

    def inventory(self) -> str:
        """Return the file of the inventory."""
        file = self.variables.get("inventory_file")
        return shorten(Path(file)) if file and Path(file).exists() else "your inventory"

    def search(self, name: str) -> str | None:
        """Look for the setting in the files of the inventory: true, false and null carry no origin."""
        host = str(self.variables.get("inventory_hostname"))
        groups = [*map(str, self.variables.get("group_names", [])), "all"]
        written = re.compile(rf"(^|[\s\"'{{,]){re.escape(name)}[\"']?\s*[:=]")
        roots = (self.variables.get("playbook_dir"), self.variables.get("inventory_dir"))
        folders = [Path(str(root)) for root in roots if root]
        owners = [f"host_vars/{host}", *(f"group_vars/{group}" for group in groups)]
        for owner in owners:
            for folder in folders:
                for file in sorted([*folder.glob(f"{owner}.*"), *folder.glob(f"{owner}/**/*"), folder / owner]):
                    if found := first_line(file, written):
                        return found
        source = self.variables.get("inventory_file")
        if not source:
            return None
        return first_line(Path(source), written, behind=re.compile(rf"^\s*[\"']?{re.escape(host)}\b"))


def is_ini(file: Path) -> bool:
    """Whether an inventory is an INI file: neither YAML nor a program."""
    try:
        text = file.read_text(encoding="utf-8")
        return file.suffix not in YAML_SUFFIXES and text[:2] != "#!" and not isinstance(yaml.safe_load(text), Mapping)
    except (OSError, UnicodeDecodeError):
        return False
    except yaml.YAMLError:
        return True


def key_in(holder: Any, keys: Keys) -> object:
    """Return the first of the keys as the holder has it: it may know its origin, where true and null cannot."""
    return next((key for key in holder if key == keys[0]), None) if keys and isinstance(holder, Mapping) else None


def first_line(file: Path, pattern: re.Pattern[str], behind: re.Pattern[str] | None = None) -> str | None:
    """Return file:line of the first match, preferably behind (or on) the line that matches another pattern."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    hits = [number for number, line in enumerate(lines, 1) if pattern.search(line)]
    if not hits:
        return None
    start = next((number for number, line in enumerate(lines, 1) if behind and behind.search(line)), 0)
    return f"{shorten(file)}:{next((hit for hit in hits if hit >= start), hits[0])}"


def shorten(path: Path) -> str:
    """Return the path as seen from the working directory, if it is below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
