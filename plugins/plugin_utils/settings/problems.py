# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems in words: what is wrong, with the value; where to change it; an example that would pass."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import YAML, in_notation
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Keys, Places

SHOWN_MAX = 120  # characters of a value in a message


@dataclass(frozen=True)
class Problem:
    """One thing to correct."""

    keys: Keys
    wrong: str
    example: str | None = None  # lines of YAML
    place: str | None = None  # where to change it, if that is no setting


def report(problem: Problem, places: Places) -> str:
    """Return what is wrong, where to change it and an example, as lines for a terminal."""
    lines = [problem.wrong, f"  where:   {problem.place or places.find(problem.keys)}"]
    if problem.example:
        notation = YAML if problem.place else places.notation(problem.keys)
        first, *rest = in_notation(problem.example, notation).splitlines()
        lines += [f"  example: {first}", *(" " * 11 + line for line in rest)]
    return "\n".join(lines)


def label(keys: Keys) -> str:
    """Return what people call a value: xmpp_rooms (entry 2, title)."""
    name, *rest = keys
    inner = ", ".join(f"entry {key + 1}" if isinstance(key, int) else str(key) for key in rest)
    return f"{name} ({inner})" if inner else str(name)


def in_one_line(value: Any) -> str:
    """Return a value as it may be shown on a terminal: short, in one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def first_words(error: Exception) -> str:
    """Return the first line of an error, to stand inside a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
