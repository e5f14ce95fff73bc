# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults for which preflight refuses a host: each has a task that says which one it is."""

from __future__ import annotations

import re

import yaml

from .loading import ROOT

PREFLIGHT = ROOT / "roles/preflight"


def test_every_fault_is_refused_by_a_task() -> None:
    """A fault without a task would pass in silence: the file of these tasks is included, and none of them fails."""
    faults = yaml.safe_load((PREFLIGHT / "vars/main.yml").read_text())["__preflight_faults"]
    tasks = yaml.safe_load((PREFLIGHT / "tasks/refusals.yml").read_text())
    conditions = [task["ansible.builtin.assert"]["that"] for task in tasks]
    refused = [re.fullmatch(r"not __preflight_faults\.(\w+)", condition) for condition in conditions]
    assert all(refused), conditions
    assert sorted(found[1] for found in refused if found) == sorted(faults)
