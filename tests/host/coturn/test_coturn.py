# SPDX-License-Identifier: GPL-3.0-or-later
"""The relay follows the addresses of its host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from testinfra.host import Host

# Nobody's: AS112 (RFC 7534). The host has it beside its own, which is how the tests come in.
NEW, NETWORK = "2620:4f:8000::7", "2620:4f:8000::-2620:4f:8000::ffff"


def relay(host: Host) -> tuple[str, set[str]]:
    """Return the relay's process and the addresses it listens on."""
    pid = host.check_output("systemctl show --property=MainPID --value coturn.service")
    sockets = host.check_output("ss -Hlnu 'sport = :3478'").splitlines()
    return pid, {socket.split()[3].rpartition(":")[0].strip("[]") for socket in sockets}


def look(host: Host) -> tuple[str, set[str]]:
    """Do what the timer does every few minutes, and return the relay afterwards."""
    host.check_output("systemctl start xmpp-relay.service")
    return relay(host)


@contextlib.contextmanager
def new_address(host: Host) -> Iterator[None]:
    """Another IPv6 address, as a router's new prefix brings it."""
    host.check_output(f"ip -6 address add {NEW}/112 dev eth0 nodad")
    try:
        yield
    finally:
        host.check_output(f"ip -6 address del {NEW}/112 dev eth0")


def test_relay_stays_while_addresses_stay(host: Host) -> None:
    """A restart would cut calls. Nor does looking leave a trace, not even that systemd started something."""
    before = relay(host)
    assert look(host) == before
    assert host.check_output("journalctl --no-pager --output=cat --unit=xmpp-relay.service") == ""
    assert host.check_output("systemctl is-active xmpp-relay.timer") == "active"


def test_relay_follows_the_address(host: Host) -> None:
    """To a new one, whose neighbours are as closed to it as private networks, and back when that is gone."""
    _, before = look(host)
    with new_address(host):
        pid, addresses = look(host)
        arguments = host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/cmdline").splitlines()
    assert NEW in addresses
    assert f"--denied-peer-ip={NETWORK}" in arguments
    _, after = look(host)
    assert after == before
