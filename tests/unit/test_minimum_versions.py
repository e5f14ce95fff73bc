# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions known to be bad are asked for in better ones, and what is installed in a bad one is replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VARS = Path(__file__).resolve().parents[2] / "roles/base/vars/main.yml"
PLAY = f"""
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [{VARS}]
  vars:
    base_packages: [ejabberd, nginx, coturn]
    base_tested: {{ejabberd: "26.07"}}
    __base_done: DONE
    ansible_facts: {{xmpp_host: {{time_daemon: chrony, versions: VERSIONS}}}}
  tasks:
    - ansible.builtin.debug:
        msg: "{{{{ {{'wanted': __base_wanted, 'outdated': __base_outdated is truthy,
                'untested': base_derived_untested}} | to_json }}}}"
"""
GOOD = {"ejabberd": "26.07-1~bpo13+1", "nginx": "1.26.3-3+deb13u11", "coturn": "4.6.1-2"}


def evaluate(folder: Path, versions: dict[str, str], *installed: str) -> dict[str, Any]:
    """Return what Ansible makes of the role's variables; *installed* in this run."""
    play = PLAY.replace("VERSIONS", json.dumps(versions)).replace("DONE", json.dumps({"packages": installed}))
    (folder / "play.yml").write_text(play, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--inventory=localhost,", folder / "play.yml"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    shown = json.loads("{" + done.stdout.partition("=> {")[2].partition("\n}")[0] + "}")["msg"]
    answer: dict[str, Any] = shown if isinstance(shown, dict) else json.loads(shown)
    return answer


@pytest.mark.parametrize(
    ("versions", "outdated", "named"),
    [
        ({}, False, True),
        (GOOD, False, False),
        (GOOD | {"nginx": "1.28.0-1", "ejabberd": "27.01-1~bpo13+1"}, False, False),
        (GOOD | {"ejabberd": "24.12-3+deb13u2"}, True, True),
        (GOOD | {"ejabberd": "26.04-1"}, True, True),
        (GOOD | {"nginx": "1.26.3-3+deb13u9"}, True, False),
        (GOOD | {"nginx": "1.26.3-3"}, True, False),
    ],
)
def test_bad_versions_are_replaced(tmp_path: Path, versions: dict[str, str], outdated: bool, named: bool) -> None:
    """An ejabberd that will do is not named, else its libraries are as well."""
    answer = evaluate(tmp_path, versions)
    assert answer["outdated"] is outdated
    libraries = [name for name in answer["wanted"] if name.startswith("?")]
    ejabberd = ["ejabberd>=26.07"] if named else []
    assert (len(libraries), sorted(set(answer["wanted"]) - set(libraries))) == (
        len(ejabberd),
        ["coturn", *ejabberd, "nginx>=1.26.3-3+deb13u11"],
    )


@pytest.mark.parametrize(
    ("versions", "installed", "untested"),
    [
        ({}, [], False),
        ({}, ["coturn 4.6.1-2", "ejabberd 26.07-2~bpo13+1"], False),
        ({}, ["ejabberd 26.10-1~bpo13+1", "ejabberd-contrib 27.01-1"], True),
        ({"ejabberd": "26.07-1~bpo13+1"}, ["coturn 4.6.1-2"], False),
        ({"ejabberd": "26.10-1~bpo13+1"}, [], True),
        ({"ejabberd": "26.07.1-1~bpo13+1"}, [], False),
        ({"ejabberd": "24.12-3+deb13u2"}, [], False),
    ],
)
def test_untested_ejabberd_is_known(
    tmp_path: Path, versions: dict[str, str], installed: list[str], untested: bool
) -> None:
    assert evaluate(tmp_path, versions, *installed)["untested"] is untested
