# SPDX-License-Identifier: GPL-3.0-or-later
"""Check each setting on its own: that it can be computed, its type, its choices, its shape."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.filter.control_character import control_character
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import (
    TEMPLATE,
    TYPES,
    as_meant,
    is_template,
    type_mistake,
    yaml_line,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Keys
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import first_words, label
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.rules import NO_RULE, RULES, Rule, rule_name


def check_each(settings: HostSettings) -> None:
    """Check all settings of the specification."""
    checker = Checker(settings)
    for name in settings.options:
        checker.check_setting(name)


def check_acknowledged(settings: HostSettings, changes: int) -> None:
    """Check the number of the last acknowledged change; there are *changes* of them."""
    if not 0 <= (number := settings.values.get("xmpp_acknowledged", 0)) <= changes:
        wrong = f"is not the number of a change in CHANGELOG.md: the last one is {changes}"
        settings.complain(("xmpp_acknowledged",), number, wrong)


class Checker:
    """Checks settings in the order in which they follow from one another."""

    def __init__(self, settings: HostSettings) -> None:
        """Take the settings of a host, none of which is checked yet."""
        self.settings = settings
        self.begun: set[str] = set()
        self.done: set[str] = set()

    def check_setting(self, name: str) -> None:
        """Check one setting on its own, after those that it follows from; one mistake is reported once."""
        if name in self.begun:
            return
        self.begun.add(name)
        if name in self.settings.variables:
            raw = self.settings.variables[name]
            sources = names_in(raw) & self.settings.options.keys()
            for source in sorted(sources):
                self.check_setting(source)
            if not (sources & self.done) - self.settings.values.keys():
                self.check_computed(name, raw)
        elif self.settings.options[name].get("required"):
            self.settings.add((name,), f"{name} is required, but not set.")
        self.done.add(name)

    def check_computed(self, name: str, raw: Any) -> None:
        """Compute a setting and check what comes out."""
        before = len(self.settings.problems)
        try:
            value = self.settings.template(raw)
        except (AnsibleError, RecursionError) as error:
            self.settings.add((name,), f"{name} cannot be computed: {first_words(error)}.")
            return
        self.check_value((name,), value, self.settings.options[name])
        if len(self.settings.problems) == before:
            self.settings.values[name] = value

    def check_value(self, keys: Keys, value: Any, option: Mapping[str, Any]) -> None:
        """Check type, choices and shape of a value and of what is in it."""
        rule = RULES.get(rule_name(keys), NO_RULE)
        kind, wanted = TYPES[option.get("type", "str")]
        in_list = isinstance(keys[-1], int)
        if value is False and "off" in option.get("choices", ()):
            return  # YAML takes an unquoted off for false
        empty = value is None or (isinstance(value, str) and value.isspace())
        if empty or (value in ("", [], {}) and (in_list or not rule.empty)):
            way_out = "" if in_list or option.get("required") else " Give it a value, or remove it to use the default."
            self.settings.add(keys, f"{label(keys)} is empty.{way_out}")
        elif (choices := option.get("choices")) and kind is str and not isinstance(value, (str, list)):
            # yes is true in YAML, quotes do not help
            self.settings.complain(keys, value, f"must be one of: {', '.join(choices)}")
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raw = self.settings.variables.get(str(keys[0]))
            notation = TEMPLATE if is_template(raw) else self.settings.notation(keys)
            meant = None if len(keys) > 1 else as_meant(value, kind)
            self.settings.add(
                keys,
                f"{label(keys)} is {self.settings.show(keys, value)}, {type_mistake(value, kind, wanted, notation)}.",
                None if meant is None else yaml_line(str(keys[0]), meant),
            )
        elif isinstance(value, list):
            self.check_list(keys, value, option, rule)
        elif isinstance(value, dict):
            self.check_dict(keys, value, option)
        elif (choices := option.get("choices")) and value not in choices:
            self.settings.complain(keys, value, f"must be one of: {', '.join(choices)}")
        elif isinstance(value, str):
            self.check_text(keys, value, rule)
        elif isinstance(value, int) and rule.high and not rule.low <= value <= rule.high:
            self.settings.complain(keys, value, f"must be from {rule.low} to {rule.high}")

    def check_text(self, keys: Keys, value: str, rule: Rule) -> None:
        """Check a text that is not empty, or may be."""
        if not value:
            return
        if value != value.strip():
            self.settings.complain(keys, value, "begins or ends with whitespace")
        elif sign := control_character(value, lines=rule.lines, strict=not rule.prose):
            self.settings.complain(keys, value, f"contains {sign}: remove it")
        elif rule.high and len(value) > rule.high:
            self.settings.complain(keys, value, f"has {len(value)} characters: at most {rule.high} are allowed")
        elif rule.shape and (wrong := rule.shape(value)):
            self.settings.complain(keys, value, wrong, discreet=rule.discreet)

    def check_list(self, keys: Keys, value: list[Any], option: Mapping[str, Any], rule: Rule) -> None:
        """Check the entries of a list; compare them if each is right."""
        entry = {**option, "type": option.get("elements", "str")}
        before = len(self.settings.problems)
        for index, item in enumerate(value):
            self.check_value((*keys, index), item, entry)
        if not rule.unique or len(self.settings.problems) > before:
            return
        seen: dict[object, int] = {}
        for index, item in enumerate(value):
            first = seen.setdefault(rule.unique(item), index)
            if first != index:
                by = [key for key in item if item[key] == rule.unique(item)][:1] if isinstance(item, dict) else []
                what = self.settings.show((*keys, *by), item[by[0]] if by else item)
                if by == ["name"]:
                    what = f"the name {what}"
                self.settings.add((*keys, index), f"{label((*keys, index))} repeats {what} of entry {first + 1}.")

    def check_dict(self, keys: Keys, value: dict[str, Any], option: Mapping[str, Any]) -> None:
        """Check the keys of an entry and what they hold; where the specification names none, each has a string."""
        known = option.get("options", {key: {"type": "str"} for key in value})
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                maybe = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known)}."
                self.settings.add((*keys, key), f'{label(keys)} has the unknown key "{key}". {maybe}')
        for key, part in known.items():
            if key in value:
                self.check_value((*keys, key), value[key], part)
            elif part.get("required"):
                self.settings.add(keys, f"{label(keys)} has no {key}.")


def names_in(value: Any) -> set[str]:
    """Return the settings that the templates in a value refer to."""
    if isinstance(value, str):
        return set(re.findall(r"\bxmpp_\w+", value)) if "{{" in value or "{%" in value else set()
    if isinstance(value, Mapping):
        return set().union(*(names_in(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(names_in(item) for item in value))
    return set()
