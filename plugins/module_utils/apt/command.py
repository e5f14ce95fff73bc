# SPDX-License-Identifier: GPL-3.0-or-later
"""How apt and dpkg are run: what they are told, what they say if they fail, and no service started by a package."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
HELD_BACK = "#!/bin/sh\n# Written while packages are installed by Ansible.\nexit 101\n"
OPTIONS = [
    "--quiet",
    "--yes",
    "--no-install-recommends",
    "--option=DPkg::Lock::Timeout=300",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
]


class PackagesError(Exception):
    """What is wrong, in words for the operator."""


def run(*command: str) -> str:
    """Run *command* and return what it printed; raises PackagesError with the end of its words if it fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        words = [line for line in (done.stdout + done.stderr).splitlines() if re.match("E: |dpkg: |Err:", line)]
        raise PackagesError("\n".join([f"{' '.join(command[:2])} failed:", *(words or done.stderr.splitlines())[-15:]]))
    return done.stdout


@contextlib.contextmanager
def services_held_back() -> Iterator[None]:
    """Let no maintainer script start a service (invoke-rc.d(8)); an operator's own policy comes back afterwards."""
    kept = POLICY.with_suffix(".kept")
    if POLICY.exists() and POLICY.read_text(encoding="utf-8") != HELD_BACK:  # else ours, left by a run that was killed
        POLICY.rename(kept)
    POLICY.write_text(HELD_BACK, encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
        if kept.exists():
            kept.rename(POLICY)
