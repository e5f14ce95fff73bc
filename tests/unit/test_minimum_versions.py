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
    ansible_facts: {{xmpp_host: {{time_daemon: chrony, versions: VERSIONS}}}}
  tasks:
    - ansible.builtin.debug:
        msg: "{{{{ {{'wanted': __base_wanted, 'outdated': __base_outdated is truthy}} | to_json }}}}"
"""
GOOD = {"ejabberd": "26.07-1~bpo13+1", "nginx": "1.26.3-3+deb13u11", "coturn": "4.6.1-2"}


def evaluate(folder: Path, versions: dict[str, str]) -> dict[str, Any]:
    """Return what Ansible makes of the role's variables."""
    (folder / "play.yml").write_text(PLAY.replace("VERSIONS", json.dumps(versions)), encoding="utf-8")
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
    ("versions", "outdated"),
    [
        ({}, False),
        (GOOD, False),
        (GOOD | {"nginx": "1.28.0-1", "ejabberd": "27.01-1~bpo13+1"}, False),
        (GOOD | {"ejabberd": "24.12-3+deb13u2"}, True),
        (GOOD | {"ejabberd": "26.04-1"}, True),
        (GOOD | {"nginx": "1.26.3-3+deb13u9"}, True),
        (GOOD | {"nginx": "1.26.3-3"}, True),
    ],
)
def test_bad_versions_are_replaced(tmp_path: Path, versions: dict[str, str], outdated: bool) -> None:
    answer = evaluate(tmp_path, versions)
    assert answer["outdated"] is outdated
    assert sorted(answer["wanted"]) == ["coturn", "ejabberd>=26.07", "nginx>=1.26.3-3+deb13u11"]
