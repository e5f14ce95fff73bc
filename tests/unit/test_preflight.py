# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults for which preflight refuses a host: each has a task that says which one it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from .loading import ROOT
from .role_files import BARE_HOST, rendered

PREFLIGHT = ROOT / "roles/preflight"


def test_every_fault_is_refused_by_a_task() -> None:
    """A fault without a task would pass in silence: the file of these tasks is included, and none of them fails."""
    faults = yaml.safe_load((PREFLIGHT / "vars/main.yml").read_text())["__preflight_faults"]
    tasks = yaml.safe_load((PREFLIGHT / "tasks/refusals.yml").read_text())
    conditions = [task["ansible.builtin.assert"]["that"] for task in tasks]
    refused = [re.fullmatch(r"not __preflight_faults\.(\w+)", condition) for condition in conditions]
    assert all(refused), conditions
    assert sorted(found[1] for found in refused if found) == sorted(faults)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({}, []),
        ({"release": "bookworm"}, ["release"]),
        ({"release": ""}, ["release"]),
        ({"mirror": ""}, ["release"]),
        ({"has_ipv6": False}, ["no_ipv6"]),
    ],
)
def test_systems_that_are_refused(facts: dict[str, Any], found: list[str]) -> None:
    """Another release, no archive of it to install from, and a kernel without IPv6."""
    release = yaml.safe_load((ROOT / "roles/base/vars/main.yml").read_text())["base_derived_release"]
    settings = {"base_derived_release": release, "ansible_facts": {"xmpp_host": BARE_HOST | facts}}
    faults = rendered(settings, "preflight", "{{ __preflight_faults }}")
    assert [name for name, fault in faults.items() if fault] == found
