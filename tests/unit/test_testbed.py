# SPDX-License-Identifier: GPL-3.0-or-later
"""What script/testbed makes of a host whose processes ended without podman."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .loading import load

testbed = load("script/testbed")


def group(process: int) -> str:
    """What is in the list of a process's control groups, as the identity of a host is."""
    return Path(f"/proc/{process}/cgroup").read_text(encoding="utf-8").partition("\n")[0]


def test_host_is_there_as_long_as_its_first_process_runs() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            assert testbed.lives(group(process.pid), process.pid)
            assert not testbed.lives("another identity", process.pid)
        finally:
            process.kill()
    assert not testbed.lives("0", process.pid)


def test_process_that_nobody_has_waited_for_is_no_host() -> None:
    """Its parent may have ended with it; until it is waited for, the kernel keeps its control group."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not testbed.lives(group(process.pid), process.pid)
