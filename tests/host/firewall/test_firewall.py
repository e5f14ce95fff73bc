# SPDX-License-Identifier: GPL-3.0-or-later
"""What an outsider can reach: ssh, and nothing that the service did not ask for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

PORT = 12345
UNIT = "conexizan-test-listener"


@pytest.fixture(scope="module", params=["inet", "inet6"])
def address(request: pytest.FixtureRequest, host: Host) -> str:
    """The host's address as the outside sees it."""
    option = {"inet": "-4", "inet6": "-6"}[request.param]
    links = json.loads(host.check_output(f"ip -json {option} address show dev eth0 scope global"))
    return str(links[0]["addr_info"][0]["local"])


@pytest.fixture(scope="module")
def listener(host: Host) -> Iterator[int]:
    """Something on the host that listens for everybody, without having asked for it."""
    host.check_output(f"systemd-run --collect --unit={UNIT} python3 -m http.server --bind :: {PORT}")
    deadline = time.monotonic() + 60
    while not host.run(f"ss -Hlnt 'sport = :{PORT}'").stdout:
        assert time.monotonic() < deadline, "the listener did not start"
    yield PORT
    host.check_output(f"systemctl stop {UNIT}")


def reachable(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def test_ssh_is_reachable_where_it_listens(host: Host, address: str) -> None:
    ports = [int(line.split()[1]) for line in host.check_output("sshd -T").splitlines() if line.startswith("port ")]
    assert 22 in ports
    assert [port for port in ports if not reachable(address, port)] == []


@pytest.fixture
def moved(host: Host, request: pytest.FixtureRequest) -> Iterator[int]:
    """Sshd on one more port, without a run of site.yml; by a restart or a reload of it, or by its options."""
    way, port = request.param
    file, text = f"/etc/ssh/sshd_config.d/{UNIT}.conf", f"Port 22\nPort {port}"
    if way == "options":
        file, text = "/etc/default/ssh", f'SSHD_OPTS="-p 22 -p {port}"'
        host.check_output(f"cp -p {file} {file}.kept")
    host.check_output(f"printf '{text}\\n' > {file}")
    # systemd starts a unit five times in ten seconds, no more: nobody moves sshd that often.
    host.check_output("systemctl reset-failed ssh")
    try:
        host.check_output(f"systemctl {'reload' if way == 'reload' else 'restart'} ssh")
        deadline = time.monotonic() + 60
        while not host.run(f"ss -Hlnt 'sport = :{port}'").stdout:
            assert time.monotonic() < deadline, f"sshd does not listen on {port}"
        yield port
    finally:
        host.check_output(f"mv {file}.kept {file}" if way == "options" else f"rm {file}")
        host.check_output("systemctl restart ssh")


@pytest.mark.parametrize("moved", [("restart", 2201), ("reload", 2202), ("options", 2203)], indirect=True)
def test_who_moves_sshd_is_not_locked_out(host: Host, address: str, moved: int) -> None:
    assert reachable(address, moved)
    host.check_output("systemctl reload xmpp-firewall")
    assert reachable(address, moved), "the port is lost when the firewall is loaded again"
    host.check_output("systemctl restart xmpp-firewall")
    assert reachable(address, moved), "the port is lost when the firewall is started again"
    assert reachable(address, 22)


def test_uninvited_listener_is_not_reachable(address: str, listener: int) -> None:
    assert not reachable(address, listener)


def test_operator_opens_a_port_in_a_file_of_their_own(host: Host, address: str, listener: int) -> None:
    """As docs/operations.md says it."""
    own = "/etc/xmpp/firewall.d/own.nft"
    # Other roles bring the folder with their openings.
    host.check_output(f"mkdir -p /etc/xmpp/firewall.d && echo 'tcp dport {listener} accept' > {own}")
    try:
        host.check_output("systemctl reload xmpp-firewall")
        assert reachable(address, listener)
    finally:
        host.check_output(f"rm {own}")
        host.check_output("systemctl reload xmpp-firewall")
    assert not reachable(address, listener)


def test_listener_is_reachable_on_the_host_itself(host: Host, listener: int) -> None:
    """So that the test above fails for the firewall's sake alone."""
    assert host.run(f"python3 -c 'import socket; socket.create_connection((\"::1\", {listener}), 5)'").rc == 0
