# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``as_text``: a setting inside of Markdown stays the text that it is."""

from __future__ import annotations

import re
from collections.abc import Callable

DOCUMENTATION = r"""
name: as_text
short_description: Protect a text from being read as Markdown
description: Puts a backslash before every sign that Markdown could take for more than itself, and joins lines.
options:
  _input: {description: The text., type: str, required: true}
"""


def as_text(value: object) -> str:
    """Return *value* so that Markdown shows it as it is (CommonMark 2.4); spaces that hold words together stay."""
    line = re.sub(r"\s+", " ", str(value), flags=re.ASCII).strip()
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", line)


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"as_text": as_text}
