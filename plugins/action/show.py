# SPDX-License-Identifier: GPL-3.0-or-later
"""Print a text to the terminal: flush left, so that it can be read as a table and be pasted.

What a host says is in it, so nothing in it steers the terminal.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.conexizan.xmpp.plugins.filter.control_character import plain
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action


class ActionModule(Action):
    """Print ``text``; changes nothing, needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("text",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print the text in one piece, so that hosts that print at the same time do not mix; raises on a wrong type."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        text = self._task.args.get("text")
        if not isinstance(text, str):
            raise AnsibleActionFail(f"show: text is {text!r}, it must be a string")
        # Actions run in worker processes without a terminal; Display hands it to the one that has it.
        Display().display(plain(text))
        result["changed"] = False
        return result
