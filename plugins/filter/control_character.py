# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters ``control_character`` and ``one_line``: what controls a terminal, an app or the text around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

DOCUMENTATION = r"""
name: control_character
short_description: The first character of a text that must not be in a name, a title or a reason
description:
  - >-
    Returns which one it is, for a message, or an empty text. Refused are control characters and line breaks (Unicode's
    categories Cc, Zl and Zp), what is no character of XML, and what changes the direction of the text around it
    (embeddings, overrides and isolates).
  - >-
    Characters that scripts and emoji are written with are parts of words, also where they cannot be seen: joiners
    (Persian, Hindi, families), marks of direction (Hebrew, Arabic), soft hyphens, spaces that do not break.
options:
  _input: {description: The text., type: str, required: true}
  lines: {description: Whether it may have several lines., type: bool, default: false}
  strict: {description: 'Whether nothing in it may be invisible, since it is no prose.', type: bool, default: false}
"""

DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
CONTROLS = {"\n": "a line break", "\r": "a line break", "\t": "a tab", "\x1b": "ESC", "\0": "NUL", "\x7f": "DELETE"}


def is_hidden(sign: str) -> bool:
    """Tell whether a character is none of a word, of a space or of punctuation."""
    code = ord(sign)
    return (
        unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs")
        or code in DIRECTIONS
        or code & 0xFFFE == 0xFFFE
        or 0xFDD0 <= code <= 0xFDEF
    )


def called(sign: str) -> str:
    """Return a character's number with its name, since it cannot be shown."""
    name = CONTROLS.get(sign) or unicodedata.name(sign, "")
    return f"U+{ord(sign):04X}" + (f" ({name})" if name else "")


def control_character(text: str, lines: bool = False, strict: bool = False) -> str:
    """Return the first character that must not be in the text, or nothing."""
    allowed = "\n\t" if lines else ""
    found = (sign for sign in text if sign not in allowed and (is_hidden(sign) or (strict and not sign.isprintable())))
    nothing_else = all(unicodedata.category(sign) in ("Cf", "Zs") for sign in text)
    return next(map(called, found), called(text[0]) if text and nothing_else else "")


def one_line(text: str) -> str:
    """Return the text without what a line of a table must not have."""
    return "".join(" " if is_hidden(sign) else sign for sign in text)


def plain(text: str) -> str:
    """Return a text of several lines without what steers a terminal, but for colours."""
    parts = COLOUR.split(text)
    shown = (
        part if place % 2 else "".join(one if one in "\n\t" else one_line(one) for one in part)
        for place, part in enumerate(parts)
    )
    return "".join(shown)


class FilterModule:
    """Registers the filters."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"control_character": control_character, "one_line": one_line}
