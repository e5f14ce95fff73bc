# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks, run as an operator runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from testinfra.host import Host

from . import ansible_fork

CHECKOUT = Path(__file__).resolve().parents[2]
INVENTORY = CHECKOUT / "molecule" / "inventory"
# What is in the repository of nobody who clones this.
OWN = (".git", ".venv", ".cache", ".ansible", "inventories/*/secrets", "molecule/inventory/secrets")
ENVIRONMENT = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}


def command(playbook: str, *arguments: str, inventory: str | Path = INVENTORY, limit: str) -> list[str]:
    """What runs a playbook of the project's, in CHECKOUT and ENVIRONMENT."""
    return [ansible_fork.PROGRAM, f"--inventory={Path(inventory).resolve()}", f"--limit={limit}", *arguments, playbook]


def run(
    playbook: str, *arguments: str, inventory: str | Path = INVENTORY, limit: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Runs a playbook to its end, however that is; raises TimeoutExpired if it is not there after *seconds*."""
    _, *words = command(playbook, *arguments, inventory=inventory, limit=limit)
    return ansible_fork.run(*words, folder=CHECKOUT, environment=ENVIRONMENT, seconds=seconds)


def run_on(host: Host, playbook: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs a playbook on the host under test, with the inventory of this run of the tests."""
    backend = host.backend
    return run(playbook, *arguments, inventory=backend.ansible_inventory, limit=backend.host, seconds=seconds)


def packed() -> bytes:
    """This repository as it is here and as whoever clones it has it, as an archive of tar."""
    without = [f"--exclude=./{name}" for name in OWN]
    command = ["tar", "--create", *without, "--exclude=__pycache__", "--exclude=.*_cache", "."]
    return subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True).stdout
