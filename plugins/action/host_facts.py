# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of ``host_facts``: compare the secrets on the host with those in the folder here.

What the host says of its secrets, salted and hashed, ends here: no result and no output of Ansible has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.filter.control_character import one_line
from ansible_collections.conexizan.xmpp.plugins.module_utils.fingerprints import is_of
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets import files

# What a host may say that it has: names of files are made of it.
NAMES = re.compile(r"backup|backup-ssh|coturn|upload|account-[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


def strange(there: Mapping[str, str], folder: Path) -> list[dict[str, str]]:
    """Return the secrets on the host that the folder has not, or others of: C(name), C(state), C(found) elsewhere."""
    result = []
    for name, fingerprint in sorted(there.items()):
        if not NAMES.fullmatch(name):
            raise AnsibleActionFail(f"The host reports a secret with an unknown name: {one_line(name[:80])}")
        here = files.find(folder, name)
        if here and is_of(here[1], fingerprint):
            continue
        root = folder.parent
        candidates = [*files.places(folder, name), *sorted(root.glob(f"*/{name}{files.SUFFIX}"))]
        found = ""
        for path in candidates:
            if path.is_file() and is_of(path.read_text(encoding="utf-8").rstrip(), fingerprint):
                found = str(path.parent)
        result.append({"name": name, "state": "another" if here else "missing", "found": found})
    return result


class ActionModule(Action):
    """Read the host with the module of the same name."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the facts, with C(identity.strange_secrets) where the folder of secrets is given."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = dict(self._task.args)
        result |= self._execute_module(module_name="conexizan.xmpp.host_facts", module_args=args, task_vars=task_vars)
        identity = result.get("ansible_facts", {}).get("xmpp_host", {}).get("identity")
        if identity is None:
            return result
        there, given = identity.pop("secrets"), identity.pop("passwords")
        wanted = args.get("secrets")
        if wanted:
            for account in wanted["accounts"]:
                name, _, domain = account.partition("@")
                # A domain that takes the place of another one has its accounts to make.
                if account in given and domain:
                    there[f"account-{name}"] = given[account]
            identity["strange_secrets"] = strange(there, Path(wanted["folder"]))
            identity["known_secrets"] = sorted(there)
        return result
