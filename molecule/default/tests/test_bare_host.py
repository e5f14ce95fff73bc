# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host behaves as a freshly installed Debian 13 does."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.kit.playbook import CHECKOUT


def test_system_runs_without_a_failed_unit(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_release_is_debian_13(host: Host) -> None:
    assert (host.system_info.distribution, host.system_info.codename) == ("debian", "trixie")


@pytest.mark.parametrize("option", ["-4", "-6"])
def test_host_has_an_address_of_each_kind(host: Host, option: str) -> None:
    links = json.loads(host.check_output(f"ip -json {option} address show dev eth0 scope global"))
    assert links[0]["addr_info"][0]["local"]


def test_sandboxing_of_units_is_in_force(host: Host) -> None:
    """Without it the hardening of our units would pass untested."""
    write = "systemd-run --quiet --wait --collect --property=ProtectSystem=%s touch /usr/conexizan-test"
    assert host.run(write, "no").rc == 0
    assert host.run(write, "strict").rc != 0


def test_mirror_is_reachable(host: Host) -> None:
    assert host.run("apt-get update --error-on=any").rc == 0


@pytest.mark.parametrize("package", ["ejabberd", "nginx", "coturn", "nftables", "python3-apt", "rsyslog"])
def test_nothing_of_ours_is_installed(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


@pytest.mark.parametrize("verb", ["up", "down"])
def test_host_of_another_clone_is_left_alone(host: Host, tmp_path: Path, verb: str) -> None:
    """Whoever has two clones on a machine is told whose host it is. Once that clone is gone, its host is nobody's."""
    name = host.check_output("hostname")
    (tmp_path / "script").mkdir()
    shutil.copy2(CHECKOUT / "script/testbed", tmp_path / "script")
    command = [tmp_path / "script/testbed", verb, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"conexizan-{name} belongs to another clone, {CHECKOUT}. " in done.stderr
    assert f"script/testbed down --any-clone {name}" in done.stderr
    assert host.check_output("hostname") == name, "it is there still"
