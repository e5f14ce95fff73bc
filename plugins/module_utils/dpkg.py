# SPDX-License-Identifier: GPL-3.0-or-later
"""What dpkg has written down about the packages of this host."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

STATUS = Path("/var/lib/dpkg/status")
INFO = Path("/var/lib/dpkg/info")


def untouched(path: Path, package_name: str) -> bool:
    """Tell whether a configuration file is as its package brought it, by a name that the package knows."""
    try:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return False
    return f"\n {package_name} {digest}" in STATUS.read_text(encoding="utf-8", errors="replace")


def stanza(package: str) -> str:
    """Return what dpkg knows of an installed package; nothing of one that is not."""
    pattern = rf"^Package: {re.escape(package)}\nStatus: \S+ ok installed\n.*?(?=\n\n|\Z)"
    match = re.search(pattern, STATUS.read_text(encoding="utf-8", errors="replace"), re.MULTILINE | re.DOTALL)
    return match[0] if match else ""


def installed() -> set[str]:
    """Return the names of all installed packages, from dpkg's database."""
    pattern = r"^Package: (\S+)\nStatus: \S+ ok installed$"
    return set(re.findall(pattern, STATUS.read_text(encoding="utf-8"), re.MULTILINE))
