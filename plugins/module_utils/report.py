# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a report, as the filter ``check_report`` prints them: what was found out about one thing."""

from __future__ import annotations

from typing import TypedDict

PASS, WARN, FAIL = "pass", "warn", "fail"


class Row(TypedDict):
    """What the row is about, PASS, WARN or FAIL, what was found, and what to do about it (empty: nothing)."""

    subject: str
    status: str
    found: str
    mend: str


def row(subject: str, status: str, found: str, mend: str = "") -> Row:
    """Return a row."""
    return {"subject": subject, "status": status, "found": found, "mend": mend}
