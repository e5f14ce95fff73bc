# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of ``packages``: wait while somebody else installs some on the host, and say who and how far."""

from __future__ import annotations

import time
from typing import Any

from ansible.utils.display import Display
from ansible_collections.conexizan.xmpp.plugins.filter.control_character import one_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action

# A slow machine at work is not still for so long.
STILL_SECONDS = 300


class ActionModule(Action):
    """Run the module, again and again while it has to wait."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the action."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        host = variables.get("inventory_hostname", "the host")
        progress, since, said = "", time.monotonic(), ""
        while True:
            result: dict[str, Any] = self._execute_module(
                module_name="conexizan.xmpp.packages", module_args=self._task.args, task_vars=variables
            )
            waits = result.pop("waits", None)
            if not waits:
                host_facts = variables.get("ansible_facts", {}).get("xmpp_host")
                if result.get("changed") and host_facts:
                    # A package may have given a role's file another owner: tree looks again.
                    result["ansible_facts"] = {"xmpp_host": {**host_facts, "tree_digests": {}}}
                return result
            now = time.monotonic()
            if waits["progress"] != progress:
                progress, since = waits["progress"], now
            elif now - since > STILL_SECONDS:
                return {
                    "failed": True,
                    "waited": True,
                    "msg": (
                        f"{waits['holder']} (pid {waits['pid']}) has {waits['lock']} and has done nothing for "
                        f"{(now - since) / 60:.0f} minutes: {waits['step']}. No package was installed. Check on the "
                        f"host whether it waits for an answer (ps -fp {waits['pid']}); let it finish, or stop it, and "
                        "run this again."
                    ),
                }
            whom = f"{waits['holder']} (pid {waits['pid']})"
            words = f"{host}: another process installs packages: {whom}, {waits['step']}"
            if words != said:
                Display().display(one_line(f"{words}. Waiting until it ends."))
                said = words
