# SPDX-License-Identifier: GPL-3.0-or-later
"""Base classes of the controller's plugins. ansible-core has no type hints; mypy is told so only here."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.plugins.lookup import LookupBase


class Action(ActionBase):  # type: ignore[misc]  # a class without types
    """An action plugin."""


class Lookup(LookupBase):  # type: ignore[misc]  # a class without types
    """A lookup plugin."""
