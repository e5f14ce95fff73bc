# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of roles/ejabberd that speak with the running ejabberd: for the modules that run on its host."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FOLDER = Path("/usr/local/lib/xmpp")


def run(name: str, *arguments: str, given: str = "", seconds: float) -> str:
    """Run a program as user ejabberd, with what is *given* to read, and return what it prints.

    Raises RuntimeError if it is missing or fails, with what it said; OSError, subprocess.TimeoutExpired.
    """
    program = FOLDER / name
    if not os.access(program, os.X_OK):
        raise RuntimeError(f"{program} is not on this host yet: run site.yml, then this again")
    done = subprocess.run(
        [program, *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        user="ejabberd",
        group="ejabberd",
        extra_groups=[],
        env={"HOME": "/var/lib/ejabberd", "PATH": "/usr/bin:/bin"},
        cwd="/",
    )
    if done.returncode != 0:
        raise RuntimeError(f"ejabberd did not do it: {done.stderr.strip()[:1000] or f'exit code {done.returncode}'}")
    return done.stdout
