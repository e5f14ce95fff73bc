# SPDX-License-Identifier: GPL-3.0-or-later
"""Specifications, defaults and the page of the settings say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(folder for folder in (ROOT / "roles").iterdir() if folder.is_dir())
TYPES = {"str": str, "path": str, "bool": bool, "int": int, "float": float, "list": list, "dict": dict}


def load(file: Path) -> dict[str, Any]:
    """Return what a YAML file holds; a role may do without the file."""
    return (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


def options_of(role: Path) -> dict[str, Any]:
    """Return the options of all entry points of a role."""
    entries = load(role / "meta/argument_specs.yml").get("argument_specs", {}).values()
    return {name: option for entry in entries for name, option in entry.get("options", {}).items()}


def is_computed(value: object) -> bool:
    """Whether a default is a template."""
    return isinstance(value, str) and "{{" in value


def described(options: dict[str, Any]) -> list[bool]:
    """Return for each option, and each option within it, whether it has a help text."""
    inner = [known for option in options.values() for known in described(option.get("options", {}))]
    return [bool(option.get("description")) for option in options.values()] + inner


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_specified(role: Path) -> None:
    """What has a default is in the specification, and what is in the specification has a default or must be given."""
    options = options_of(role)
    required = {name for name, option in options.items() if option.get("required")}
    assert options.keys() - required == load(role / "defaults/main.yml").keys()
    assert all(described(options))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_specification_and_defaults_agree(role: Path) -> None:
    """Only that of the settings repeats each default, for docs/settings.md."""
    documented = {name: option["default"] for name, option in options_of(role).items() if "default" in option}
    wanted = load(role / "defaults/main.yml") if role.name == "xmpp" else {}
    assert repr(sorted(documented.items())) == repr(sorted(wanted.items()))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_have_the_specified_type(role: Path) -> None:
    """A literal default is of the type that the specification promises."""
    options = options_of(role)
    wrong = {
        name: value
        for name, value in load(role / "defaults/main.yml").items()
        if not is_computed(value)
        and (kind := options.get(name, {}).get("type", "str")) != "raw"
        and type(value) is not TYPES[kind]
    }
    assert wrong == {}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_carry_the_name_of_the_role(role: Path) -> None:
    """The defaults of all roles share one name space."""
    assert [name for name in load(role / "defaults/main.yml") if not name.startswith(f"{role.name}_")] == []


def test_file_belongs_to_one_role() -> None:
    """Of two roles that install the same path, each would take it from the other in every run."""
    owners: dict[str, list[str]] = {}
    for role in ROLES:
        for path in (role / "templates").rglob("*"):
            if path.is_file():
                name = path.relative_to(role / "templates").as_posix().removesuffix(".j2")
                owners.setdefault(f"/{name}", []).append(role.name)
    assert {path: names for path, names in owners.items() if len(names) > 1} == {}
    assert len(owners) > 100, "they are somewhere else now"


def test_changelog_has_every_change_that_must_be_acknowledged() -> None:
    """With its number, in the words that the operator is told when a run stops for it."""
    told = load(ROOT / "roles/xmpp/vars/main.yml")["xmpp_derived_changes"]
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    written = re.findall(r"You must \((\d+)\): ", changelog)
    assert written == [str(number) for number in range(1, len(told) + 1)]
    assert [text for number, text in enumerate(told, 1) if f"You must ({number}): {text}" not in changelog] == []


def test_settings_have_defaults_and_examples() -> None:
    """The operator's settings: everything but the domain has a default, also in the help, and an example."""
    options = options_of(ROOT / "roles/xmpp")
    assert [name for name, option in options.items() if "default" not in option] == ["xmpp_domain"]
    assert [name for name, option in options.items() if "example" not in option] == []


def test_generated_pages_are_fresh() -> None:
    """docs/settings.md and the table of docs/privacy.md are what script/docs writes."""
    done = subprocess.run(
        [sys.executable, ROOT / "script/docs", "--check"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
