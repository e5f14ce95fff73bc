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


def say(words: Mapping[str, str]) -> str:
    """Return options as they are written on the command line, with examples for their values."""
    return " ".join(f"-e {word}={SAMPLES[kind]}" for word, kind in words.items())


def with_whole_texts(given: Mapping[str, Any], options: Iterable[str]) -> dict[str, Any]:
    """Return the options with whole values: of -e reason="two words", Ansible takes the first word only."""
    whole = {}
    for option in options:
        word, equals, rest = option.partition("=")
        if equals and word.isidentifier() and "_raw_params" in parse_kv(option):
            whole[word] = rest
    return {word: value for word, value in given.items() if word != "_raw_params"} | whole


def refuse_unknown(options: Iterable[str], known: Iterable[str]) -> None:
    """Raise AnsibleActionFail for what is not NAME=VALUE, and for a name that only the playbook could take."""
    example = f"{next(iter(known), 'format')}=…"
    for option in options:
        if option[:1] in ("@", "{", "["):
            continue
        word, equals, _ = option.partition("=")
        if not equals:
            raise AnsibleActionFail(
                f'-e is "{option}", which is not NAME=VALUE. Change it on the command line, for example: -e {example}'
            )
        # Variables of Ansible, of this project and of inventories have an underscore in their names.
        if word.isidentifier() and "_" not in word and word not in known:
            raise AnsibleActionFail(
                f"Unknown option -e {word}. This playbook accepts: {', '.join(known)}. Change it on the command line, "
                f"for example: -e {example}"
            )


def choose_table(given: Mapping[str, Any], verbs: Verbs, lists: Mapping[str, Verbs]) -> tuple[Verbs, dict[str, str]]:
    """Return the verbs for one, or for all of the list that an option selects, with this option and its kind.

    Raises AnsibleActionFail.
    """
    for word, table in lists.items():
        if word in given:
            for verb in (verb for verb in verbs if verb in given and verb not in table):
                raise AnsibleActionFail(
                    f"{word} and {verb} cannot be combined. Keep one of them on the command line, for example: "
                    f"{say(verbs[verb])}"
                )
            return table, {word: next(words[word] for words in table.values())}
    return verbs, {}


def check_words(
    given: Mapping[str, Any], verbs: Verbs, optional: dict[str, str], others: Iterable[dict[str, str]] = ()
) -> tuple[str, dict[str, str]]:
    """Return the verb, and its options with their kinds; raises AnsibleActionFail.

    *others* are options of other verbs, which are known, but go with none of these.
    """
    words_of_all = [*others, *verbs.values()]
    known = optional | {word: kind for words in words_of_all for word, kind in words.items()}
    for word in given.keys() - known.keys():
        if near := difflib.get_close_matches(word, known, n=1, cutoff=0.75):
            raise AnsibleActionFail(
                f"Unknown option -e {word}. Did you mean {near[0]}? Change it on the command line, for example: "
                f"{say({near[0]: known[near[0]]})}"
            )
    asked = [verb for verb in verbs if verb in given]
    if len(asked) > 1:
        raise AnsibleActionFail(
            f"{' and '.join(asked)} cannot be combined. Keep one of them on the command line, for example: "
            f"{say(verbs[asked[0]])}"
        )
    needed = verbs[asked[0]] if asked else {}
    missing = [word for word in needed if str(given.get(word, "")) == ""]
    left_over = [word for word in given if word in known and word not in needed | optional]
    if missing:
        raise AnsibleActionFail(
            f"{missing[0]} is missing. Add it on the command line, for example: {say(needed)}"
            if missing[0] not in given
            else f"{missing[0]} is empty. Change it on the command line, for example: {say(needed)}"
        )
    if left_over:
        fitting = [words for words in (*verbs.values(), *words_of_all) if left_over[0] in words]
        raise AnsibleActionFail(
            f"{left_over[0]} is given without the option that uses it. Add that on the command line, for example: "
            f"{say(fitting[0])}"
        )
    return asked[0] if asked else "list", needed | optional


def locate(words: Mapping[str, str], given: Mapping[str, Any], domains: Domains, hosts: list[str]) -> dict[str, Any]:
    """Return whether another of several hosts is meant; raises AnsibleActionFail if none is named."""
    kinds = {"account": "domain", "room": "muc", "domain": "domain", "service": "domain"}
    candidates = [word for word, kind in words.items() if kind in kinds and str(given.get(word, ""))]
    named = [word for word in candidates if "@" in str(given[word]) or words[word] in ("domain", "service")]
    several = f"there are {len(hosts)} hosts ({', '.join(hosts)}), but only one can be changed at a time"
    way_out = "name the host: --limit HOST"
    if not named:
        takes = [f"-e {word}={SAMPLES[kind]}" for word, kind in words.items() if kind in ("domain", "service")]
        if candidates:
            word = candidates[0]
            wrong = f'{word} is "{given[word]}", and {several}. Add its domain, {given[word]}@DOMAIN, or {way_out}'
        elif takes:
            wrong = f"T{several[1:]}. Name the domain, {' or '.join(takes)}, or {way_out}"
        else:
            wrong = f"T{several[1:]}: {way_out}"
        raise AnsibleActionFail(wrong)
    word = named[0]
    served = [entry[kinds[words[word]]] for entry in domains][: 1 if words[word] == "service" else None]
    value = str(given[word])
    return {
        "elsewhere": value.rpartition("@")[2] not in served,
        "located": f'{word} is "{value}"',
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
    others = [words for one in (verbs, *(lists or {}).values()) if one is not table for words in one.values()]
    verb, wanted = check_words(given, table, optional | selecting | {"format": "text"}, others)
    place = {"elsewhere": False}
    is_list = "list" in given if changes else verb == "list" and verbs
    if hosts and not is_list:
        place = locate(wanted, given, domains, hosts)
    words: dict[str, str | bool | int] = {}
    for word, kind in wanted.items():
        if word in given and word != "format":
            value = str(given[word])
            try:
                words[word] = KINDS[kind](value, domains)
            except Wrong as wrong:
                # The playbook itself reports the consequences of a wrong one.
                if isinstance(wrong, Elsewhere) and (place["elsewhere"] or kind == "service"):
                    words[word] = value
                    continue
                raise AnsibleActionFail(
                    f"{word} is {json.dumps(value, ensure_ascii=False)}, which {wrong}. Change it on the command line, "
                    f"for example: -e {word}={SAMPLES[kind]}"
                ) from None
    return {"verb": verb, "words": words, "format": format} | place
