# SPDX-License-Identifier: GPL-3.0-or-later
"""Base classes of the controller's plugins; that of the output is in `callback/terminal.py`."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.plugins.lookup import LookupBase


class Action(ActionBase):  # type: ignore[misc]  # a class of ansible-core, which ships no types
    """An action plugin."""


class Lookup(LookupBase):  # type: ignore[misc]  # a class of ansible-core, which ships no types
    """A lookup plugin."""
