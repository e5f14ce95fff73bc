# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host tests share. A folder per role: each runs with the role's own scenario and with the whole (site)."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

JOURNAL_LINES = 40


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A test that fails shows the end of the host's journal, and the units that failed."""
    report = yield
    if report.when == "call" and report.failed and Path(__file__).parent in item.path.parents:
        host = getattr(item, "funcargs", {}).get("host")
        if host is not None:
            for title, command in (
                ("failed units", "systemctl --failed --no-pager --no-legend"),
                ("journal", f"journalctl --no-pager --output=cat --lines={JOURNAL_LINES}"),
            ):
                result = host.run(command)
                report.sections.append((f"{title} of the host", re.sub(r"\x1b\[[0-9;]*m", "", result.stdout)))
    return report
