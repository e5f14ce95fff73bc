# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of a report, as the filter ``check_report`` prints them."""

from __future__ import annotations

from typing import TypedDict

PASS, WARN, FAIL = "pass", "warn", "fail"
SHOWN = 4  # names in a row


class Row(TypedDict):
    """Its subject, PASS, WARN or FAIL, what was found, and how to fix it (or an empty string)."""

    subject: str
    status: str
    found: str
    fix: str


def row(subject: str, status: str, found: str, fix: str = "") -> Row:
    """Return a row."""
    return {"subject": subject, "status": status, "found": found, "fix": fix}


def number(count: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else many}"


def listed(names: list[str]) -> str:
    """Return some names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
