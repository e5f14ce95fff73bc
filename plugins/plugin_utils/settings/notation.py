# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats that a value can be written in: YAML, an INI inventory, the command line, a template."""

from __future__ import annotations

import ast
import datetime
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

# The format of the place where a value stands.
YAML, INI, INI_HOST, COMMAND_LINE, JSON, TEMPLATE = (
    "YAML",
    "INI",
    "INI, in the line of a host",
    "-e NAME=VALUE",
    "-e with JSON",
    "template",
)

TYPES: dict[str, tuple[type, str]] = {
    "str": (str, "a string"),
    "path": (str, "a path"),
    "bool": (bool, "a boolean"),
    "int": (int, "an integer"),
    "list": (list, "a list"),
    "dict": (dict, "a mapping"),
}


def yaml_line(name: str, value: Any) -> str:
    """Return a setting as YAML that can be pasted; a list of mappings gets a line for each key."""
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
    """Return a value as YAML; a string is not quoted where that is safe."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w .-]*[\w.]", value):
        plain = value.lower() not in ("yes", "no", "on", "off", "true", "false", "null")
        return value if plain else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def is_template(raw: Any) -> bool:
    """Whether a value is written as a template."""
    return isinstance(raw, str) and "{{" in raw


def as_meant(value: Any, kind: type) -> bool | int | None:
    """Return the boolean or the integer that a string stands for, or None."""
    if isinstance(value, str) and kind is bool:
        return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(value.lower())
    if isinstance(value, str) and kind is int and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    return None


def in_notation(example: str, notation: str) -> str:
    """Return an example, which is in YAML, in the format of the place where it belongs."""
    if notation not in (COMMAND_LINE, JSON, INI, INI_HOST):
        return example
    ((name, value),) = yaml.safe_load(example).items()
    if notation in (COMMAND_LINE, JSON):
        text = json.dumps({name: value}, ensure_ascii=False).replace("'", "\\u0027")
        return f"-e '{text}'"
    # A value that is a Python literal is read as such, anything else as a string.
    text = value if isinstance(value, str) and not is_literal(value) and value.isprintable() else repr(value)
    return f"{name}={shlex.quote(text) if notation == INI_HOST else text}"


def is_literal(text: str) -> bool:
    """Whether a string is a Python literal."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def type_mistake(value: Any, kind: type, wanted: str, notation: str = YAML) -> str:
    """Return what is wrong with the type, and how to write the value in the format of its place."""
    given = next((words for known, words in TYPES.values() if isinstance(value, known)), "of another type")
    if isinstance(value, datetime.date):
        given = "a date"
    elif isinstance(value, float):
        given = "a float"
    if notation == TEMPLATE:
        filters = {bool: "bool", int: "int", str: "string"}
        hint = f"let the template end in | {filters[kind]}" if kind in filters else ""
    elif notation == COMMAND_LINE and isinstance(value, str):
        hint = "-e NAME=VALUE always sets a string, so use JSON"
    elif notation in (INI, INI_HOST):
        hint = ini_hint(value, kind, notation)
    else:
        hint = yaml_hint(value, kind, notation)
    return f"which is {given}, but must be {wanted}{': ' * bool(hint)}{hint}"


def ini_hint(value: Any, kind: type, notation: str) -> str:
    """Return how a type is written in an INI inventory."""
    if kind is bool:
        return "an INI inventory takes True or False, with a capital letter and without quotes"
    if kind is list:
        return "in an INI inventory, write it in brackets, each string in quotes"
    if kind is dict:
        return "in an INI inventory, write it in braces, keys and strings in quotes"
    if kind is str and not isinstance(value, (list, dict)):
        # The outer quotes of a host line are taken off, as a shell does it.
        return "write it in quotes" if notation == INI else f"in a host line, write it in quotes twice, \"'{value}'\""
    return "write it without quotes" if as_meant(value, kind) is not None else ""


def yaml_hint(value: Any, kind: type, notation: str) -> str:
    """Return how a type is written in YAML or JSON."""
    if kind is bool:
        return "write true or false, without quotes"
    if kind is list:
        return "write it in brackets" + ", or each entry on its own line after a hyphen" * (notation == YAML)
    if kind is dict:
        return "write it in braces" if notation == JSON else "write KEY: VALUE, each on its own line"
    if kind is str and not isinstance(value, (list, dict)):
        return "write it in quotes"
    return "write it without quotes" if as_meant(value, kind) is not None else ""
