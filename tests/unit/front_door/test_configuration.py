# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook without the project's configuration says what to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from ...kit import ansible_fork
from ..loading import ROOT
from .known import GOOD
from .playing import NOWHERE

# What is tried: in the folder of the project, below it, and with variables of its own from a file.
SOME = [ROOT / "site.yml", ROOT / "playbooks/user.yml", ROOT / "playbooks/check.yml"]
ALL = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]


def play_elsewhere(folder: Path, *words: str | Path, **environment: str) -> tuple[int, str]:
    """Run playbooks as whoever has no configuration for Ansible, in a folder; return what is said, in one line."""
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"good": NOWHERE | GOOD}}}))
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    own |= {"HOME": str(folder), "ANSIBLE_NOCOLOR": "1"} | environment
    done = ansible_fork.run("-i", inventory, *words, folder=folder, environment=own, merged=True)
    return done.returncode, " ".join(done.stdout.split())


def refused_elsewhere(folder: Path, playbook: Path, **environment: str) -> str:
    """Return what a playbook says that does not run there."""
    code, said = play_elsewhere(folder, playbook, **environment)
    assert code
    return said


@pytest.mark.parametrize("playbook", SOME, ids=lambda p: p.stem)
def test_configuration_of_another_folder(tmp_path: Path, playbook: Path) -> None:
    """Started elsewhere, a playbook says what to do, in a sentence; not that a module is missing."""
    said = refused_elsewhere(tmp_path, playbook)
    assert f"does not use the configuration of this project, {ROOT}/ansible.cfg, and no other file either." in said
    assert f"Run it in the folder of the project: cd {ROOT} (or: export ANSIBLE_CONFIG={ROOT}/ansible.cfg)" in said
    assert "UNREACHABLE" not in said


def test_what_some_say_elsewhere_all_do(tmp_path: Path) -> None:
    """No module is missing to any of them there, and before anything else role xmpp speaks, which is of no host."""
    code, said = play_elsewhere(tmp_path, "--syntax-check", *ALL)
    assert (code, "ERROR" in said) == (0, False), said
    for playbook in ALL:
        assert f"playbook: {playbook}" in said
        first = yaml.safe_load(playbook.read_text(encoding="utf-8"))[0]
        if playbook == ROOT / "playbooks/site.yml":
            assert first["ansible.builtin.import_playbook"] == "../site.yml"
            continue
        role = first["roles"][0]
        assert (role if isinstance(role, str) else role["role"]) == "xmpp", playbook
        assert first["gather_facts"] is False, playbook
        assert "pre_tasks" not in first, playbook
    (task,) = yaml.safe_load((ROOT / "roles/xmpp/tasks/main.yml").read_text(encoding="utf-8"))
    assert "conexizan.xmpp.check_settings" in task


def test_configuration_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "own.cfg").write_text("[defaults]\nforks = 9\n")
    said = refused_elsewhere(tmp_path, ROOT / "site.yml", ANSIBLE_CONFIG=str(tmp_path / "own.cfg"))
    assert f"{ROOT}/ansible.cfg, but {tmp_path}/own.cfg. Run it in the folder" in said


def test_folder_that_everybody_may_write_into(tmp_path: Path) -> None:
    """Ansible leaves out the configuration in it: there, the way out is another one."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("roles", "plugins", "playbooks", "collections"):
        shutil.copytree(ROOT / name, clone / name, symlinks=True)
    for name in ("site.yml", "ansible.cfg"):
        shutil.copy(ROOT / name, clone / name)
    clone.chmod(0o777)
    said = refused_elsewhere(clone, clone / "site.yml")
    assert f"so Ansible ignores the file. Change that: chmod o-w {clone}" in said
