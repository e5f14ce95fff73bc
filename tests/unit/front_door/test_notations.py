# SPDX-License-Identifier: GPL-3.0-or-later
"""Each place has its own way to write a value: what an example shows passes there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..loading import ROOT
from .known import GOOD
from .playing import NOWHERE, place, play, results

INI = """\
[services]
first xmpp_calls=false xmpp_archive_days='"14"' xmpp_admins=maria
second

[services:vars]
xmpp_webchat=no
xmpp_name=2025
xmpp_languages=de
xmpp_upload_days = "{{ '14' }}"
xmpp_firewall=maybe
xmpp_acme_email=nobody
"""
IN_BRACKETS = "which is a string, but must be a list: in an INI inventory, write it in brackets, each string in quotes."
CAPITAL = (
    "which is a string, but must be a boolean: "
    "an INI inventory takes True or False, with a capital letter and without quotes."
)
AS_JSON = "-e NAME=VALUE always sets a string, so use JSON."


def test_each_place_has_its_own_way_to_write(tmp_path: Path) -> None:
    """INI takes Python's values, and the command line JSON: an example in YAML would not pass there. These do."""
    (tmp_path / "hosts.ini").write_text(INI)
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/services.yml").write_text(yaml.safe_dump(NOWHERE | GOOD))
    wrong = ["-e", "xmpp_sha1_passwords=true", "-e", "xmpp_backup_days=x", "-e", "xmpp_recommended_rooms=a@muc.test"]
    found = results(play(tmp_path, "-i", "hosts.ini", *wrong))["first"]["problems"]
    examples = {}
    lines = []
    for problem in found:
        first, _, example = problem.splitlines()
        lines.append(first)
        name = first.split()[0]
        examples[name] = example.removeprefix("  example: ")
    assert lines == [
        "xmpp_name is 2025, which is an integer, but must be a string: write it in quotes.",
        f'xmpp_languages is "de", {IN_BRACKETS}',
        'xmpp_acme_email is "nobody", which must be an address like name@domain.',
        f'xmpp_sha1_passwords is "true", which is a string, but must be a boolean: {AS_JSON}',
        f'xmpp_admins is "maria", {IN_BRACKETS}',
        f'xmpp_recommended_rooms is "a@muc.test", which is a string, but must be a list: {AS_JSON}',
        'xmpp_archive_days is "14", which is a string, but must be an integer: write it without quotes.',
        'xmpp_upload_days is "14", which is a string, but must be an integer: let the template end in | int.',
        f'xmpp_backup_days is "x", which is a string, but must be an integer: {AS_JSON}',
        f'xmpp_calls is "false", {CAPITAL}',
        f'xmpp_webchat is "no", {CAPITAL}',
        f'xmpp_firewall is "maybe", {CAPITAL}',
    ]
    assert examples | {"xmpp_recommended_rooms": ""} == {
        "xmpp_name": "xmpp_name=Friends",
        "xmpp_languages": "xmpp_languages=['de', 'en']",
        "xmpp_acme_email": "xmpp_acme_email=operator@friends.example",
        "xmpp_sha1_passwords": """-e '{"xmpp_sha1_passwords": true}'""",
        "xmpp_admins": """xmpp_admins='['"'"'admin'"'"', '"'"'maria'"'"']'""",
        "xmpp_recommended_rooms": "",
        "xmpp_archive_days": "xmpp_archive_days=14",
        "xmpp_upload_days": "xmpp_upload_days=14",
        "xmpp_backup_days": """-e '{"xmpp_backup_days": 3}'""",
        "xmpp_calls": "xmpp_calls=False",
        "xmpp_webchat": "xmpp_webchat=False",
        "xmpp_firewall": "xmpp_firewall=False",
    }
    # Who pastes them gets through. (The days of a backup need a place for it.)
    of_host = [examples.pop(name) for name in ("xmpp_calls", "xmpp_archive_days", "xmpp_admins")]
    options = [
        word for name in list(examples) if examples[name].startswith("-e") for word in shlex.split(examples.pop(name))
    ]
    options += ["-e", "xmpp_backup_repository=/mnt/backup"]
    fixed = f"[services]\nfirst {' '.join(of_host)}\n[services:vars]\n" + "\n".join(examples.values()) + "\n"
    (tmp_path / "hosts.ini").write_text(fixed)
    assert results(play(tmp_path, "-i", "hosts.ini", *options))["first"]["problems"] == []


def test_home_inventory_waits_for_its_domain(tmp_path: Path) -> None:
    """The template to copy has one thing to fill in, and says so; beside it, a setting from the command line."""
    (found,) = results(
        play(tmp_path, "-i", str(ROOT / "inventories/home"), "-e", "xmpp_upload_days=14"),
    ).values()
    assert [problem.splitlines()[0] for problem in found["problems"]] == [
        'xmpp_domain is "example.org", which is reserved for examples (RFC 2606): replace it with your own domain.',
        f'xmpp_upload_days is "14", which is a string, but must be an integer: {AS_JSON}',
    ]
    places = [place(problem) for problem in found["problems"]]
    assert re.fullmatch(rf"{ROOT}/inventories/home/hosts.yml:\d+", places[0])
    assert places[1] == "the command line (-e)"


# ------------------------------------------------------------------ each type, in each format
# A wrong value of each type, and of a rule; then, by format, how its message ends.
WRONG: dict[str, Any] = {
    "xmpp_calls": "no",
    "xmpp_upload_days": "14",
    "xmpp_admins": "maria",
    "xmpp_provider": "club",
    "xmpp_name": 2025,
    "xmpp_acme_email": "nobody",
}
HINTS = {
    "YAML": {
        "xmpp_calls": "a boolean: write true or false, without quotes",
        "xmpp_upload_days": "an integer: write it without quotes",
        "xmpp_admins": "a list: write it in brackets, or each entry on its own line after a hyphen",
        "xmpp_provider": "a mapping: write KEY: VALUE, each on its own line",
        "xmpp_name": "a string: write it in quotes",
        "xmpp_acme_email": "must be an address like name@domain",
    },
    "INI": {
        "xmpp_calls": "a boolean: an INI inventory takes True or False, with a capital letter and without quotes",
        "xmpp_upload_days": "an integer: write it without quotes",
        "xmpp_admins": "a list: in an INI inventory, write it in brackets, each string in quotes",
        "xmpp_provider": "a mapping: in an INI inventory, write it in braces, keys and strings in quotes",
        "xmpp_name": "a string: write it in quotes",
        "xmpp_acme_email": "must be an address like name@domain",
    },
    "-e NAME=VALUE": {
        "xmpp_calls": "a boolean: -e NAME=VALUE always sets a string, so use JSON",
        "xmpp_upload_days": "an integer: -e NAME=VALUE always sets a string, so use JSON",
        "xmpp_admins": "a list: -e NAME=VALUE always sets a string, so use JSON",
        "xmpp_provider": "a mapping: -e NAME=VALUE always sets a string, so use JSON",
        "xmpp_acme_email": "must be an address like name@domain",
    },
}
HINTS["INI, host line"] = HINTS["INI"] | {
    "xmpp_name": "a string: in a host line, write it in quotes twice, \"'2025'\"",
}
HINTS["-e with JSON"] = HINTS["YAML"] | {
    "xmpp_admins": "a list: write it in brackets",
    "xmpp_provider": "a mapping: write it in braces",
}


# What is told by one run: of those in inventories, each is a host; what the command line sets, it sets for all hosts.
RUNS = [[name for name in HINTS if not name.startswith("-e")], *([name] for name in HINTS if name.startswith("-e"))]


def slug_of(notation: str) -> str:
    return re.sub("[^a-z]+", "_", notation.lower()).strip("_")


def written(folder: Path, notation: str, lines: list[str]) -> list[str]:
    """Write an inventory with these settings, in a format, and return the options of Ansible that use it.

    It is a folder of the format's name, with a host of that name in a group.
    """
    name = slug_of(notation)
    inventory = folder / name
    (inventory / "group_vars").mkdir(exist_ok=True, parents=True)
    others = NOWHERE | {setting: value for setting, value in GOOD.items() if setting not in "".join(lines)}
    (inventory / "group_vars/all.yml").write_text(yaml.safe_dump(others))
    text = {
        "INI": f"[of_{name}]\n{name}\n[of_{name}:vars]\n" + "\n".join(lines),
        "INI, host line": f"{name} " + " ".join(lines),
    }
    if notation == "YAML":
        (inventory / "hosts.yml").write_text(f"of_{name}: {{hosts: {{{name}: }}}}\n")
        (inventory / f"group_vars/of_{name}.yml").write_text("\n".join(lines) + "\n")
        return ["-i", f"{name}/hosts.yml"]
    (inventory / "hosts").write_text(text.get(notation, name) + "\n")
    return ["-i", f"{name}/hosts", *(shlex.split(" ".join(lines)) if notation.startswith("-e") else [])]


def in_format(notation: str, name: str, value: Any) -> str:
    """Return a setting as somebody writes it there who means well."""
    if notation == "YAML":
        return f"{name}: {json.dumps(value)}"
    if notation == "-e with JSON":
        return f"-e '{json.dumps({name: value})}'"
    if notation == "-e NAME=VALUE":
        return f"-e {name}={value}"
    text = repr(value) if isinstance(value, str) and value.isdigit() else str(value)
    return f"{name}={shlex.quote(text) if notation == 'INI, host line' else text}"


@pytest.mark.parametrize("notations", RUNS, ids="; ".join)
def test_example_is_in_the_format_of_its_place_and_passes(tmp_path: Path, notations: list[str]) -> None:
    def problems(lines: dict[str, list[str]]) -> dict[str, list[str]]:
        options = [word for notation in notations for word in written(tmp_path, notation, lines[notation])]
        found = results(play(tmp_path, *options))
        return {notation: found[slug_of(notation)]["problems"] for notation in notations}

    wrong = {notation: {name: WRONG[name] for name in HINTS[notation]} for notation in notations}
    found = problems(
        {
            notation: [in_format(notation, name, value) for name, value in settings.items()]
            for notation, settings in wrong.items()
        }
    )
    examples = {}
    for notation, settings in wrong.items():
        told = {problem.split()[0]: problem.splitlines() for problem in found[notation]}
        assert told.keys() == settings.keys()
        place = {
            "YAML": r"yaml/group_vars/of_yaml\.yml:\d",
            "INI": r"ini/hosts:\d",
            "INI, host line": "ini_host_line/hosts:1",
        }.get(notation, r"the command line \(-e\)")
        for name, (first, where, *_) in told.items():
            assert first.endswith(f"{HINTS[notation][name]}."), first
            assert re.fullmatch(f"  where:   {place}", where), where
        examples[notation] = [
            "\n".join(line.removeprefix("  example: ").removeprefix(" " * 11) for line in lines[2:])
            for lines in told.values()
        ]
        assert examples[notation][list(told).index("xmpp_calls")] == {
            "YAML": "xmpp_calls: false",
            "INI": "xmpp_calls=False",
            "INI, host line": "xmpp_calls=False",
        }.get(notation, """-e '{"xmpp_calls": false}'""")
    # Fed back as they are, they pass.
    assert problems(examples) == {notation: [] for notation in notations}


def test_example_of_a_setting_that_is_missing(tmp_path: Path) -> None:
    """It has no line yet, so it is in the format of the inventory."""
    inventories = {
        "group/hosts": ("[services]\ngroup ansible_host=192.0.2.1\n", "xmpp_domain=friends.example"),
        "line/hosts.ini": ("line ansible_host=192.0.2.1\n", "xmpp_domain=friends.example"),
        "plain/hosts": ("services:\n  hosts:\n    plain:\n", "xmpp_domain: friends.example"),
        "named/hosts.yml": ("services:\n  hosts:\n    named:\n", "xmpp_domain: friends.example"),
    }
    for file, (text, _) in inventories.items():
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(text)
    found = results(play(tmp_path, *(word for file in inventories for word in ("-i", file))))
    for file, (_, example) in inventories.items():
        (problem,) = found[Path(file).parent.name]["problems"]
        assert problem.splitlines()[1:] == [f"  where:   {file}", f"  example: {example}"]


def test_command_line_is_named_although_the_inventory_has_the_setting_too(tmp_path: Path) -> None:
    """Also of true and null, which carry no origin."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"first": GOOD | {"xmpp_upload_days": 7}}}}))
    given = {"xmpp_upload_days": True, "xmpp_archive_days": None}
    found = results(play(tmp_path, "-i", "hosts.yml", "-e", json.dumps(given)))["first"]["problems"]
    assert [place(problem) for problem in found] == ["the command line (-e)"] * 2
    assert [problem.splitlines()[2] for problem in found] == [
        """  example: -e '{"xmpp_archive_days": 14}'""",
        """  example: -e '{"xmpp_upload_days": 14}'""",
    ]
    (tmp_path / "more.yml").write_text("xmpp_upload_days: true\n")
    (problem,) = results(play(tmp_path, "-i", "hosts.yml", "-e", "@more.yml"))["first"]["problems"]
    assert problem.splitlines()[1:] == ["  where:   more.yml:1", "  example: xmpp_upload_days: 14"]
