# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a setting is found, and its place is named."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import in_one_line

from .cases import CASES
from .known import GOOD, OPTIONS
from .playing import Run, place, slug

LABEL = re.compile(r"(\w+)(?: \(([^)]+)\))?")


def value_at(settings: dict[str, Any], inner: str | None, name: str) -> Any:
    """Return the value that a problem is about: xmpp_rooms (entry 2, title)."""
    value = settings[name]
    for key in inner.split(", ") if inner else ():
        value = value[int(key.removeprefix("entry ")) - 1] if key.startswith("entry ") else value[key]
    return value


@pytest.mark.parametrize("name", CASES)
def test_case(run: Run, name: str) -> None:
    """Exactly the expected problems are reported, in the order of the specification, with the value and its place."""
    settings, expected = CASES[name]
    problems = [problem.replace(str(run.folder), "DIR") for problem in run.found[slug(CASES, name)]["problems"]]
    assert len(problems) == len(expected), problems
    inventory = (run.folder / "hosts.yml").read_text(encoding="utf-8").splitlines()
    for problem, (label, rule) in zip(problems, expected, strict=True):
        wrong = problem.splitlines()[0]
        assert wrong.startswith(f"{label} ")
        assert rule in wrong
        found = LABEL.fullmatch(label)
        assert found
        setting, inner = found.groups()
        if ", which " in wrong and "a value that is not shown" not in wrong and "{{" not in str(settings[setting]):
            assert wrong.startswith(f"{label} is {in_one_line(value_at(settings, inner, setting))}, which ")
        file, _, line = place(problem).partition(":")
        assert file == "hosts.yml"
        if not line:
            assert any(settings.get(name, ...) is ... for name in re.findall(r"xmpp_\w+", wrong))
            continue
        # The line of the setting, or of an entry below it.
        above = [one for one in inventory[: int(line)] if re.match(r" {6}\w", one)]
        blamed = above[-1].strip().partition(":")[0]
        assert blamed in GOOD | settings
        assert re.search(rf"\b{blamed}\b", wrong)


def test_every_setting_has_a_case() -> None:
    """A new setting needs a bad inventory here."""
    tried = {key for settings, wrongs in CASES.values() if wrongs for key in settings}
    assert OPTIONS.keys() - tried == {"xmpp_debug"}  # a bad xmpp_debug is shown in test_one_stops_all


def test_help_names_the_bounds(run: Run) -> None:
    """Who reads the help need not try the largest number, or the longest text."""
    told = [problem.splitlines()[0] for found in run.found.values() for problem in found["problems"]]
    bounds = re.compile(r"(\w+)(?: \(entry \d+(?:, (\w+))?\))? is .*(?:must be from \d+ to|characters: at most) (\d+)")
    checked = [match.groups() for match in map(bounds.match, told) if match]
    assert len(checked) > 5
    for name, key, bound in checked:
        option = OPTIONS[name]["options"][key] if key else OPTIONS[name]
        assert re.search(rf"\b{bound}\b", option["description"]), (name, key, bound)


def test_examples_pass(run: Run) -> None:
    """Who pastes the example of a message gets through."""
    assert [run.found[f"examples{number}"]["problems"] for number in ("", "-2", "-3")] == [[], [], []]
