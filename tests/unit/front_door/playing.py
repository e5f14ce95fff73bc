# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the front door as an operator does, and read what it says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...kit import ansible_fork

PLAYBOOK = """
- name: Front door
  hosts: all
  gather_facts: false
  roles:
    - {role: xmpp, tags: always}
  post_tasks:
    - name: Touch the host
      ansible.builtin.ping:
      tags: touch
    - name: Show what follows
      ansible.builtin.fail:
        msg:
          - "{{ xmpp_derived_web_url }}"
          - "{{ xmpp_derived_domains }}"
          - "{{ xmpp_derived_certificate_names }}"
          - "{{ xmpp_derived_rooms }}"
          - "{{ xmpp_contact_addresses }}"
      tags: follows
"""
# No host answers there: who passes the front door proves that it needs no host.
NOWHERE = {"ansible_host": "192.0.2.1", "ansible_ssh_common_args": "-o ConnectTimeout=1"}


def play(
    folder: Path,
    *arguments: str,
    result_format: str = "json",
    playbook: str = PLAYBOOK,
    path: str = os.environ["PATH"],
) -> str:
    """Run the front door with the project's configuration and return what the operator sees."""
    (folder / "playbook.yml").write_text(playbook)
    words = ("playbook.yml", "--tags=always", "--forks=8", *arguments)
    told = {"ANSIBLE_CALLBACK_RESULT_FORMAT": result_format, "PATH": path, "COLUMNS": "200"}
    return ansible_fork.run(*words, folder=folder, environment=ansible_fork.operators(**told), merged=True).stdout


def results(output: str) -> dict[str, dict[str, Any]]:
    """Return each host's result of the front door."""
    found: dict[str, dict[str, Any]] = {
        host: {"problems": []} for host in re.findall(r"^ok: \[(.+)\]", output, re.MULTILINE)
    }
    for host, text in re.findall(r"^fatal: \[(.+)\]: FAILED! => (\{.*\})$", output, re.MULTILINE):
        found[host] = json.loads(text)
    return found


def place(problem: str) -> str:
    """Return the part of a problem that says where to change it."""
    found = re.search(r"^  where:   (.*)$", problem, re.MULTILINE)
    assert found, problem
    return found[1]


@dataclass(frozen=True)
class Run:
    """The one run that all cases share."""

    folder: Path
    found: dict[str, dict[str, Any]]


def slug(names: Iterable[str], name: str) -> str:
    """Return the host of a case."""
    return f"case-{list(names).index(name)}"
