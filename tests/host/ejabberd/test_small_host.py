# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with little memory saves it by itself, unless the operator says otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.kit.playbook import run_on

SMALL = "+S 1:1"  # of __ejabberd_small_flags
MEMORY = "/run/meminfo"


def plan(host: Host, *words: str) -> str:
    """Return what site.yml would do with ejabberd."""
    done = run_on(host, "site.yml", "--check", "--diff", "--tags=ejabberd", *words, seconds=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def small(host: Host) -> Iterator[None]:
    """The host sees 1 GiB of memory, as a Raspberry Pi has it."""
    host.check_output(f"sed 's/^MemTotal: .*/MemTotal:         948304 kB/' /proc/meminfo > {MEMORY}")
    host.check_output(f"mount --bind {MEMORY} /proc/meminfo")
    yield
    host.check_output(f"umount /proc/meminfo && rm {MEMORY}")


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("small")
def test_small_host_is_seen(host: Host) -> None:
    assert SMALL not in host.file("/etc/ejabberd/xmpp.cfg").content_string
    assert SMALL in plan(host)
    assert SMALL not in plan(host, "--extra-vars", '{"ejabberd_small_host": false}')
