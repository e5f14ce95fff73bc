# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository as the collection conexizan.xmpp: what ansible-galaxy packs, and what is found once that is there."""

from __future__ import annotations

import io
import json
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from ..kit.collection import installed, play, unpacked
from ..kit.playbook import packed
from .loading import ROOT

FOLDERS = ("docs", "group_vars", "locale", "meta", "playbooks", "plugins", "roles")
FILES = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "requirements.txt", "requirements.yml", "site.yml"}
# To folders that are packed already.
LINKS = {"playbooks/roles", "playbooks/collections"}
# What may lie in an operator's clone and is nobody else's.
OPERATORS = (
    "inventories/home/secrets/friends.test/coturn.txt",
    "inventories/mine/hosts.yml",
    "molecule/inventory/secrets/low.test/upload.txt",
    "molecule/inventory/host_vars/mine.yml",
    ".cache/webchat/1/chat.js",
    ".ansible/facts",
    "maria@friends.test.xml",
    "moving/maria.xml",
    "hosts.yml",
    "secrets.txt",
    "playbooks/secrets/coturn.txt",
    "group_vars/private.key",
    "docs/notes.txt",
    "plugins/modules/__pycache__/tree.pyc",
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that is in use."""
    clone = unpacked(tmp_path_factory.mktemp("clone"))
    for name in OPERATORS:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret\n", encoding="ascii")
    return clone


@pytest.fixture(scope="module")
def home(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an operator who has built the collection and installed it."""
    home = tmp_path_factory.mktemp("home")
    installed(clone, home)
    return home


def test_archive_has_what_belongs_and_nothing_else(home: Path) -> None:
    """No inventory, no secret, no cache; every file of a role and of a plugin."""
    with tarfile.open(next(home.glob("conexizan-xmpp-*.tar.gz"))) as archive:
        inside = {member.name for member in archive.getmembers() if not member.isdir()}
    with tarfile.open(fileobj=io.BytesIO(packed())) as archive:
        ours = {member.name.removeprefix("./") for member in archive.getmembers() if not member.isdir()} - LINKS
    assert not inside & set(OPERATORS)
    belongs = {name for name in ours if name in FILES or name.startswith(tuple(f"{folder}/" for folder in FOLDERS))}
    assert len(belongs) > 300
    assert inside == belongs | {"MANIFEST.json", "FILES.json"}


def test_it_says_its_version_and_what_it_runs_with() -> None:
    """As the project does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["version"] == project["version"]
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    (core,) = [wanted for wanted in project["dependencies"] if wanted.startswith("ansible-core")]
    assert (core, runtime["requires_ansible"]) == ("ansible-core ~= 2.19.0", ">=2.19.0,<2.20")


NOWHERE = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1", "xmpp_domain": "friends.test"}


def test_every_playbook_is_found(home: Path, tmp_path: Path) -> None:
    """With all roles, modules, lookups and filters that it names."""
    first, *others = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
    code, said = play(home, tmp_path, NOWHERE, first, *(f"conexizan.xmpp.{verb}" for verb in others), "--syntax-check")
    assert (code, "ERROR" in said) == (0, False), said
    for verb in (first, *others):
        assert re.search(rf"^playbook: .*\b{verb}(\.yml)?$", said, re.MULTILINE), said


def test_settings_are_checked_before_a_host_is_touched(home: Path, tmp_path: Path) -> None:
    code, said = play(home, tmp_path, NOWHERE, "site", "-e", "xmpp_upload_days=14")
    assert code
    assert "TASK [conexizan.xmpp.xmpp : Check the settings]" in said
    assert "a string, but must be an integer" in said
    assert "UNREACHABLE" not in said


LIAR = """#!/usr/bin/python3
print('{"changed": false, "ansible_facts": {"xmpp_domain": "evil.test"}}')
"""
LED = """
- hosts: all
  gather_facts: false
  connection: local
  roles: ROLES
  tasks:
    - liar:
    - ansible.builtin.debug:
        msg: "domain: {{ xmpp_domain }}"
"""


@pytest.mark.parametrize(("roles", "domain"), [([], "evil.test"), (["conexizan.xmpp.xmpp"], "friends.test")])
def test_host_sets_no_variable(home: Path, tmp_path: Path, roles: list[str], domain: str) -> None:
    """Ansible would let it, without a configuration: it does in a play of somebody else's."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library/liar.py").write_text(LIAR, encoding="ascii")
    (tmp_path / "play.yml").write_text(LED.replace("ROLES", json.dumps(roles)), encoding="ascii")
    code, said = play(home, tmp_path, NOWHERE, tmp_path / "play.yml")
    assert code == 0, said
    assert f"domain: {domain}" in said
