# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs of the host and return their output."""

from __future__ import annotations

import os
import subprocess


def output(*command: str) -> str:
    """Return a program's output, in English; an empty string if it is missing or times out."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, env=environment).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
