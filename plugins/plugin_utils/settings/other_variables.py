# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that are no settings: names that nearly are, what roles compute, and the variables of other roles."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import SECRET, HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import (
    TEMPLATE,
    TYPES,
    is_template,
    type_mistake,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import ON_COMMAND_LINE, Places, origin_of
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import Problem, in_one_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.role_files import (
    defaults_of,
    derived_of,
    options_of,
    role_names,
)

# What Ansible itself adds to the variables of a host: all those of all hosts.
ANSIBLE_OWN = ("hostvars", "vars", "groups")


def check_derived(settings: HostSettings, calling: Path, places: Places, loader: Any) -> set[str]:
    """Refuse values for what the roles of the play compute from the settings for each other; return these names.

    A variable that is set in several places has the value of the last one, but keeps the key of the first: if that is
    not the one of the role, the inventory or the play has the name as well. What -e sets comes last.
    """
    keys = {str(key): key for key in settings.variables if "_derived_" in str(key)}
    names: set[str] = set()
    for role in sorted({calling.name, *role_names(settings.variables)}):
        for own in derived_of(calling.parent / role, loader):
            name = str(own)
            names.add(name)
            place = None
            if name not in places.extra:
                source = origin_of(keys.get(name, own))
                if same_file(source[0], origin_of(own)[0]):
                    continue
                place = places.readable(*source) or places.search(name) or places.inventory()
            wrong = f"{name} is computed from the settings, and cannot be set. Remove it."
            settings.problems.append(Problem((name,), wrong, place=place))
    return names


def same_file(one: str | None, other: str | None) -> bool:
    """Whether two paths, which may lead over links, are of the same file; None is where Ansible does not tell."""
    return one == other or bool(one and other and Path(one).resolve() == Path(other).resolve())


def check_names(settings: HostSettings, renamed: Mapping[str, str], derived: Set[str]) -> None:
    """Refuse names that are no settings. Their values are not shown: who knows what they hold."""
    for name in sorted(settings.variables.keys() - settings.options.keys() - derived):
        ours = name.lower().startswith("xmpp_")
        if name in renamed:
            settings.add((name,), f"{name} is now called {renamed[name]}.", settings.example(renamed[name]))
        elif ours or re.match(r"[xmp]{2,5}_?[a-z]", name.lower()):
            near = difflib.get_close_matches(name.lower(), settings.options, n=1, cutoff=0.75)
            maybe = f"Did you mean {near[0]}?" if near else "docs/settings.md lists all settings."
            if ours or near:
                settings.add((name,), f"{name} is not a setting. {maybe}", settings.example(near[0]) if near else None)


def check_roles(settings: HostSettings, calling: Path, loader: Any) -> dict[str, set[str]]:
    """Add what is not of its type among the variables of the play's other roles; return all of these by role."""
    variables = settings.variables
    known: dict[str, set[str]] = {}
    for name in role_names(variables):
        role = calling.parent / name
        if role == calling:
            continue
        options = options_of(role, loader)
        defaults = defaults_of(role, loader)
        known[name] = set(options)
        for variable, option in options.items():
            if variable not in variables or variables[variable] == defaults.get(variable):
                continue
            try:
                value = settings.template(variables[variable])
            except AnsibleUndefinedVariable:  # of the host, which nobody has asked yet
                continue
            # Ansible would take a text for true or false, and a number for a text.
            kind, wanted = TYPES.get(option.get("type", "str"), (object, ""))
            if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
                notation = TEMPLATE if is_template(variables[variable]) else settings.notation((variable,))
                shown = "a value that is not shown" if SECRET.search(variable) else in_one_line(value)
                wrong = f"{variable} is {shown}, {type_mistake(value, kind, wanted, notation)}."
                settings.problems.append(Problem((variable,), wrong))
                continue
            for message in ArgumentSpecValidator({variable: option}).validate({variable: value}).error_messages:
                settings.problems.append(Problem((variable,), f"{variable}: {message.rstrip('.')}."))
    return known


def check_other_names(
    settings: HostSettings,
    calling: Path,
    known: Mapping[str, set[str]],
    derived: Set[str],
    places: Places,
    warn: Callable[[str], None],
) -> None:
    """Refuse the operator's variables that look like one of a role, and warn of those that have no effect.

    An inventory may have variables for other projects, so only what is nearly a name of ours is refused.
    """
    variables = settings.variables
    project = calling.resolve().parents[1]
    ours = (project / "roles", project / "playbooks", project / "site.yml")
    every = set().union(*known.values())
    for name in sorted(variables.keys() - settings.options.keys() - every - derived):
        role = next((role for role in known if name.startswith(f"{role}_")), None)
        setting = f"xmpp_{name.lower().replace('-', '_')}"
        if not role and setting not in settings.options:
            continue
        place = places.find((name,))
        path = Path(place.rpartition(":")[0]).resolve()
        if place != ON_COMMAND_LINE and (
            not re.search(r":\d+$", place) or any(path.is_relative_to(one) for one in ours)
        ):
            continue
        near = difflib.get_close_matches(name, known[role], n=1, cutoff=0.85) if role else []
        if near:
            wrong = f"{name} is not a variable of the role {role}. Did you mean {near[0]}?"
            settings.problems.append(Problem((name,), wrong))
        elif role:
            warn(f"{name} is not a variable of this project's role {role}: it has no effect ({place}).")
        elif not any(mentions(value, name) for other, value in variables.items() if other not in ANSIBLE_OWN):
            warn(f"{name} is not a setting: it has no effect. Did you mean {setting}? ({place})")


def mentions(value: Any, name: str) -> bool:
    """Whether a template in a value refers to a variable."""
    if isinstance(value, str):
        return ("{{" in value or "{%" in value) and bool(re.search(rf"\b{re.escape(name)}\b", value))
    if isinstance(value, Mapping):
        return any(mentions(item, name) for item in value.values())
    return isinstance(value, list) and any(mentions(item, name) for item in value)
