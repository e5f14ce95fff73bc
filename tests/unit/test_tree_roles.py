# SPDX-License-Identifier: GPL-3.0-or-later
"""The module tree hands files over between roles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.module_utils import role_tree, tree_files

from .loading import ROOT
from .role_files import wanted


@pytest.fixture(autouse=True)
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep manifests out of /var/lib."""
    folder = tmp_path / "manifests"
    monkeypatch.setattr(tree_files, "MANIFESTS", folder)
    return folder


def install_as(role: str, *files: role_tree.File, heirs: dict[str, str] | None = None) -> list[str]:
    """Apply the tree of a role and return the paths it changed."""
    current = role_tree.Tree(role, list(files), heirs)
    paths: list[str] = current.paths
    if paths or current.moving:
        current.apply([])
    return paths


def owned(manifests: Path, role: str) -> set[str]:
    """Return the files that a role has installed, as far as they are written down."""
    return set(json.loads((manifests / f"{role}.json").read_text(encoding="utf-8"))["files"])


def test_file_that_moved_to_a_role_that_runs_earlier_stays(tmp_path: Path, manifests: Path) -> None:
    moved, other = wanted(tmp_path / "etc/moved"), wanted(tmp_path / "other")
    install_as("late", moved, other)
    assert install_as("early", moved) == [], "the same file: nothing is restarted for it"
    assert install_as("late", other, heirs={}) == []
    assert owned(manifests, "early") == {str(tmp_path / "etc/moved")}
    assert owned(manifests, "late") == {str(tmp_path / "other")}
    assert (tmp_path / "etc/moved").exists()
    install_as("early", heirs={})
    assert not (tmp_path / "etc").exists(), "nor is the folder left that the other role had made"


def test_file_that_moved_to_a_role_that_runs_later_stays(tmp_path: Path, manifests: Path) -> None:
    """Its unit would be stopped in between."""
    path = tmp_path / "etc/moved"
    install_as("early", wanted(path))
    current = role_tree.Tree("early", [])
    assert current.gone == [path]
    assert install_as("early", heirs={str(path): "late"}) == []
    assert path.exists()
    assert owned(manifests, "late") == {str(path)}
    assert install_as("late", wanted(path)) == []
    assert install_as("late", heirs={}) == [str(path)], "a feature that is off there"
    assert not (tmp_path / "etc").exists()


def test_file_that_moved_and_changed_is_a_change_of_the_new_role(tmp_path: Path, manifests: Path) -> None:
    path = tmp_path / "moved"
    install_as("late", wanted(path))
    assert install_as("early", wanted(path, b"two\n")) == [str(path)]
    assert install_as("late", heirs={}) == []
    assert path.read_bytes() == b"two\n"
    assert str(path) in json.loads((manifests / "early.json").read_text(encoding="utf-8"))["changed"]


def test_role_with_another_name_takes_its_files_over(tmp_path: Path, manifests: Path) -> None:
    """What it dropped on that occasion goes with the old name."""
    stays, dropped = wanted(tmp_path / "etc/stays"), wanted(tmp_path / "etc/deep/dropped")
    install_as("old", stays, dropped)
    before = json.loads((manifests / "old.json").read_text(encoding="utf-8"))["changed"]
    assert install_as("new", stays) == []
    changed = json.loads((manifests / "new.json").read_text(encoding="utf-8"))["changed"]
    assert changed == {str(tmp_path / "etc/stays"): before[str(tmp_path / "etc/stays")]}
    assert install_as("old", heirs={}) == [str(tmp_path / "etc/deep/dropped")]
    assert not (tmp_path / "etc/deep").exists()
    assert (tmp_path / "etc/stays").exists()
    assert install_as("new", stays) == []


def test_file_that_two_roles_claim_is_removed_by_neither(tmp_path: Path, manifests: Path) -> None:
    """Interrupted while it was handed over; the next run makes up for that."""
    path = tmp_path / "moved"
    install_as("late", wanted(path))
    kept = (manifests / "late.json").read_text(encoding="utf-8")
    install_as("early", wanted(path))
    (manifests / "late.json").write_text(kept, encoding="utf-8")
    assert install_as("late", heirs={}) == []
    assert path.exists()
    install_as("early", wanted(path))
    assert owned(manifests, "late") == set()


def test_moved_file_with_other_permissions_gets_them(tmp_path: Path, manifests: Path) -> None:
    """In both directions; for what reads it, that is a change."""
    path = tmp_path / "moved"
    install_as("early", wanted(path))
    install_as("early", heirs={str(path): "late"})
    assert install_as("late", wanted(path, mode=0o600)) == [str(path)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert install_as("early", wanted(path, mode=0o640)) == [str(path)]
    assert path.stat().st_mode & 0o777 == 0o640
    assert install_as("late", heirs={}) == []
    assert str(path) in json.loads((manifests / "early.json").read_text(encoding="utf-8"))["changed"]


def test_folder_that_another_role_made_goes_with_its_last_file(tmp_path: Path) -> None:
    """Whether that role has other files left, none, or had the file before."""
    folder, stays = tmp_path / "etc/shared", wanted(tmp_path / "stays")
    install_as("first", wanted(folder / "one"), stays)
    install_as("second", wanted(folder / "two"), wanted(tmp_path / "stays-too"))
    install_as("first", stays, heirs={})
    assert folder.is_dir()
    install_as("second", wanted(tmp_path / "stays-too"), heirs={})
    assert not folder.parent.exists()


def test_refused_run_puts_back_whose_a_file_was(tmp_path: Path, manifests: Path) -> None:
    path = tmp_path / "moved"
    install_as("late", wanted(path))
    tree_files.accept()
    install_as("early", wanted(path, b"two\n"))
    install_as("late", heirs={})
    tree_files.refuse()
    assert path.read_bytes() == b"one\n"
    assert owned(manifests, "late") == {str(path)}
    assert not (manifests / "early.json").exists()


@pytest.mark.parametrize("role", ["alerts", "backup"])
def test_what_is_no_file_of_a_role_is_deleted_before_its_files(role: str) -> None:
    """After a run that was interrupted in between, the next one knows of it: the host still has files of the role."""
    tasks = yaml.safe_load((ROOT / f"roles/{role}/tasks/main.yml").read_text(encoding="utf-8"))
    (deletes,) = (
        place for place, task in enumerate(tasks) if task.get("ansible.builtin.file", {}).get("state") == "absent"
    )
    (installs,) = (place for place, task in enumerate(tasks) if "conexizan.xmpp.tree" in task)
    assert deletes < installs
    assert tasks[deletes]["when"].endswith("role_name in ansible_facts.xmpp_host.trees")


def test_what_comes_after_the_services_is_not_put_back_by_a_later_run(tmp_path: Path, manifests: Path) -> None:
    """The services have taken all that came before it; what they refuse later must not take it back."""
    version = tmp_path / "version"
    install_as("last", wanted(version))
    tree_files.accept()
    role_tree.Tree("last", [wanted(version, b"two\n")]).apply([], keep=False)
    tree_files.refuse()
    assert version.read_bytes() == b"two\n"
    assert [path.name for path in manifests.iterdir()] == ["last.json"]
