# SPDX-License-Identifier: GPL-3.0-or-later
"""An update that needs something of the operator does not happen behind their back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import yaml
from testinfra.host import Host

from tests.kit.playbook import CHECKOUT, run_on

CHANGES: list[str] = yaml.safe_load((CHECKOUT / "roles/xmpp/vars/main.yml").read_text())["xmpp_derived_changes"]
ACKNOWLEDGED = "/etc/xmpp/acknowledged"


def deploy(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """Ask what site.yml would do, as far as the role that judges by it."""
    return run_on(host, "site.yml", "--check", "--tags=preflight", *words, seconds=120)


@pytest.fixture
def older(host: Host) -> Iterator[None]:
    """A host that was set up when only the first change was known."""
    host.check_output("cp --preserve %s /run/acknowledged && echo 1 > %s", ACKNOWLEDGED, ACKNOWLEDGED)
    yield
    host.check_output("cp --preserve /run/acknowledged %s && rm /run/acknowledged", ACKNOWLEDGED)


@pytest.mark.usefixtures("older")
def test_run_stops_and_says_exactly_what_is_new(host: Host) -> None:
    done = deploy(host)
    told = " ".join(done.stdout.split())
    assert done.returncode
    named = [number for number, text in enumerate(CHANGES, 1) if f"{number}. {text}" in told]
    assert named == list(range(2, len(CHANGES) + 1))
    assert f"xmpp_acknowledged: {len(CHANGES)}" in told


@pytest.mark.usefixtures("older")
def test_acknowledged_run_goes_on(host: Host) -> None:
    done = deploy(host, "--extra-vars", f'{{"xmpp_acknowledged": {len(CHANGES)}}}')
    assert not done.returncode, done.stdout


def test_host_remembers(host: Host) -> None:
    assert host.file(ACKNOWLEDGED).content_string.splitlines()[-1] == str(len(CHANGES))
    assert not deploy(host).returncode
