# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of playbooks/check.yml as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.filter.check_report import check_report

ROWS = [
    {"subject": "a", "status": "pass", "found": "1", "fix": ""},
    {"subject": "long", "status": "warn", "found": "2", "fix": "Do:\nthis"},
]


BAD = [{"subject": "b", "status": "fail", "found": "3", "fix": "Do that."}]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"host": ROWS[:1]}, "pass  a  1\n\nAll is well: 1 check passed."),
        (
            {"host": ROWS},
            "pass  a     1\nWARN  long  2\n      Do:\n      this\n\nNothing of 2 checks failed, 1 warning.",
        ),
        (
            {"one": BAD, "two": ROWS},
            "---- one\nFAIL  b     3\n      Do that.\n---- two\npass  a     1\nWARN  long  2\n      Do:\n      this\n\n"
            "1 check of 3 failed, 1 warning.",
        ),
    ],
)
def test_table(rows: dict[str, Any], expected: str) -> None:
    assert check_report(rows) == expected
