# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``plain_table``: rows as a table for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ansible_collections.conexizan.xmpp.plugins.filter.control_character import one_line

DOCUMENTATION = r"""
name: plain_table
short_description: A table for a terminal
description: Takes a list of dictionaries and returns a text, each column as wide as it needs.
positional: columns
options:
  _input: {description: The rows., type: list, elements: dict, required: true}
  columns: {description: Key to heading; in this order., type: dict, required: true}
"""


def words(value: object) -> str:
    """Return a value as a person reads it, in one line and without signs that steer a terminal."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, (list, tuple)):
        return ", ".join(words(item) for item in value)
    return one_line(str(value))


def plain_table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> str:
    """Return the lines, the headings first."""
    lines = [list(columns.values())] + [[words(row[key]) for key in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"plain_table": plain_table}
