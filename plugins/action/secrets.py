# SPDX-License-Identifier: GPL-3.0-or-later
"""Move secrets that an earlier version wrote into the folder of their domain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets import files

DOCUMENTATION = r"""
name: secrets
short_description: Secrets of earlier versions, moved to where they belong
description:
  - Earlier versions wrote one set of secrets for all hosts of an inventory, under names that Ansible takes for
    inventories. They are copied into the folder of each domain whose host uses them, and deleted once each has its own.
  - Writes on the controller only, and nothing in check mode.
options:
  folder:
    description: The folder of the domain's secrets, inside of the one that all domains share.
    type: path
    required: true
  in_use:
    description: >-
      Whether the host has a service, or is to have one again, and so uses the old ones. The only domain of an
      inventory does.
    type: bool
    required: true
"""


class ActionModule(Action):
    """Move them; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("folder", "in_use"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return whether something was moved."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        folder = Path(self._task.args["folder"])
        result["changed"] = False
        try:
            names = [path.name for path in folder.parent.iterdir()] if folder.parent.is_dir() else []
            if not any(files.OLD.fullmatch(name.removesuffix(files.SUFFIX)) for name in names):
                return result
            if self._task.check_mode:
                return result
            # The other services of the inventory that have these as well, in this run or not.
            hosts = [variables["hostvars"][name] for name in variables["groups"]["all"]]
            root = str(folder.parent)
            domains = {
                str(host["xmpp_domain"])
                for host in hosts
                if host.get("xmpp_domain") and Path(str(host.get("xmpp_secrets_dir", root))) == folder.parent
            } | {folder.name}
            everybody = [folder.parent / name for name in sorted(domains)]
            claim = bool(self._task.args["in_use"]) or len(domains) == 1
            result["changed"] = bool(files.move(folder, everybody, claim=claim))
            if result["changed"] and len(domains) > 1:
                result["warnings"] = [
                    f"{', '.join(sorted(domains))} had the same secrets so far; {folder} has a copy of them now. To "
                    "have others for each: docs/operations.md (Secrets)."
                ]
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename} cannot be moved or written: {error.strerror}") from error
        return result
