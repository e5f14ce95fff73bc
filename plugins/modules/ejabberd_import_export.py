#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import accounts into a running ejabberd, or export them, as XEP-0227."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ejabberd_import_export
short_description: Import accounts and rooms, or export accounts, as XEP-0227
description:
  - >-
    An account is imported completely or not at all: all its data is stored before anybody can log in to it; a room is
    created with all its settings. The data is sent within the call and is not written to a file on the host.
  - >-
    Used as a task, the action plugin of the same name does the rest: it reads I(file) on the controller, checks all
    accounts and rooms before it has the first one made, and writes what was given out.
options:
  verb:
    description: >-
      C(import) takes accounts and rooms that are not here, and compares those that are; C(complete) adds to these what
      they lack as well. C(check) and C(check-complete) say what they would do. C(export) with the keys of the password,
      with which the account can be imported elsewhere, or C(copy) without. A task asks for none of the checks; they
      come first.
    type: str
    choices: [check, check-complete, import, complete, export, copy]
    required: true
  hosts:
    description: >-
      XEP-0227 C(host) elements to take in, without prefixes, and such with rooms as the lookup plugin C(prosody)
      returns them; from the action plugin.
    type: list
    elements: str
    default: []
  file:
    description: >-
      Of a task. File of XEP-0227, or folder with several (C(*.xml)) and with data folders of a Prosody's rooms, on
      the controller.
    type: path
  account:
    description: >-
      Address of the account to export. Of a task that imports, the only one that may be in the files; empty for all.
    type: str
    default: ''
  source:
    description: Of a task. The domain in the files whose accounts are imported.
    type: str
  target:
    description: Of a task. The domain that they are imported to.
    type: str
  domains:
    description: Of a task. The domains of the service, each with that of its rooms.
    type: dict
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Import what prosody-migrator has written
  conexizan.xmpp.ejabberd_import_export:
    verb: import
    file: moving/
    domains: {chat.example.org: muc.chat.example.org}
"""

RETURN = r"""
accounts:
  description: >-
    Each account with C(address), C(state) (C(new) is or would be made, C(exists) was left alone and has all that the
    file says, C(lacking) was left alone and has not, C(completed) was, C(failed)), C(note), what of it could not be
    taken or was fixed, what it lacks or lacked, or why it failed, and C(counts), how many C(contacts), C(nodes),
    C(messages) and C(rooms) the files have of it.
  type: list
  elements: dict
  returned: for C(import) and C(complete)
rooms:
  description: Each room, as I(accounts).
  type: list
  elements: dict
  returned: for C(import) and C(complete)
unread:
  description: In words, what there is of a Prosody's accounts that is in no file of XEP-0227; empty if nothing.
  type: str
  returned: for C(import) and C(complete)
alone:
  description: Addresses of those of I(accounts) that have no contact in the files.
  type: list
  elements: str
  returned: for C(import) and C(complete)
broken:
  description: Those of I(rooms) and I(accounts) that failed.
  type: list
  elements: dict
  returned: for C(import) and C(complete)
file:
  description: The file that was written.
  type: str
  returned: for C(export) and C(copy)
"""

import subprocess
from typing import Any
from xml.sax.saxutils import quoteattr

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program, registration_review
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import SOCKET, Api, ApiError, unknown

SECONDS = 3600
CHECKS = {"check": "import", "check-complete": "complete"}


def run(verb: str, host: str) -> str:
    """Return the program's output; raises as ejabberd_program.run does."""
    answer: str = ejabberd_program.run("xep0227", verb, given=host, seconds=SECONDS)
    return answer


def states(answer: str) -> list[dict[str, Any]]:
    """Return the lines of an answer; each has a name, a state, a note and counts."""
    # Not by splitlines(), which also splits where a note has one of Unicode's ends of lines in it.
    lines = (line.split("\t") for line in answer.split("\n") if line)
    return [
        {"name": name, "state": state, "note": note, "counts": {what: int(of) for what, of in counted(counts)}}
        for name, state, note, counts in lines
    ]


def counted(counts: str) -> list[list[str]]:
    """Return the parts of a=1 b=2."""
    return [one.split("=") for one in counts.split()]


def give(verb: str, account: str) -> str:
    """Return an account as XEP-0227; raises ApiError if there is none of that name, or nobody has let it in yet."""
    name, _, domain = account.lower().partition("@")
    known = Api(SOCKET).call("registered_users", host=domain)
    if name not in known:
        raise unknown("user", f"{name}@{domain}", "account", (f"{one}@{domain}" for one in known))
    if f"{name}@{domain}" in [row["address"] for row in registration_review.waiting([domain])]:
        raise ApiError(
            f'user is "{name}@{domain}", which waits to be let in: the file would let it in wherever it is imported. '
            f"Decide first: playbooks/user.yml -e approve={name}@{domain}, or -e refuse={name}@{domain}."
        )
    return run(verb, f"<host jid={quoteattr(domain)}><user name={quoteattr(name)}></user></host>")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": [*CHECKS, *CHECKS.values(), "export", "copy"], "required": True},
            "hosts": {"type": "list", "elements": "str", "default": [], "no_log": True},
            "account": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    verb = module.params["verb"]
    try:
        if verb in ("export", "copy"):
            module.exit_json(changed=False, document=give(verb, module.params["account"]))
        if module.check_mode:
            verb = {done: would for would, done in CHECKS.items()}.get(verb, verb)
        module.exit_json(changed=False, answers=[states(run(verb, host)) for host in module.params["hosts"]])
    except (RuntimeError, ApiError) as error:
        module.fail_json(msg=str(error))
    except (OSError, subprocess.TimeoutExpired) as error:
        module.fail_json(msg=f"{ejabberd_program.FOLDER / 'xep0227'}: {type(error).__name__}")


if __name__ == "__main__":
    main()
