# SPDX-License-Identifier: GPL-3.0-or-later
"""A fork of a process that has imported Ansible does what the program ansible-playbook does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ..kit import ansible_fork

PLAYBOOK = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.command: "true"
    - ansible.builtin.fail:
        msg: "{{ lookup('env', 'ASKED') }} {{ lookup('pipe', 'pwd') }} {{ ansible_config_file | default('none') }}"
"""


def folder_with(parent: Path, name: str, configuration: str) -> Path:
    """A folder with the playbook and a configuration."""
    folder = parent / name
    folder.mkdir()
    (folder / "play.yml").write_text(PLAYBOOK, encoding="ascii")
    (folder / "ansible.cfg").write_text(configuration, encoding="ascii")
    return folder


def test_it_is_what_the_program_is(tmp_path: Path) -> None:
    """Twice, in folders with configurations of their own: output, errors, exit code; and nothing is left of it."""
    temporary = tmp_path / "temporary"
    environment = ansible_fork.operators(ASKED="words", ANSIBLE_LOCAL_TEMP=str(temporary))
    del environment["ANSIBLE_CONFIG"]
    words = ("-i", "one,", "-e", "ansible_python_interpreter=/usr/bin/python3", "play.yml")
    for result_format in ("json", "yaml"):
        folder = folder_with(tmp_path, result_format, f"[defaults]\ncallback_result_format = {result_format}\n")
        program = subprocess.run(
            [ansible_fork.PROGRAM, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        forked = [ansible_fork.run(*words, folder=folder, environment=environment) for _ in range(2)]
        assert f"words {folder} {folder}/ansible.cfg" in program.stdout
        assert program.returncode == 2
        for done in forked:
            assert (done.stdout, done.stderr, done.returncode) == (program.stdout, program.stderr, program.returncode)
    assert list(temporary.iterdir()) == []


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    """And leaves the process that it was forked from to the next one."""
    play = tmp_path / "play.yml"
    play.write_text("[{hosts: localhost, gather_facts: false, tasks: [{ansible.builtin.pause: {seconds: 20}}]}]")
    with pytest.raises(subprocess.TimeoutExpired):
        ansible_fork.run("play.yml", folder=tmp_path, environment=ansible_fork.operators(), seconds=2)
    done = ansible_fork.run("missing.yml", folder=tmp_path, environment=ansible_fork.operators(), merged=True)
    assert done.returncode == 1
    assert "missing.yml could not be found" in done.stdout
