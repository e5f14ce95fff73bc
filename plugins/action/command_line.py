# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the options after ``-e`` of a playbook that is a verb, and refuse invalid ones."""

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.utils.vars import load_extra_vars
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.command_line.options import (
    refuse_unknown,
    understand,
    with_whole_values,
)

DOCUMENTATION = r"""
name: command_line
short_description: What was asked for on the command line
description:
  - >-
    Reads the options that a playbook takes (C(-e ban=mallory)), checks them, and returns C(verb), the one that
    says what to do (C(list) without any), C(options), each in full, and C(format).
  - >-
    With several hosts, what changes something must name its domain (NAME@DOMAIN), and is done on the host that serves
    it: C(elsewhere) is true for the others, C(located) has the option and its value, C(served) the domains of this
    host.
  - >-
    Every playbook takes C(-e format=table) or C(json), which the callback C(terminal) heeds as well.
options:
  verbs:
    description: >-
      Verb to the options that it needs, the verb itself among them, each with its kind. An C(account) is of the
      service, NAME or NAME@DOMAIN; an C(address) is of anybody; a C(room) is of the service; a C(domain) is one of its
      domains, a C(service) the first of them; a C(flag) is true or false; a C(number) is a positive integer; a
      C(reason) is a short string; a C(string) is any other one.
    type: dict
    default: {}
  lists:
    description: >-
      Option that selects a list to the verbs that act on all of it, each with that option, in the form of I(verbs). No
      other verb goes with it. C(all) is the word all, a C(day) a date that has come.
    type: dict
    default: {}
  optional:
    description: Options that may be left out, each with its kind.
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


class ActionModule(Action):
    """Read the command line; changes nothing, needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("verbs", "lists", "optional", "changes", "domains"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what was asked for; raises AnsibleActionFail with what is wrong about it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args, variables = self._task.args, task_vars or {}
        lists = args.get("lists", {})
        given = with_whole_values(load_extra_vars(self._loader), context.CLIARGS.get("extra_vars", ()))
        verbs, optional = args.get("verbs", {}), args.get("optional", {})
        hosts = list(variables.get("ansible_play_hosts_all", ()))
        several = hosts if len(hosts) > 1 and (verbs or args.get("changes", False)) else None
        result["changed"] = False
        try:
            domains, changes = args.get("domains", []), args.get("changes", False)
            result |= understand(given, verbs, optional, domains, several, changes=changes, lists=lists)
            tables = [taken for table in (verbs, *lists.values()) for taken in table.values()]
            known = {option: None for taken in (*tables, optional, {"format": "string"}) for option in taken}
            refuse_unknown(context.CLIARGS.get("extra_vars", ()), list(known))
        except AnsibleActionFail:
            # What is wrong is wrong for all hosts, and is said once where one stops all.
            if self._task.any_errors_fatal and variables.get("inventory_hostname") != hosts[0]:
                return result
            raise
        return result
