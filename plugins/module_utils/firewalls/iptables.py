# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in the words of iptables-save."""

from __future__ import annotations

import re
import shlex

from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import (
    ACCEPT,
    DROP,
    GOTO,
    JUMP,
    PASSED,
    RETURN,
    Chain,
    Chains,
    Condition,
    Rule,
)

BUILT_IN = {"INPUT": "input", "PREROUTING": "prerouting"}
TARGETS = {"ACCEPT": ACCEPT, "DROP": DROP, "REJECT": DROP, "RETURN": RETURN, "DNAT": PASSED, "REDIRECT": PASSED}
# Targets that are no verdict, and no chains either, are those that are in capitals and unknown to the table.
OPTIONS = {
    "-p": "protocol",
    "-i": "interface",
    "-s": "source",
    "-d": "destination",
    "--dport": "port",
    "--dports": "port",
    "--ports": "port",
    "--ctstate": "state",
    "--state": "state",
    "--dst-type": "destination-type",
}
# Matches that say nothing by themselves: what they ask is in their options.
SILENT = ("tcp", "udp", "multiport", "conntrack", "state", "comment", "addrtype")


def from_iptables(text: str, family: str, tool: str) -> Chains:
    """Return the chains in the words of iptables-save."""
    chains: Chains = {}
    table = ""
    names: set[str] = set()
    for line in text.splitlines():
        if line.startswith("*"):
            table, names = line[1:].strip(), set()
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            hook = BUILT_IN.get(name, "")
            names.add(name)
            chains[tool, family, table, name] = Chain(
                family, table, name, hook, TARGETS.get(policy, ACCEPT), "nat" if table == "nat" else "filter", tool
            )
        elif line.startswith("-A "):
            words = shlex.split(line)
            chains[tool, family, table, words[1]].rules.append(iptables_rule(words[2:], names))
    return chains


def iptables_rule(words: list[str], names: set[str]) -> Rule:
    """Return a rule of iptables."""
    conditions = []
    verdict = target = ""
    negated = False
    at = 0
    while at < len(words):
        word, value = words[at], words[at + 1] if at + 1 < len(words) else ""
        if word == "!":
            negated = True
            at += 1
            continue
        if word in ("-j", "-g"):
            if value in TARGETS:
                verdict = TARGETS[value]
            elif value in names:
                verdict, target = (JUMP if word == "-j" else GOTO), value
            break  # what follows are the options of the target
        if word in OPTIONS:
            values = tuple(re.sub(r"\+$", "*", one) for one in value.split(","))
            conditions.append(Condition(OPTIONS[word], values, negated))
        elif word == "--comment":
            pass
        elif word == "-m":
            if value not in SILENT:
                conditions.append(Condition(value))
        elif word in ("--tcp-flags", "--syn"):
            conditions.append(Condition("flags"))
        elif word.startswith("--s"):  # --sport, --src-type …
            conditions.append(Condition("source", (value,), negated))
        negated = False
        at += 1
        while at < len(words) and not words[at].startswith("-") and words[at] != "!":
            at += 1
    return Rule(tuple(conditions), verdict, target)
