# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is said to have a version of this project only when all of that is deployed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from ..kit import ansible_fork
from .loading import ROOT

(PLAY,) = yaml.safe_load((ROOT / "site.yml").read_text(encoding="utf-8"))
LAST = PLAY["roles"][-1]["role"]
TASK = yaml.safe_load((ROOT / f"roles/{LAST}/tasks/main.yml").read_text(encoding="utf-8"))[-1]


def test_last_role_alone_has_the_file() -> None:
    found = [path.relative_to(ROOT).parts[1] for path in ROOT.glob("roles/*/templates/etc/xmpp/version*")]
    assert found == [LAST]
    assert TASK["conexizan.xmpp.tree"] == {"after_services": True}


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ([], True),
        (["--tags=all"], True),
        ([f"--tags={LAST}"], False),
        (["--tags=base"], False),
        (["--skip-tags=metrics"], False),
    ],
)
def test_version_is_written_by_whole_runs_only(options: list[str], written: bool, tmp_path: Path) -> None:
    """By its task as it is, in check mode; with tags that the role has in site.yml."""
    shutil.copytree(ROOT / f"roles/{LAST}/templates", tmp_path / f"roles/{LAST}/templates")
    (tmp_path / f"roles/{LAST}/tasks").mkdir()
    (tmp_path / f"roles/{LAST}/tasks/main.yml").write_text(json.dumps([TASK]), encoding="utf-8")
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "roles": [PLAY["roles"][-1]],
        "vars": {f"{LAST}_version": "1.0.0 (commit 0123456789ab)", "ansible_connection": "local"},
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    environment = ansible_fork.operators(**ansible_fork.RESULTS)
    done = ansible_fork.run("--check", "--diff", *options, "play.yml", folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("+conexizan_version: 1.0.0 (commit 0123456789ab)" in done.stdout) is written, done.stdout
