# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup version: what a clone, a worktree and an installed collection say of themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.lookup import version

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
WHO = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")


def git(folder: Path, *words: str) -> str:
    """Run git."""
    done = subprocess.run(
        ["git", "-C", str(folder), *WHO, *words], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def look(project: Path) -> str:
    """Return what the lookup says."""
    (words,) = version.LookupModule().run([], project=str(project))
    return str(words)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a project with version 1.2.3."""
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "galaxy.yml").write_text("version: 1.2.3\n", encoding="ascii")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=one")
    return folder


def test_clone_names_its_commit(clone: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    expected = f"1.2.3 (commit {commit[:12]})"
    assert look(clone) == expected
    git(clone, "pack-refs", "--all")
    assert not (clone / ".git/refs/heads/main").exists()
    assert look(clone) == expected
    git(clone, "checkout", "--quiet", "--detach")
    assert look(clone) == expected


def test_what_an_operator_adds_changes_nothing(clone: Path) -> None:
    before = look(clone)
    (clone / "inventories").mkdir()
    (clone / "inventories/mine").touch()
    assert look(clone) == before
    git(clone, "commit", "--quiet", "--allow-empty", "--message=two")
    assert look(clone) != before


def test_worktree_names_its_own_commit(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "--quiet", "--allow-empty", "--message=two")
    assert look(tmp_path / "other") == f"1.2.3 (commit {git(tmp_path / 'other', 'rev-parse', 'HEAD')[:12]})"
    assert look(tmp_path / "other") != look(clone)


@pytest.mark.parametrize("head", ["ref: refs/heads/none\n", "ref: ../../../secret\n", "nonsense\n", ""])
def test_damaged_clone_has_a_version_alone(tmp_path: Path, head: str) -> None:
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3\n", encoding="ascii")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text(head, encoding="ascii")
    assert look(tmp_path) == "1.2.3"


def test_installed_collection_has_the_version_of_its_archive(tmp_path: Path) -> None:
    manifest = {"collection_info": {"namespace": "conexizan", "name": "xmpp", "version": "1.2.3"}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest), encoding="ascii")
    assert look(tmp_path) == "1.2.3"


def test_this_project_has_one() -> None:
    (words,) = version.LookupModule().run([])
    assert words[0].isdigit()
