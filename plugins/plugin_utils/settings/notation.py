# SPDX-License-Identifier: GPL-3.0-or-later
"""How values are written: in YAML, in an inventory in INI form, on the command line, by a template."""

from __future__ import annotations

import ast
import datetime
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

# How a value is written where it stands.
YAML, INI, INI_HOST, COMMAND_LINE, TEMPLATE = (
    "YAML",
    "INI",
    "INI, in the line of a host",
    "the command line",
    "template",
)

TYPES: dict[str, tuple[type, str]] = {
    "str": (str, "a text"),
    "path": (str, "a path"),
    "bool": (bool, "true or false"),
    "int": (int, "a whole number"),
    "list": (list, "a list"),
    "dict": (dict, "a set of keys and values"),
}


def yaml_line(name: str, value: Any) -> str:
    """Return a setting as YAML that can be pasted; an entry of several keys gets a line for each."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        lines = [f"{name}:"]
        for item in value:
            pairs = [f"{key}: {scalar(part)}" for key, part in item.items()]
            lines += ["  - " + pairs[0], *("    " + pair for pair in pairs[1:])]
        return "\n".join(lines)
    if isinstance(value, list):
        return f"{name}: [{', '.join(scalar(item) for item in value)}]"
    return f"{name}: {scalar(value)}"


def scalar(value: Any) -> str:
    """Return a value as YAML; a text stays without quotes where that is safe."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w .-]*[\w.]", value):
        plain = value.lower() not in ("yes", "no", "on", "off", "true", "false", "null")
        return value if plain else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def is_template(raw: Any) -> bool:
    """Whether a value is written as a template."""
    return isinstance(raw, str) and "{{" in raw


def as_meant(value: Any, kind: type) -> bool | int | None:
    """Return what a text says if it is read as true, false or a number; nothing if it cannot be."""
    if isinstance(value, str) and kind is bool:
        return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(value.lower())
    if isinstance(value, str) and kind is int and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    return None


def in_notation(example: str, notation: str) -> str:
    """Return an example, which is in YAML, as the place takes it where it belongs."""
    if notation not in (COMMAND_LINE, INI, INI_HOST):
        return example
    ((name, value),) = yaml.safe_load(example).items()
    if notation == COMMAND_LINE:
        text = json.dumps({name: value}, ensure_ascii=False).replace("'", "\\u0027")
        return f"-e '{text}'"
    # A value is read as one of Python's if it can be, else as a text.
    text = value if isinstance(value, str) and not is_literal(value) else repr(value)
    return f"{name}={shlex.quote(text) if notation == INI_HOST else text}"


def is_literal(text: str) -> bool:
    """Whether Python takes a text for a value."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def type_mistake(value: Any, kind: type, wanted: str, notation: str = YAML) -> str:
    """Return what is wrong with the type, and how the value is written right where it stands."""
    given = next((words for known, words in TYPES.values() if isinstance(value, known)), "something else")
    if isinstance(value, datetime.date):
        given = "a date"
    elif isinstance(value, float):
        given = "a number with a fraction"
    hint = ""
    if notation == TEMPLATE:
        filters = {bool: "bool", int: "int", str: "string"}
        hint = f": let the template end in | {filters[kind]}" if kind in filters else ""
    elif notation == COMMAND_LINE and isinstance(value, str):
        hint = ": after -e, NAME=VALUE is always a text, so write it as JSON"
    elif notation in (INI, INI_HOST) and isinstance(value, str) and kind is bool:
        hint = ": in this file, write True or False, with a capital letter and without quotes"
    elif notation in (INI, INI_HOST) and kind is list:
        hint = ": in this file, write it in brackets, each entry in quotes"
    elif kind in (bool, int) and as_meant(value, kind) is not None:
        hint = ": write it without quotes"
    elif kind is str and not isinstance(value, (list, dict)):
        hint = ": write it in quotes"
    elif kind is list:
        hint = ": write it in brackets, or each entry on a line of its own behind a hyphen"
    return f"which is {given} where {wanted} is meant{hint}"
