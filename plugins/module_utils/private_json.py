# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the state that modules keep on a host, in files that only root can read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

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
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        json.dump(value, stream, indent=1)
    fresh.replace(path)
