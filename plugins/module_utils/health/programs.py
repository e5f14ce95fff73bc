# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs of the host print."""

from __future__ import annotations

import subprocess


def output(*command: str) -> str:
    """Return what a program prints; nothing if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
