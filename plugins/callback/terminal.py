# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own output, but aside (to stderr) when a program wants what a playbook says: -e format=json."""

from __future__ import annotations

from typing import Any

from ansible.playbook.play import Play
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display

DOCUMENTATION = r"""
name: terminal
type: stdout
short_description: Ansible's own output, aside if it is not what was asked for
description:
  - >-
    The callback ansible.builtin.default. With C(-e format=json), it prints to stderr, and stdout has only what the
    action C(show) prints.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""


class Aside:
    """A display that prints to stderr."""

    def __init__(self, display: Display) -> None:
        """Take the display that has the terminal."""
        self._display = display

    def __getattr__(self, name: str) -> Any:
        """Return everything else as that display has it."""
        return getattr(self._display, name)

    def display(self, *args: Any, **options: Any) -> None:
        """Print to stderr."""
        self._display.display(*args, **(options | {"stderr": True}))

    banner = Display.banner


class CallbackModule(Default):  # type: ignore[misc]  # ansible-core ships no type hints
    """Print what Ansible does."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "terminal"
    _display: Any

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Step aside before the first line, if a format for programs is asked for."""
        if play.get_variable_manager().extra_vars.get("format") == "json" and not isinstance(self._display, Aside):
            self._display = Aside(self._display)
            self.set_option("display_failed_stderr", True)
        super().v2_playbook_on_play_start(play)
