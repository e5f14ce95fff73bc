# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts beside those that Molecule makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .playbook import CHECKOUT

TESTBED = CHECKOUT / "script" / "testbed"


def up(name: str) -> dict[str, Any]:
    """Makes a host anew; what script/testbed says of it."""
    command: list[str | Path] = [sys.executable, TESTBED, "up", "--fresh", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=400)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def down(name: str) -> None:
    """Removes it."""
    subprocess.run([sys.executable, TESTBED, "down", name], check=True, timeout=240)


def power(word: str, name: str) -> None:
    """cut ends all its processes at once, up starts it again and waits until it has booted."""
    subprocess.run([sys.executable, TESTBED, word, name], check=True, stdout=subprocess.DEVNULL, timeout=120)


def ssh(name: str, command: str, given: bytes = b"", *, code: int = 0) -> str:
    """What a command says on the host; fails if it ends with another code."""
    words = ["ssh", "-F", str(CHECKOUT / ".cache/testbed/ssh_config"), f"conexizan-{name}", command]
    done = subprocess.run(words, input=given, capture_output=True, check=False)
    assert done.returncode == code, f"{command}\n{done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout.decode()
