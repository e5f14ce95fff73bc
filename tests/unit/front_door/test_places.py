# SPDX-License-Identifier: GPL-3.0-or-later
"""Where to change a value, and what is not shown of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ..loading import ROOT
from .cases import CASES
from .inventory import PLACES, SECRET
from .playing import Run, place, slug


@pytest.mark.parametrize(("host", "value"), PLACES, ids=" ".join)
def test_place(run: Run, host: str, value: str) -> None:
    """The file and the line are named, also for true, false and null, which carry no origin."""
    matching = [problem for problem in run.found[host]["problems"] if problem.startswith(f"{value} ")]
    assert [place(problem) for problem in matching] == [PLACES[host, value]]


def test_secret_is_not_shown(run: Run) -> None:
    """A value that was encrypted in the inventory does not end up on the terminal."""
    assert [problem.splitlines()[0] for problem in run.found["third"]["problems"] if "xmpp_name" in problem] == [
        "xmpp_name is a value that is not shown, which is not valid (see docs/settings.md)."
    ]
    assert SECRET not in json.dumps(run.found)


def test_value_of_unknown_name_is_not_shown(run: Run) -> None:
    """A misspelt password is still a password."""
    assert "hunter2" not in json.dumps(run.found)


def test_missing_domain_points_to_the_inventory(run: Run) -> None:
    """What was never said has no place; it belongs in the inventory."""
    (problem,) = run.found[slug(CASES, "no domain")]["problems"]
    assert place(problem) == "hosts.yml"


def test_no_tags_of_ansible(tmp_path: Path) -> None:
    """Where the internal interface for origins is missing, the text of the inventory is searched."""
    # Runs in a process of its own, where that import fails.
    code = f"""
import sys
from pathlib import Path
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([{str(ROOT / "collections")!r}])
sys.modules["ansible._internal._datatag._tags"] = None
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Places, is_vaulted
variables = {{"inventory_hostname": "a", "inventory_file": "hosts.ini", "xmpp_name": "", "xmpp_calls": "no"}}
places = Places(variables, Path("defaults"))
print(places.find(("xmpp_calls",)), places.find(("xmpp_domain",)), is_vaulted("x"))
"""
    (tmp_path / "hosts.ini").write_text("a xmpp_name='' xmpp_calls='\"no\"'\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "hosts.ini:1 hosts.ini False\n"


def test_inventory_without_a_folder(run: Run) -> None:
    """The generated secrets need a folder: a host named on the command line has none."""
    assert run.found["nowhere.test"]["problems"] == [
        'xmpp_secrets_dir is "None/secrets", which is relative to inventory_dir, '
        "which an inventory given on the command line does not have.\n"
        "  where:   your inventory\n"
        '  example: xmpp_secrets_dir: "{{ inventory_dir }}/secrets"'
    ]
