# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: what the service keeps about persons, where, how long, why, and who can read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Lookup
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.declarations import PROJECT, declared, read
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.translation import WRITTEN, translated

DOCUMENTATION = r"""
name: ledger
short_description: What the service keeps about persons
description:
  - Each role that keeps something about a person says so in C(vars/ledger.yml), a list of entries.
  - Returns the entries of all roles, templated, without those whose C(when) is false, with every key present. Those
    with a C(start_page) come first, sorted by it; the others follow, the roles from the last one in C(site.yml), which
    is nearest to people, to the first, which is the system's.
  - An entry may use the variables of the role xmpp only, so that the ledger is the same in every play with that role.
options:
  everything: {description: Return also what is switched off., type: bool, default: false}
  project: {description: Folder with C(site.yml) and C(roles)., type: path, default: the project of this plugin}
"""

RETURN = r"""
_raw:
  description: One list of entries. An entry in a role's file has the same keys, and may have C(when).
  type: list
  elements: dict
  contains:
    name: {description: "For programs; it stays the same.", type: str}
    start_page: {description: Place of its row on the start page; null if it is on the privacy page only., type: int}
    paths: {description: "Files, folders with all below them, or patterns. Empty: in memory only.", type: list}
    tables: {description: Tables of the database in these files., type: list}
    holds: {description: "C(jid): address or name; C(ip); C(content): what people wrote, sent; C(secret).", type: list}
    days: {description: "Whole days; 0: not written to disk; null: until it is changed or deleted.", type: int}
    readers: {description: "Accounts beside root that can read it; C(*): everybody, it is published.", type: list}
    en:
      description:
        - The texts C(what), C(detail), C(why), C(who) (who can read it; the people who run the service
          always can), C(long) (how long; follows from the days).
      type: dict
    de: {description: The same in German. Other languages of C(xmpp_languages) follow in the same way., type: dict}
"""

# Key: whether an entry must have it, and what it can be.
KEYS: dict[str, tuple[bool, tuple[type, ...]]] = {
    "name": (True, (str,)),
    "when": (False, (str, bool)),
    "start_page": (False, (int,)),  # its row on the start page; without one it is on the privacy page only
    "paths": (True, (list,)),
    "tables": (False, (list,)),
    "holds": (True, (list,)),
    "days": (True, (int, type(None))),
    "readers": (True, (list,)),
    "en": (True, (dict,)),
    "de": (True, (dict,)),
}
HOLDS = ("jid", "ip", "content", "secret")
LANGUAGES = ("en", "de")
TEXTS = {"what": True, "detail": True, "why": True, "who": True, "long": False}
PERIODS = {
    "en": {None: "until you change or delete it", 0: "never on disk", 1: "1 day", "days": "{} days"},
    "de": {None: "bis du es änderst oder löschst", 0: "nie auf der Platte", 1: "1 Tag", "days": "{} Tage"},
}
WORDS = {str: "a string", int: "an integer", list: "a list", dict: "a mapping", bool: "true or false"}


class Mistake(Exception):
    """What is wrong with an entry, to follow its name: "has no days"."""


def check_keys(entry: Mapping[str, Any]) -> None:
    """Raise Mistake for a key that is missing or not known, without looking at its value."""
    for part, known in (("", {key: needed for key, (needed, _) in KEYS.items()}), *((one, TEXTS) for one in LANGUAGES)):
        mapping = entry[part] if part else entry
        if not isinstance(mapping, Mapping):
            raise Mistake(f'has "{mapping}" behind "{part}:", where {", ".join(known)} are meant')
        where = f' behind "{part}:"' if part else ""
        for key in mapping:
            if key not in known:
                raise Mistake(f'has the unknown key "{key}"{where}; it takes {", ".join(known)}')
        for key, needed in known.items():
            if needed and key not in mapping:
                raise Mistake(f'has no "{key}:"{where}')


def check_values(entry: Mapping[str, Any]) -> None:
    """Raise Mistake for a value, after templating, that cannot be meant."""
    for key, (_, types) in KEYS.items():
        value = entry.get(key)
        fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
        if key in entry and not fits:
            raise Mistake(f'has "{value}" behind "{key}:", where {WORDS[types[0]]} is meant')
        if isinstance(value, list) and not all(isinstance(item, str) and item for item in value):
            raise Mistake(f'has "{value}" behind "{key}:", where a list of strings is meant')
    if not re.fullmatch("[a-z]+(_[a-z]+)*", entry["name"]):
        raise Mistake('must have a name of lower-case letters and "_"')
    if wrong := [path for path in entry["paths"] if not path.startswith("/")]:
        raise Mistake(f'has "{wrong[0]}" behind "paths:", which does not begin with /')
    if wrong := [kind for kind in entry["holds"] if kind not in HOLDS] or ([] if entry["holds"] else [""]):
        raise Mistake(f'has "{wrong[0]}" behind "holds:"; it takes {", ".join(HOLDS)}')
    days = entry["days"]
    if days is not None and days < 0:
        raise Mistake(f'has {days} behind "days:"; 0 means that it is not written to disk, null that it stays')
    if (days == 0) != (entry["paths"] == []):
        raise Mistake('must have "days: 0" (not written to disk) if "paths:" is empty, and only then')
    if entry.get("tables") and not entry["paths"]:
        raise Mistake('has "tables:" but no "paths:" with their file')
    for language in LANGUAGES:
        for key, text in entry[language].items():
            if not isinstance(text, str) or not text.strip():
                raise Mistake(f'has no text behind "{language}: {key}:"')


def period(days: int | None, language: str) -> str:
    """Return in words how long something is kept."""
    words = PERIODS[language] if language in PERIODS else translated(PERIODS["en"], language)
    return words[days] if days in words else words["days"].format(days)


def complete(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with every key, in their order, and what follows from the others."""
    whole: dict[str, Any] = {"start_page": None, "tables": [], **entry}
    more = [key for key in entry if key not in KEYS]
    for language in (*LANGUAGES, *more):
        text = entry[language]
        whole[language] = {key: text.get(key, period(entry["days"], language)).strip() for key in TEXTS}
    return {key: whole[key] for key in (*KEYS, *more) if key != "when"}


class LookupModule(Lookup):
    """Returns the ledger."""

    def run(
        self,
        terms: list[str],
        variables: Mapping[str, Any] | None = None,
        *,
        everything: bool = False,
        project: str | Path = PROJECT,
    ) -> list[list[dict[str, Any]]]:
        """Return one list of entries; raises AnsibleError naming the file and the entry."""
        self._templar.available_variables = variables or {}
        asked = self._templar.template((variables or {}).get("xmpp_languages", []))
        languages = [language for language in asked if language not in WRITTEN]
        found: dict[str, dict[str, Any]] = {}
        for _, file in reversed(list(declared(Path(project), "ledger.yml"))):
            raw = read(file)
            if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
                raise AnsibleError(f"{file} is no list of entries, which begin with: - name: …")
            for number, entry in enumerate(raw, 1):
                name = entry.get("name", f"number {number}")
                try:
                    check_keys(entry)
                    if name in found:
                        raise Mistake("has the name of another entry")
                    wanted = self._templar.template(entry.get("when", True))
                    if not isinstance(wanted, bool):
                        raise Mistake(f'has "{wanted}" behind "when:", where true or false is meant')
                    if not (wanted or everything):
                        continue
                    spoken = {language: translated(entry["en"], language) for language in languages}
                    templated = self._templar.template({key: entry[key] for key in entry if key != "when"} | spoken)
                    check_values(templated)
                except (Mistake, AnsibleError) as error:
                    problem = f"cannot be rendered: {error}" if isinstance(error, AnsibleError) else f"{error}."
                    raise AnsibleError(f"{file}: the entry {name} {problem}") from None
                found[name] = complete(templated)
        last = float("inf")
        return [sorted(found.values(), key=lambda entry: last if entry["start_page"] is None else entry["start_page"])]
