# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible says on an operator's terminal: each failure once, and none that looks like a success."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.callback import terminal

from ..kit import ansible_fork

WRONG = 'ban is "x", which is wrong, and this sentence is so long that a terminal of 80 columns takes two lines for it.'
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"name": "Do it", "ansible.builtin.fail": {"msg": WRONG}, "tags": "nginx"},
        ],
    }
]
RESCUED = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "block": [{"name": "Do it", "ansible.builtin.fail": {"msg": WRONG}, "no_log": True}],
                "rescue": [{"ansible.builtin.fail": {"msg": "{{ ansible_failed_result.msg }}"}}],
            },
        ],
    }
]


def run(folder: Path, play: object, *options: str, hosts: str = "one,") -> tuple[int, str]:
    """Exit code and output of a play with the project's configuration; no host is connected to."""
    (folder / "play.yml").write_text(yaml.safe_dump(play))
    words = ("-i", hosts, *options, "play.yml")
    done = ansible_fork.run(*words, folder=folder, environment=ansible_fork.operators())
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("play", [PLAY, RESCUED], ids=["plain", "rescued"])
def test_failure_is_said_once(tmp_path: Path, play: object) -> None:
    """Without the source code around it; with -v there is all that Ansible knows."""
    code, said = run(tmp_path, play)
    assert code == 2
    assert said.count(WRONG) == 1
    assert f"fatal: [one]: FAILED!\n{WRONG}\n" in said
    assert "Origin" not in said
    assert "Origin" in run(tmp_path, play, "-v")[1]


def test_mistake_in_a_playbook_says_where_it_is(tmp_path: Path) -> None:
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.fail": {"msg": "{{ nothing }}"}}]}]
    code, said = run(tmp_path, play)
    assert code == 2
    assert "play.yml:" in said


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--tags=ngnix"], 'The tag "ngnix" is on nothing in play.yml. Did you mean nginx?'),
        (["--tags=nginx,web"], 'The tag "web" is on nothing in play.yml. ansible-playbook --list-tags'),
        (["--skip-tags=nginxx"], 'The tag "nginxx" is on nothing in play.yml. Did you mean nginx?'),
    ],
)
def test_tag_that_nothing_has_is_refused(tmp_path: Path, options: list[str], wrong: str) -> None:
    """Nothing would be done, or everything, and the run would be a success."""
    code, said = run(tmp_path, PLAY, *options)
    assert code == 2
    assert wrong in said
    assert "TASK" not in said


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--tags=nginx"], 2),
        (["--tags=always"], 0),
        (["--skip-tags=nginx"], 0),
        (["--tags=all"], 2),
        (["--skip-tags=molecule-notest,notest"], 2),
    ],
)
def test_tag_that_is_there_is_taken(tmp_path: Path, options: list[str], code: int) -> None:
    assert run(tmp_path, PLAY, *options)[0] == code


def test_tag_of_other_playbooks_may_be_skipped(tmp_path: Path) -> None:
    """Molecule names two with every playbook."""
    assert "TASK" in run(tmp_path, PLAY, "--skip-tags=molecule-notest,notest")[1]


def test_inventory_without_hosts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {}}\n")
    code, said = run(tmp_path, PLAY, hosts="hosts.yml")
    assert code == 2
    assert "There is no host in " in said


def test_lines_are_as_long_as_the_terminal_is_wide() -> None:
    """At words; an example stays in one piece, to be copied."""
    text = f"{WRONG}\n  where:   hosts.yml:4\n\nsee https://friends.example/{'x' * 80}"
    lines = terminal.wrapped(text, 80).splitlines()
    assert " ".join(lines[:2]) == WRONG
    assert lines[2:] == ["  where:   hosts.yml:4", "", "see", f"https://friends.example/{'x' * 80}"]
