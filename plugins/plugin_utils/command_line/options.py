# SPDX-License-Identifier: GPL-3.0-or-later
"""The options after ``-e``: which belong together, what is wrong with them, and which host they are for.

Each error is reported before anything is changed, in three parts: what is wrong, with the value; where to change it;
an example that would pass.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.parsing.splitter import parse_kv
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.command_line.kinds import (
    KINDS,
    SAMPLES,
    Domains,
    Elsewhere,
    Wrong,
)

FORMATS = ("table", "json")
Verbs = Mapping[str, dict[str, str]]


def say(options: Mapping[str, str]) -> str:
    """Return options as they are written on the command line, with examples for their values."""
    return " ".join(f"-e {option}={SAMPLES[kind]}" for option, kind in options.items())


def with_whole_values(given: Mapping[str, Any], arguments: Iterable[str]) -> dict[str, Any]:
    """Return the options with whole values: of -e reason="two words", Ansible takes the first word only."""
    whole = {}
    for argument in arguments:
        option, equals, rest = argument.partition("=")
        if equals and option.isidentifier() and "_raw_params" in parse_kv(argument):
            whole[option] = rest
    return {option: value for option, value in given.items() if option != "_raw_params"} | whole


def refuse_unknown(arguments: Iterable[str], known: Iterable[str]) -> None:
    """Raise AnsibleActionFail for what is not NAME=VALUE, and for a name that only the playbook could take."""
    example = f"{next(iter(known), 'format')}=…"
    for argument in arguments:
        if argument[:1] in ("@", "{", "["):
            continue
        option, equals, _ = argument.partition("=")
        if not equals:
            raise AnsibleActionFail(
                f'-e is "{argument}", which is not NAME=VALUE. Change it on the command line, for example: -e {example}'
            )
        # Variables of Ansible, of this project and of inventories have an underscore in their names.
        if option.isidentifier() and "_" not in option and option not in known:
            raise AnsibleActionFail(
                f"Unknown option -e {option}. This playbook accepts: {', '.join(known)}. Change it on the command "
                f"line, for example: -e {example}"
            )


def choose_table(given: Mapping[str, Any], verbs: Verbs, lists: Mapping[str, Verbs]) -> tuple[Verbs, dict[str, str]]:
    """Return the verbs for one, or for all of the list that an option selects, with this option and its kind.

    Raises AnsibleActionFail.
    """
    for option, table in lists.items():
        if option in given:
            for verb in (verb for verb in verbs if verb in given and verb not in table):
                raise AnsibleActionFail(
                    f"{option} and {verb} cannot be combined. Keep one of them on the command line, for example: "
                    f"{say(verbs[verb])}"
                )
            return table, {option: next(options[option] for options in table.values())}
    return verbs, {}


def check_options(
    given: Mapping[str, Any], verbs: Verbs, optional: dict[str, str], others: Iterable[dict[str, str]] = ()
) -> tuple[str, dict[str, str]]:
    """Return the verb, and its options with their kinds; raises AnsibleActionFail.

    *others* are options of other verbs, which are known, but go with none of these.
    """
    of_all_verbs = [*others, *verbs.values()]
    known = optional | {option: kind for options in of_all_verbs for option, kind in options.items()}
    for option in given.keys() - known.keys():
        if near := difflib.get_close_matches(option, known, n=1, cutoff=0.75):
            raise AnsibleActionFail(
                f"Unknown option -e {option}. Did you mean {near[0]}? Change it on the command line, for example: "
                f"{say({near[0]: known[near[0]]})}"
            )
    asked = [verb for verb in verbs if verb in given]
    if len(asked) > 1:
        raise AnsibleActionFail(
            f"{' and '.join(asked)} cannot be combined. Keep one of them on the command line, for example: "
            f"{say(verbs[asked[0]])}"
        )
    needed = verbs[asked[0]] if asked else {}
    missing = [option for option in needed if str(given.get(option, "")) == ""]
    left_over = [option for option in given if option in known and option not in needed | optional]
    if missing:
        raise AnsibleActionFail(
            f"{missing[0]} is missing. Add it on the command line, for example: {say(needed)}"
            if missing[0] not in given
            else f"{missing[0]} is empty. Change it on the command line, for example: {say(needed)}"
        )
    if left_over:
        fitting = [options for options in (*verbs.values(), *of_all_verbs) if left_over[0] in options]
        raise AnsibleActionFail(
            f"{left_over[0]} is given without the option that uses it. Add that on the command line, for example: "
            f"{say(fitting[0])}"
        )
    return asked[0] if asked else "list", needed | optional


def locate(options: Mapping[str, str], given: Mapping[str, Any], domains: Domains, hosts: list[str]) -> dict[str, Any]:
    """Return whether another of several hosts is meant; raises AnsibleActionFail if none is named."""
    kinds = {"account": "domain", "room": "muc", "domain": "domain", "service": "domain"}
    candidates = [option for option, kind in options.items() if kind in kinds and str(given.get(option, ""))]
    named = [option for option in candidates if "@" in str(given[option]) or options[option] in ("domain", "service")]
    several = f"there are {len(hosts)} hosts ({', '.join(hosts)}), but only one can be changed at a time"
    way_out = "name the host: --limit HOST"
    if not named:
        takes = [f"-e {option}={SAMPLES[kind]}" for option, kind in options.items() if kind in ("domain", "service")]
        if candidates:
            option = candidates[0]
            value = given[option]
            wrong = f'{option} is "{value}", and {several}. Add its domain, {value}@DOMAIN, or {way_out}'
        elif takes:
            wrong = f"T{several[1:]}. Name the domain, {' or '.join(takes)}, or {way_out}"
        else:
            wrong = f"T{several[1:]}: {way_out}"
        raise AnsibleActionFail(wrong)
    option = named[0]
    kind = options[option]
    served = [entry[kinds[kind]] for entry in domains][: 1 if kind == "service" else None]
    value = str(given[option])
    return {
        "elsewhere": value.rpartition("@")[2] not in served,
        "located": f'{option} is "{value}"',
        "served": served,
    }


def understand(
    given: Mapping[str, Any],
    verbs: Verbs,
    optional: dict[str, str],
    domains: Domains,
    hosts: list[str] | None = None,
    *,
    changes: bool = False,
    lists: Mapping[str, Verbs] | None = None,
) -> dict[str, Any]:
    """Return verb, options and format; raises AnsibleActionFail with what is wrong.

    *hosts* are the hosts to choose from, if there are several and something is to be changed. (*changes*: also without
    a verb; such a playbook has a verb for its list.) *lists* are the verbs for all that an option selects.
    """
    format = str(given.get("format", FORMATS[0]))
    if format not in FORMATS:
        raise AnsibleActionFail(
            f'format is "{format}", must be table or json. Change it on the command line, for example: -e format=json'
        )
    table, selecting = choose_table(given, verbs, lists or {})
    others = [options for one in (verbs, *(lists or {}).values()) if one is not table for options in one.values()]
    verb, wanted = check_options(given, table, optional | selecting | {"format": "string"}, others)
    place = {"elsewhere": False}
    is_list = "list" in given if changes else verb == "list" and verbs
    if hosts and not is_list:
        place = locate(wanted, given, domains, hosts)
    options: dict[str, str | bool | int] = {}
    for option, kind in wanted.items():
        if option in given and option != "format":
            value = str(given[option])
            try:
                options[option] = KINDS[kind](value, domains)
            except Wrong as wrong:
                # The playbook itself reports the consequences of a wrong one.
                if isinstance(wrong, Elsewhere) and (place["elsewhere"] or kind == "service"):
                    options[option] = value
                    continue
                raise AnsibleActionFail(
                    f"{option} is {json.dumps(value, ensure_ascii=False)}, which {wrong}. Change it on the command "
                    f"line, for example: -e {option}={SAMPLES[kind]}"
                ) from None
    return {"verb": verb, "options": options, "format": format} | place
