# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that move between roles, and roles that get another name, over whole runs of a play with real Ansible."""

from __future__ import annotations

import getpass
import grp
import json
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import service

from ..kit import ansible_fork
from .loading import ROOT

# A template that renders to nothing.
NOTHING = "{% if false %}1{% endif %}"


@dataclass
class Run:
    """What a run said, and which files the host has after it."""

    output: str
    files: dict[str, str]

    @property
    def calls(self) -> int:
        """How often the host was called by `tree`."""
        return len(re.findall(r"^Using module file .*/tree\.py$", self.output, re.MULTILINE))

    @property
    def changed(self) -> list[str]:
        """Return the tasks that changed something."""
        tasks = re.findall(r"^TASK \[(.*?)\] \*+$|^(changed): ", self.output, re.MULTILINE)
        return [before[0] for before, this in pairwise(tasks) if this[1]]


class Site:
    """A project and its host, which is a folder."""

    def __init__(self, folder: Path, collections: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin without manifests, where these collections have them."""
        self.folder = folder
        self.host = folder / "host"
        self.collections = collections
        self.number = 0
        monkeypatch.setattr(tree_files, "MANIFESTS", collections / "manifests")
        shutil.rmtree(tree_files.MANIFESTS, ignore_errors=True)

    def run(self, roles: dict[str, dict[str, str]], *options: str, off: Collection[str] = ()) -> Run:
        """Run a play of *roles*, in their order: the text of each template by its path. Those in *off* are absent."""
        self.number += 1
        folder = self.folder / f"project-{self.number}"
        for name, files in roles.items():
            self.write_role(folder / "roles" / name, files, "absent" if name in off else "present")
        # The role that ends every run, as far as it deals with files.
        services = folder / "roles/services"
        shutil.copytree(ROOT / "roles/services/vars", services / "vars")
        first = yaml.safe_load((ROOT / "roles/services/tasks/main.yml").read_text(encoding="utf-8"))[:1]
        (services / "tasks").mkdir()
        (services / "tasks/main.yml").write_text(json.dumps(first), encoding="utf-8")
        known = {
            "xmpp_host": {"trees": service.trees(), "tree_digests": tree_files.digests()},
            "cacheable": True,
        }
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            # As in roles/xmpp/vars.
            "vars": {"xmpp_derived_play_roles": "{{ ansible_play_role_names }}"},
            "pre_tasks": [{"ansible.builtin.set_fact": known, "tags": "always"}],
            "roles": [{"role": name, "tags": name} for name in roles] + [{"role": "services", "tags": "always"}],
        }
        (folder / "site.yml").write_text(json.dumps([play]), encoding="utf-8")
        environment = ansible_fork.operators(**ansible_fork.RESULTS, ANSIBLE_COLLECTIONS_PATH=str(self.collections))
        done = ansible_fork.run("-vvv", *options, folder / "site.yml", folder=folder, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        found = {path: path.read_text(encoding="utf-8") for path in self.host.rglob("*") if path.is_file()}
        return Run(done.stdout, {path.relative_to(self.host).as_posix(): text for path, text in found.items()})

    def write_role(self, role: Path, files: dict[str, str], state: str) -> None:
        """Write a role that installs or removes *files*, for whoever runs the tests."""
        owner = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
        arguments = {"state": state, "permissions": {"*": owner}}
        for path, text in files.items():
            template = role / "templates" / self.host.relative_to("/") / f"{path}.j2"
            template.parent.mkdir(parents=True, exist_ok=True)
            template.write_text(text, encoding="utf-8")
        (role / "tasks").mkdir(parents=True)
        (role / "tasks/main.yml").write_text(json.dumps([{"conexizan.xmpp.tree": arguments}]), encoding="utf-8")


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What installs trees, with another place for its manifests: one for all, so that Ansible is imported once."""
    folder = tmp_path_factory.mktemp("collections")
    plugins = folder / "ansible_collections/conexizan/xmpp/plugins"
    shutil.copytree(ROOT / "plugins", plugins, ignore=shutil.ignore_patterns("__pycache__"))
    known = plugins / "module_utils/tree_files.py"
    text = known.read_text(encoding="utf-8")
    assert '"/var/lib/xmpp/tree"' in text
    known.write_text(text.replace('"/var/lib/xmpp/tree"', f'"{folder / "manifests"}"'), encoding="utf-8")
    return folder


@pytest.fixture
def site(tmp_path: Path, collections: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, collections, monkeypatch)


def test_moved_files_stay_and_nothing_changes(site: Site) -> None:
    """To a role that runs earlier or later, with a role's new name, and with folders of their own."""
    files = {"to-early": "1", "to-late": "2", "to-early.d/deep/file": "3", "to-late.d/deep/file": "4"}
    names = {"renamed": "{{ ansible_managed }}", "renamed.d/deep/file": "6"}
    before = site.run({"middle": files | {"stays": "0"}, "old": names})
    roles = {
        "early": {path: text for path, text in files.items() if "early" in path},
        "middle": {"stays": "0"},
        "late": {path: text for path, text in files.items() if "late" in path},
        "new": names,
    }
    checked = site.run(roles, "--check")
    after = site.run(roles)
    again = site.run(roles)
    assert (checked.changed, after.changed, again.changed) == ([], [], [])
    assert before.files == after.files == again.files
    assert before.files.keys() == {*files, *names, "stays"}
    assert after.calls == len(roles) + 2, "middle is asked twice, for what a later role has now, and old once"
    assert again.calls == 0

    end = site.run(roles, off=roles)
    assert end.files == {}
    assert list(site.host.rglob("*")) == [], "a folder is left"


def test_file_that_moved_to_a_role_that_is_off_goes_in_the_same_run(site: Site) -> None:
    """As the whole role is off, or this file alone; also with a role's new name."""
    moving = ("to-early-off", "to-early-without", "to-late-off", "to-late-without")
    site.run(
        {
            "middle": dict.fromkeys((*moving, "stays"), "1"),
            "old-off": {"renamed-off": "1"},
            "old": {"renamed-without": "1", "stays-too": "1"},
        }
    )
    roles = {
        "early-off": {"to-early-off": "1"},
        "early": {"to-early-without": NOTHING, "early": "1"},
        "middle": {"stays": "1"},
        "late-off": {"to-late-off": "1"},
        "late": {"to-late-without": NOTHING, "late": "1"},
        "new-off": {"renamed-off": "1"},
        "new": {"renamed-without": NOTHING, "stays-too": "1"},
    }
    off = ("early-off", "late-off", "new-off")
    after = site.run(roles, off=off)
    assert sorted(after.files) == ["early", "late", "stays", "stays-too"]
    again = site.run(roles, off=off)
    assert (again.changed, again.files, again.calls) == ([], after.files, 0)


@pytest.mark.parametrize("option", ["--tags=late", "--skip-tags=early"])
def test_role_that_does_not_run_may_have_the_file_now(site: Site, option: str) -> None:
    """When it does run, it takes the file, or removes it; so does what a dropped role has left."""
    site.run({"late": {"moved": "1", "without": "1", "dropped": "1", "stays": "1"}, "dropped": {"left": "1"}})
    roles = {"early": {"moved": "1", "without": NOTHING}, "late": {"stays": "1"}}
    assert sorted(site.run(roles, option).files) == ["left", "moved", "stays", "without"]
    # Of nothing in the play; Molecule's are such.
    whole = site.run(roles, "--skip-tags=other")
    assert sorted(whole.files) == ["moved", "stays"]
    assert whole.changed == ["early : conexizan.xmpp.tree", "services : Remove files of roles that no longer exist"]
    assert site.run(roles).changed == []
