# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal is in memory only, in one copy."""

from __future__ import annotations

import secrets

from testinfra.host import Host


def test_line_is_in_the_journal_and_not_on_the_disk(host: Host) -> None:
    marker = secrets.token_hex(12)
    host.check_output("logger -t conexizan-test %s", marker)
    host.check_output("journalctl --sync")
    assert marker in host.check_output("journalctl --no-pager -t conexizan-test")
    found = host.run("grep --recursive --text --files-with-matches %s /var/log", marker)
    assert found.stdout == ""


def test_journal_is_kept_in_memory(host: Host) -> None:
    assert host.run("find /run/log/journal -name '*.journal'").stdout
    assert host.run("find /var/log/journal -name '*.journal*'").stdout == ""


def test_no_second_logger_is_installed(host: Host) -> None:
    assert not host.package("rsyslog").is_installed


def test_what_was_kept_so_far_is_gone(host: Host) -> None:
    """The scenario of this role has kept a line on disk before (molecule/log_minimization/prepare.yml)."""
    found = host.run("grep --recursive --text --files-with-matches kept-so-far /var/log")
    assert found.stdout == ""
    names = host.check_output("ls /var/log").split()
    assert [name for name in names if name.startswith(("syslog", "auth.log", "kern.log", "user.log"))] == []
