# SPDX-License-Identifier: GPL-3.0-or-later
"""Where sshd is reached: no firewall may shut these ports."""

from __future__ import annotations

import os
import re
import subprocess

from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours

SSH_SERVERS = ("/usr/sbin/sshd", "/usr/sbin/dropbear")


def executable(pid: str) -> str:
    """Return the file a process runs; its name would be the process's own choice."""
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def configured_ports(text: str) -> set[int]:
    """Return the ports in sshd's configuration, in the words of sshd -T: those of its next start."""
    addresses = [int(port) for port in re.findall(r"^listenaddress .*:(\d+)$", text, re.MULTILINE)]
    return set(addresses or [int(port) for port in re.findall(r"^port (\d+)$", text, re.MULTILINE)])


def ssh_ports(sockets: list[neighbours.Socket]) -> list[int]:
    """Return the ports where sshd is reached, now and after its next start, by itself or by systemd."""
    ports = set()
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) == 4:
        ports.add(int(connection[3]))
    ports |= {
        one.port
        for one in sockets
        if one.protocol == "tcp" and one.pid and not one.loopback and executable(str(one.pid)) in SSH_SERVERS
    }
    if os.path.exists(SSH_SERVERS[0]):
        ports |= configured_ports(
            subprocess.run([SSH_SERVERS[0], "-T"], capture_output=True, text=True, check=False).stdout
        )
    activated = subprocess.run(
        ["systemctl", "show", "--property=Listen", "--value", "ssh.socket"], capture_output=True, text=True, check=False
    ).stdout
    active = subprocess.run(["systemctl", "is-active", "--quiet", "ssh.socket"], check=False).returncode == 0
    if active:
        ports |= {int(port) for port in re.findall(r":(\d+) \(Stream\)", activated)}
    return sorted(ports)
