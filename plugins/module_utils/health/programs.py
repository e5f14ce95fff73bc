# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs of the host and return their output."""

from __future__ import annotations

import subprocess


def output(*command: str) -> str:
    """Return a program's output; an empty string if it is missing or times out."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
