# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules remember on a host, in files for nobody but root."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

# Which password each account was last given by the operator, salted and hashed, by address.
PASSWORDS = Path("/var/lib/xmpp/passwords.json")


def read(path: Path) -> dict[str, Any]:
    """Return what was written last; nothing if nothing was."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="ascii")) if path.exists() else {}
    return value


def write(path: Path, value: dict[str, Any]) -> None:
    """Write it at once or not at all; of nothing, no file is kept."""
    if not value:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        json.dump(value, stream, indent=1)
    fresh.replace(path)
