# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the operator said after ``-e`` to a playbook that is a verb, and refuse what makes no sense.

Each problem is told before anything is changed, in three parts: what is wrong, with the value; where to change it; an
example that would pass.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.parsing.splitter import parse_kv
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.conexizan.xmpp.plugins.filter.hidden_sign import hidden_sign

DOCUMENTATION = r"""
name: command_line
short_description: What was asked for on the command line
description:
  - >-
    Reads the words that a playbook takes (C(-e ban=mallory)), checks them, and returns C(verb), the one that
    says what to do (C(list) without any), C(words), each in full, and C(format).
  - >-
    With several hosts, what changes something must name its domain (NAME@DOMAIN), and is done on the host that serves
    it: C(elsewhere) is true for the others, C(located) has the word and its value, C(served) the domains of this host.
  - >-
    Every playbook takes C(-e format=table) or C(json), which the callback C(terminal) heeds as well.
options:
  verbs:
    description: >-
      Verb to the words that it needs, the verb itself among them, each with its kind. An C(account) is of the service,
      NAME or NAME@DOMAIN; an C(address) is of anybody; a C(room) is of the service; a C(domain) is one of its domains,
      a C(service) the first of them; a C(flag) is true or false; a C(number) is a whole one above zero; a C(reason)
      is a text that is not long; a C(text) is anything else.
    type: dict
    default: {}
  optional:
    description: Words that may be left out, each with its kind.
    type: dict
    default: {}
  changes:
    description: Whether the playbook changes something without a verb.
    type: bool
    default: false
  domains:
    description: The domains of the service, the one that a NAME alone is of first. Each with C(domain) and C(muc).
    type: list
    elements: dict
    default: []
"""

FORMATS = ("table", "json")
FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Nobody's name: what is an example could be an account, and be deleted.
SAMPLES = {
    "account": "NAME",
    "address": "NAME@DOMAIN",
    "domain": "DOMAIN",
    "flag": "true",
    "number": "30",
    "reason": '"…"',
    "room": "ROOM",
    "service": "DOMAIN",
    "text": '"…"',
}
REASON_MAX = 500  # characters
Domains = list[dict[str, str]]


class Wrong(Exception):
    """What is wrong about a value, to follow "… is …, which "."""


class Elsewhere(Wrong):
    """What is wrong, unless another host is meant."""


def account(value: str, domains: Domains) -> str:
    """Return the address of an account of the service."""
    name, at, domain = value.partition("@")
    known = [entry["domain"] for entry in domains]
    if not name or re.search(r"[\s/@]", name + domain):
        raise Wrong("is no name of an account: NAME or NAME@DOMAIN is meant")
    if at and domain not in known:
        raise Elsewhere(f"is of another domain than {', '.join(known)}: only accounts of this service are meant")
    return f"{name}@{domain or known[0]}"


def address(value: str, domains: Domains) -> str:
    """Return the address of an account of any service."""
    name, _, domain = value.partition("@")
    if not name or re.search(r"[\s/@]", name + domain) or value.endswith("@"):
        raise Wrong("is no address: NAME, or NAME@DOMAIN of any service, is meant")
    return f"{name}@{domain or domains[0]['domain']}"


def room(value: str, domains: Domains) -> str:
    """Return the address of a room of the service."""
    name, at, service = value.partition("@")
    known = [entry["muc"] for entry in domains]
    if not name or re.search(r"[\s/@]", name + service):
        raise Wrong("is no name of a room: NAME or NAME@DOMAIN is meant")
    if at and service not in known:
        raise Elsewhere(f"is on another domain than {', '.join(known)}: only rooms of this service are meant")
    return f"{name}@{service or known[0]}"


def domain(value: str, domains: Domains) -> str:
    """Return a domain of the service."""
    known = [entry["domain"] for entry in domains]
    if value not in known:
        raise Elsewhere(f"is not one of {', '.join(known)}")
    return value


def service(value: str, domains: Domains) -> str:
    """Return the first domain of the service."""
    if value != domains[0]["domain"]:
        raise Elsewhere(f"is not {domains[0]['domain']}")
    return value


def text(value: str, domains: Domains) -> str:
    """Return a line of text, in any script."""
    if sign := hidden_sign(value):
        raise Wrong(f"contains {sign}: remove it")
    return value


def reason(value: str, domains: Domains) -> str:
    """Return a line of text that people read, and tables show."""
    if len(value) > REASON_MAX:
        raise Wrong(f"has {len(value)} characters: at most {REASON_MAX} are possible")
    return text(value, domains)


def flag(value: str, domains: Domains) -> bool:
    """Return what a yes or no means."""
    if value.lower() not in FLAGS:
        raise Wrong("can be true or false")
    return FLAGS[value.lower()]


def number(value: str, domains: Domains) -> int:
    """Return a whole number above zero."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
        raise Wrong("is no whole number above zero")
    return int(value)


KINDS: dict[str, Callable[[str, Domains], str | bool | int]] = {
    "account": account,
    "address": address,
    "domain": domain,
    "flag": flag,
    "number": number,
    "reason": reason,
    "room": room,
    "service": service,
    "text": text,
}


def say(words: Mapping[str, str]) -> str:
    """Return words as they are written on the command line, with examples for their values."""
    return " ".join(f"-e {word}={SAMPLES[kind]}" for word, kind in words.items())


def with_whole_texts(given: Mapping[str, Any], options: Iterable[str]) -> dict[str, Any]:
    """Return the words with texts whole: of -e reason="two words" the shell leaves no quotes, and Ansible takes one."""
    whole = {}
    for option in options:
        word, equals, rest = option.partition("=")
        if equals and word.isidentifier() and "_raw_params" in parse_kv(option):
            whole[word] = rest
    return {word: value for word, value in given.items() if word != "_raw_params"} | whole


def refuse_unknown(options: Iterable[str], known: Iterable[str]) -> None:
    """Raise AnsibleActionFail for a text that is no word=value, and for a word that only the playbook could take."""
    example = f"{next(iter(known), 'format')}=…"
    for option in options:
        if option[:1] in ("@", "{", "["):
            continue
        word, equals, _ = option.partition("=")
        if not equals:
            raise AnsibleActionFail(
                f'-e is "{option}", which does not say what that is. Change it on the command line, '
                f"for example: -e {example}"
            )
        # An underscore is in what Ansible, this project and inventories call their variables.
        if word.isidentifier() and "_" not in word and word not in known:
            raise AnsibleActionFail(
                f"{word} is nothing that this playbook knows; it knows {', '.join(known)}. Change it on the command "
                f"line, for example: -e {example}"
            )


def check_words(
    given: Mapping[str, Any], verbs: Mapping[str, dict[str, str]], optional: dict[str, str]
) -> tuple[str, dict[str, str]]:
    """Return the verb, and the words that go with it with their kinds; raises AnsibleActionFail."""
    known = optional | {word: kind for words in verbs.values() for word, kind in words.items()}
    for word in given.keys() - known.keys():
        if near := difflib.get_close_matches(word, known, n=1, cutoff=0.75):
            raise AnsibleActionFail(
                f"{word} is nothing that this playbook knows. Did you mean {near[0]}? Change it on the command line, "
                f"for example: {say({near[0]: known[near[0]]})}"
            )
    asked = [verb for verb in verbs if verb in given]
    if len(asked) > 1:
        raise AnsibleActionFail(
            f"{' and '.join(asked)} are asked for at once. Leave one of them on the command line, for example: "
            f"{say(verbs[asked[0]])}"
        )
    needed = verbs[asked[0]] if asked else {}
    missing = [word for word in needed if str(given.get(word, "")) == ""]
    left_over = [word for word in given if word in known and word not in needed | optional]
    if missing:
        raise AnsibleActionFail(
            f"{missing[0]} is missing. Say it on the command line, for example: {say(needed)}"
            if missing[0] not in given
            else f"{missing[0]} is empty. Change it on the command line, for example: {say(needed)}"
        )
    if left_over:
        fitting = [verb for verb in verbs if left_over[0] in verbs[verb]]
        raise AnsibleActionFail(
            f"{left_over[0]} is given, but nothing that is to be done with it. Say that on the command line as well, "
            f"for example: {say(verbs[fitting[0]])}"
        )
    return asked[0] if asked else "list", needed | optional


def locate(words: Mapping[str, str], given: Mapping[str, Any], domains: Domains, hosts: list[str]) -> dict[str, Any]:
    """Tell whether another of several hosts is meant; raises AnsibleActionFail if it is not said which."""
    kinds = {"account": "domain", "room": "muc", "domain": "domain", "service": "domain"}
    candidates = [word for word, kind in words.items() if kind in kinds and str(given.get(word, ""))]
    named = [word for word in candidates if "@" in str(given[word]) or words[word] in ("domain", "service")]
    several = f"there are {len(hosts)} hosts ({', '.join(hosts)}), of which one may be changed"
    way_out = "name the host that is meant: --limit HOST"
    if not named:
        takes = [f"-e {word}={SAMPLES[kind]}" for word, kind in words.items() if kind in ("domain", "service")]
        if candidates:
            word = candidates[0]
            wrong = (
                f'{word} is "{given[word]}", and {several}. Say it with its domain, {given[word]}@DOMAIN, or {way_out}'
            )
        elif takes:
            wrong = f"T{several[1:]}. Say which domain is meant, {' or '.join(takes)}, or {way_out}"
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
    verbs: Mapping[str, dict[str, str]],
    optional: dict[str, str],
    domains: Domains,
    hosts: list[str] | None = None,
    *,
    changes: bool = False,
) -> dict[str, Any]:
    """Return verb, words and format; raises AnsibleActionFail with what is wrong.

    *hosts* are those of which one is meant, if there are several and something is to be changed. (*changes*: without
    any verb as well; a playbook that does so lists by a verb of its own.)
    """
    format = str(given.get("format", FORMATS[0]))
    if format not in FORMATS:
        raise AnsibleActionFail(
            f'format is "{format}", it can be table or json. Change it on the command line, for example: -e format=json'
        )
    verb, wanted = check_words(given, verbs, optional | {"format": "text"})
    place = {"elsewhere": False}
    lists = "list" in given if changes else verb == "list" and verbs
    if hosts and not lists:
        place = locate(wanted, given, domains, hosts)
    words: dict[str, str | bool | int] = {}
    for word, kind in wanted.items():
        if word in given and word != "format":
            value = str(given[word])
            try:
                words[word] = KINDS[kind](value, domains)
            except Wrong as wrong:
                # The playbook itself says what a wrong one would cost.
                if isinstance(wrong, Elsewhere) and (place["elsewhere"] or kind == "service"):
                    words[word] = value
                    continue
                raise AnsibleActionFail(
                    f"{word} is {json.dumps(value, ensure_ascii=False)}, which {wrong}. Change it on the command line, "
                    f"for example: -e {word}={SAMPLES[kind]}"
                ) from None
    return {"verb": verb, "words": words, "format": format} | place


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no type hints
    """Read the command line; changes nothing, needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("verbs", "optional", "changes", "domains"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what was asked for; raises AnsibleActionFail with what is wrong about it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args, variables = self._task.args, task_vars or {}
        given = with_whole_texts(load_extra_vars(self._loader), context.CLIARGS.get("extra_vars", ()))
        verbs, optional = args.get("verbs", {}), args.get("optional", {})
        hosts = list(variables.get("ansible_play_hosts_all", ()))
        several = hosts if len(hosts) > 1 and (verbs or args.get("changes", False)) else None
        result["changed"] = False
        try:
            domains, changes = args.get("domains", []), args.get("changes", False)
            result |= understand(given, verbs, optional, domains, several, changes=changes)
            words = {word: None for taken in (*verbs.values(), optional, {"format": "text"}) for word in taken}
            refuse_unknown(context.CLIARGS.get("extra_vars", ()), list(words))
        except AnsibleActionFail:
            # What is wrong is wrong for all hosts, and is said once where one stops all.
            if self._task.any_errors_fatal and variables.get("inventory_hostname") != hosts[0]:
                return result
            raise
        return result
