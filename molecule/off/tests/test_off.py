# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls and firewall were on and are off now: nothing of them is left, and the rest still works."""

from __future__ import annotations

import pytest
from testinfra.host import Host


def test_calls_were_on(host: Host) -> None:
    """Otherwise the other tests prove nothing: dpkg's log remembers that the relay was installed."""
    assert " install coturn" in host.file("/var/log/dpkg.log").content_string


@pytest.mark.parametrize("package", ["coturn"])
def test_package_is_gone(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


@pytest.mark.parametrize("port", [3478, 5349])
def test_relay_does_not_listen(host: Host, port: int) -> None:
    assert host.run(f"ss -Hlntu 'sport = :{port}'").stdout == ""


@pytest.mark.parametrize("word", ["coturn", "turn"])
def test_no_file_speaks_of_the_relay(host: Host, word: str) -> None:
    """In the places where roles leave things for one another."""
    assert host.run(f"find /etc/xmpp /etc/nginx /etc/systemd /etc/ejabberd -name '*{word}*'").stdout == ""


def test_clients_are_offered_no_relay(host: Host) -> None:
    assert "stun" not in host.check_output("cat /etc/ejabberd/xmpp.yml")


def test_firewall_lets_everything_in(host: Host) -> None:
    """The kernel has no rules of ours; nft may be gone, and then there is nobody to ask."""
    assert "table inet xmpp" not in host.run("nft list tables").stdout
    assert host.run("find /etc/xmpp/firewall.nft /etc/xmpp/firewall.d -type f").stdout == ""
    assert host.run("systemctl is-enabled xmpp-firewall").stdout.strip() == "not-found"


def test_the_rest_works(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
    for port in (443, 5222, 5269):
        assert host.run(f"ss -Hlnt 'sport = :{port}'").stdout


def test_small_host_runs_the_small_vm(host: Host) -> None:
    """The profile group_vars/raspberry_pi.yml is in force, and ejabberd starts with its flags."""
    arguments = host.check_output("tr '\\0' ' ' < /proc/$(pgrep -u ejabberd beam.smp)/cmdline")
    assert " -S 1:1 " in arguments
