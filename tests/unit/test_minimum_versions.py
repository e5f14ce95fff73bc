# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions known to be bad are asked for in better ones, and what is installed in a bad one is replaced."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VARS = Path(__file__).resolve().parents[2] / "roles/base/vars/main.yml"
PLAY = f"""
- hosts: all
  connection: local
  gather_facts: false
  vars_files: [{VARS}]
  vars:
    base_packages: [ejabberd, nginx, coturn]
    base_tested: {{ejabberd: "26.07"}}
    __base_done: {{packages: "{{{{ installed }}}}"}}
    ansible_facts: {{xmpp_host: {{time_daemon: chrony, versions: "{{{{ versions }}}}"}}}}
  tasks:
    - ansible.builtin.debug:
        msg: "{{{{ {{'wanted': __base_wanted, 'outdated': __base_outdated is truthy,
                'untested': base_derived_untested}} | to_json }}}}"
"""
GOOD = {"ejabberd": "26.07-1~bpo13+1", "nginx": "1.26.3-3+deb13u11", "coturn": "4.6.1-2"}
# What a host has; whether something is outdated, and whether ejabberd is named.
REPLACED: list[tuple[dict[str, str], bool, bool]] = [
    ({}, False, True),
    (GOOD, False, False),
    (GOOD | {"nginx": "1.28.0-1", "ejabberd": "27.01-1~bpo13+1"}, False, False),
    (GOOD | {"ejabberd": "24.12-3+deb13u2"}, True, True),
    (GOOD | {"ejabberd": "26.04-1"}, True, True),
    (GOOD | {"nginx": "1.26.3-3+deb13u9"}, True, False),
    (GOOD | {"nginx": "1.26.3-3"}, True, False),
]
# What a host has, what the run has installed, and whether its ejabberd is an untested one.
UNTESTED: list[tuple[dict[str, str], list[str], bool]] = [
    ({}, [], False),
    ({}, ["coturn 4.6.1-2", "ejabberd 26.07-2~bpo13+1"], False),
    ({}, ["ejabberd 26.10-1~bpo13+1", "ejabberd-contrib 27.01-1"], True),
    ({"ejabberd": "26.07-1~bpo13+1"}, ["coturn 4.6.1-2"], False),
    ({"ejabberd": "26.10-1~bpo13+1"}, [], True),
    ({"ejabberd": "26.07.1-1~bpo13+1"}, [], False),
    ({"ejabberd": "24.12-3+deb13u2"}, [], False),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what Ansible makes of the role's variables, by host: one for each case, in one run."""
    folder = tmp_path_factory.mktemp("versions")
    hosts: dict[str, dict[str, Any]] = {
        f"replaced-{number}": {"versions": versions, "installed": []} for number, (versions, *_) in enumerate(REPLACED)
    }
    for number, (versions, installed, _) in enumerate(UNTESTED):
        hosts[f"untested-{number}"] = {"versions": versions, "installed": installed}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    (folder / "play.yml").write_text(PLAY, encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "--inventory=hosts.json", "play.yml"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = {}
    for host, text in re.findall(r"^ok: \[(\S+)\] => (\{.*?^\})", done.stdout, re.MULTILINE | re.DOTALL):
        shown = json.loads(text)["msg"]
        found[host] = shown if isinstance(shown, dict) else json.loads(shown)
    assert found.keys() == hosts.keys(), done.stdout
    return found


@pytest.mark.parametrize("number", range(len(REPLACED)))
def test_bad_versions_are_replaced(answers: dict[str, dict[str, Any]], number: int) -> None:
    """An ejabberd that will do is not named, else its libraries are as well."""
    _, outdated, named = REPLACED[number]
    answer = answers[f"replaced-{number}"]
    assert answer["outdated"] is outdated
    libraries = [name for name in answer["wanted"] if name.startswith("?")]
    ejabberd = ["ejabberd>=26.07"] if named else []
    assert (len(libraries), sorted(set(answer["wanted"]) - set(libraries))) == (
        len(ejabberd),
        ["coturn", *ejabberd, "nginx>=1.26.3-3+deb13u11"],
    )


@pytest.mark.parametrize("number", range(len(UNTESTED)))
def test_untested_ejabberd_is_known(answers: dict[str, dict[str, Any]], number: int) -> None:
    assert answers[f"untested-{number}"]["untested"] is UNTESTED[number][-1]
