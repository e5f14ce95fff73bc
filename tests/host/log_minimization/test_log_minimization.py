# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian itself logs no person: not who logs in or fails to, not what is typed, not what a crashed program knew."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

# Where anything is written down that outlives a login. /run without what is known of sessions that are open now.
PLACES = "/var/log /var/lib /var/tmp /run/log /run/utmp /root /home"
ASKPASS = "/run/conexizan-test-askpass"
LOGIN_RECORDS = ("/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/wtmp.db", "/run/utmp")

# Speaks HTTP to sshd, and waits until it hangs up.
NO_SSH = """
import contextlib, socket, sys
connection = socket.create_connection(("127.0.0.1", 22), 10, (sys.argv[1], 0))
connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
with contextlib.suppress(ConnectionResetError):
    while words := connection.recv(100):
        print(words)
"""


def somewhere() -> str:
    """Return an address that nobody else has: of loopback, since sshd refuses for a while an address that failed."""
    return ".".join(["127", *(str(secrets.randbelow(253) + 1) for _ in range(3))])


@dataclass(frozen=True)
class Operator:
    """Somebody who may use sudo, with a password."""

    host: Host
    name: str
    password: str

    def ssh(
        self, address: str, command: str, *, name: str = "", password: str = "", sudo: bool = False
    ) -> CommandResult:
        """Log in by password from *address*, on a terminal; with *sudo*, the password comes on standard input."""
        options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "PubkeyAuthentication=no",
            "LogLevel=ERROR",
        ]
        options += [f"BindAddress={address}", "NumberOfPasswordPrompts=1"]
        login = [
            "ssh",
            "-F",
            "none",
            *(word for option in options for word in ("-o", option)),
            *([] if sudo else ["-tt"]),
        ]
        login += [f"{name or self.name}@127.0.0.1", command]
        typed = ["env", f"SSH_ASKPASS={ASKPASS}", "SSH_ASKPASS_REQUIRE=force", f"TYPED={password or self.password}"]
        stdin = f"printf '%s\\n' {shlex.quote(self.password)}" if sudo else "true"
        return self.host.run(f"{stdin} | timeout 60 {shlex.join(typed + login)} || exit 1")

    def left(self, *texts: str) -> list[str]:
        """Return the journal's entries with all their fields, and the files, that hold one of the texts."""
        # In front of a field with a line break is its length, which is no text.
        journal = self.host.check_output(
            "journalctl --sync; "
            r"journalctl --no-pager --output=export | LC_ALL=C tr --delete --complement '\11\12\40-\176'"
        )
        assert "MESSAGE=" in journal
        lines = [line for line in journal.splitlines() if any(text in line for text in texts)]
        words = " ".join(f"-e {shlex.quote(text)}" for text in texts)
        files = self.host.run(f"grep --recursive --text --fixed-strings --files-with-matches {words} {PLACES}")
        return [*lines, *files.stdout.splitlines()]


@pytest.fixture(scope="module")
def operator(host: Host) -> Iterator[Operator]:
    """An operator of the host's, who leaves again."""
    name, password = f"op-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    host.check_output(f"useradd --create-home --groups sudo --shell /bin/bash {name}")
    host.check_output(f"printf '%s\\n' {name}:{password} | chpasswd")
    host.check_output(f"printf '#!/bin/sh\\necho \"$TYPED\"\\n' > {ASKPASS} && chmod 755 {ASKPASS}")
    yield Operator(host, name, password)
    host.check_output(f"rm {ASKPASS} && userdel --force --remove {name}")


def test_login_leaves_no_address(operator: Operator) -> None:
    here = somewhere()
    done = operator.ssh(here, "tty && echo $SSH_CONNECTION")
    assert here in done.stdout, done.stderr
    assert operator.left(here) == []


def test_failed_login_leaves_neither_name_nor_address(operator: Operator) -> None:
    """Neither of somebody who mistypes a password, nor of one who tries a name, nor of one who speaks no SSH.

    One wrong password for each connection: what more of them can leave is in docs/decisions/log-minimization.md.
    """
    here, there, nobody = somewhere(), somewhere(), f"nobody-{secrets.token_hex(4)}"
    assert operator.ssh(here, "true", password="wrong").rc == 1
    assert operator.ssh(there, "true", name=nobody, password="wrong").rc == 1
    elsewhere = somewhere()
    spoken = operator.host.check_output(f"python3 -c {shlex.quote(NO_SSH)} {elsewhere}")
    assert "SSH-2.0" in spoken
    assert operator.left(here, there, elsewhere, nobody) == []


def test_sudo_leaves_no_command(operator: Operator) -> None:
    """Neither in a line of its own, nor in the field with the command line that the journal adds to other lines."""
    here, jid, secret = somewhere(), f"{secrets.token_hex(6)}@example.org", secrets.token_urlsafe(12)
    done = operator.ssh(here, f"sudo -S -p '' sh -c 'id -un; logger found' conexizan-{secret} {jid}", sudo=True)
    assert done.stdout.split() == ["root"], done.stderr
    refused = operator.ssh(here, f"sudo -n -k true {jid} {secret}")
    assert refused.rc == 1, refused.stderr
    assert operator.left("MESSAGE=found") != [], "the search finds what is there"
    assert operator.left(jid, secret) == []


@pytest.mark.parametrize("path", LOGIN_RECORDS)
def test_there_are_no_login_records(operator: Operator, path: str) -> None:
    assert operator.ssh(somewhere(), "true").rc == 0
    assert not operator.host.file(path).is_file


def test_login_records_of_an_update_are_gone_after_a_boot(host: Host) -> None:
    """What a package may make anew, and what systemd does at each boot."""
    host.check_output(
        "touch /var/log/wtmp /var/log/btmp /var/log/lastlog && ln -sf ../../log/wtmp.db /var/lib/wtmpdb/wtmp.db"
    )
    for _ in range(2):
        host.check_output("systemd-tmpfiles --create --remove --boot --prefix=/var")
        assert [path for path in LOGIN_RECORDS if host.file(path).is_file] == []


@pytest.mark.parametrize("package", ["wtmpdb", "libpam-wtmpdb", "lastlog2", "libpam-lastlog2"])
def test_nothing_that_keeps_login_records_is_installed(host: Host, package: str) -> None:
    assert not host.package(package).is_installed


def test_crash_of_a_service_leaves_no_memory_behind(host: Host) -> None:
    crash = "ulimit -c unlimited; kill -SEGV $$"
    folder = host.check_output("mktemp --directory")
    host.run(f"systemd-run --quiet --wait --collect --working-directory={folder} sh -c {shlex.quote(crash)}")
    assert host.check_output(f"ls -A {folder}") == ""
    host.check_output(f"rmdir {folder}")
    assert host.check_output("systemctl show --property=DefaultLimitCORE --value") == "0"


def test_operator_is_not_locked_out(host: Host) -> None:
    assert host.run("/usr/sbin/sshd -t").rc == 0
    assert host.run("visudo --check").rc == 0
    assert host.service("ssh").is_running
