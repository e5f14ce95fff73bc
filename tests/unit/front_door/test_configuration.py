# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook without the project's configuration says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ..loading import ROOT
from .known import GOOD
from .playing import ANSIBLE_PLAYBOOK, NOWHERE


def play_elsewhere(folder: Path, playbook: Path, **environment: str) -> str:
    """Run a playbook as whoever has no configuration for Ansible, in a folder; return what it says, in one line."""
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"good": NOWHERE | GOOD}}}))
    done = subprocess.run(
        [ANSIBLE_PLAYBOOK, "-i", inventory, playbook],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        | {"HOME": str(folder), "ANSIBLE_NOCOLOR": "1"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode
    return " ".join(done.stdout.split())


# All but the one of the demo: only script/demo runs it, in the folder of the project.
@pytest.mark.parametrize(
    "playbook",
    [ROOT / "site.yml", *sorted(path for path in (ROOT / "playbooks").glob("*.yml") if path.stem != "demo")],
    ids=lambda p: p.stem,
)
def test_configuration_of_another_folder(tmp_path: Path, playbook: Path) -> None:
    """Started elsewhere, a playbook says what to do, in a sentence; not that a module is missing."""
    said = play_elsewhere(tmp_path, playbook)
    assert f"does not use the configuration of this project, {ROOT}/ansible.cfg, and no other file either." in said
    assert f"Run it in the folder of the project: cd {ROOT} (or: export ANSIBLE_CONFIG={ROOT}/ansible.cfg)" in said
    assert "UNREACHABLE" not in said


def test_configuration_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "own.cfg").write_text("[defaults]\nforks = 9\n")
    said = play_elsewhere(tmp_path, ROOT / "site.yml", ANSIBLE_CONFIG=str(tmp_path / "own.cfg"))
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
    assert f"so Ansible ignores the file. Change that: chmod o-w {clone}" in play_elsewhere(clone, clone / "site.yml")
