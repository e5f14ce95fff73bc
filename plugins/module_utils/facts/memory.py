# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a host has."""

from __future__ import annotations

import re
from pathlib import Path


def memory_mib(meminfo: Path = Path("/proc/meminfo"), limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Return what the kernel can use (proc_meminfo(5)), or less where a container has a limit, in MiB."""
    match = re.search(r"^MemTotal: +(\d+) kB$", meminfo.read_text(encoding="ascii"), re.MULTILINE)
    total = int(match[1]) // 1024 if match else 0
    allowed = limit.read_text(encoding="ascii").strip() if limit.exists() else "max"  # not in the root of cgroups
    return min(total, int(allowed) >> 20) if allowed.isdigit() else total
