# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the state that modules keep on a host, in files that only root can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic

# The password that the operator last set for each account, salted and hashed, by address.
PASSWORDS = Path("/var/lib/xmpp/passwords.json")


def read(path: Path) -> dict[str, Any]:
    """Return the stored value, or an empty dictionary."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="ascii")) if path.exists() else {}
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a value atomically; an empty value deletes the file."""
    if not value:
        path.unlink(missing_ok=True)
        return
    atomic.write(path, json.dumps(value, indent=1).encode())
