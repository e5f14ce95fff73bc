# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``check_report``: what playbooks/check.yml prints at its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import number

DOCUMENTATION = r"""
name: check_report
short_description: One table of the results of all checks
description:
  - >-
    Takes a dictionary of hosts and their rows, each with the keys C(subject), C(status) (C(pass), C(warn) or C(fail)),
    C(found) and C(fix), and returns a text.
positional: format
options:
  _input: {description: Host to rows., type: dict, required: true}
  format: {description: For a person or for a program., type: str, choices: [table, json], default: table}
"""

Rows = Mapping[str, list[dict[str, str]]]
MARKS = {"pass": "pass", "warn": "WARN", "fail": "FAIL"}


def table(rows: Rows) -> Iterator[str]:
    """Yield the lines for a person: what is wrong is in capitals, how to fix it below."""
    every = [row for host in rows.values() for row in host]
    width = max((len(row["subject"]) for row in every), default=0)
    for host, results in rows.items():
        if len(rows) > 1:
            yield f"---- {host}"
        for row in results:
            yield f"{MARKS.get(row['status'], 'FAIL')}  {row['subject']:{width}}  {row['found']}"
            yield from (f"      {line}" for line in row["fix"].splitlines())
    warnings = sum(row["status"] == "warn" for row in every)
    fails = len(every) - warnings - sum(row["status"] == "pass" for row in every)
    yield ""
    if fails:
        yield f"{number(fails, 'check', 'checks')} of {len(every)} failed, {number(warnings, 'warning', 'warnings')}."
    elif warnings:
        yield f"Nothing of {number(len(every), 'check', 'checks')} failed, {number(warnings, 'warning', 'warnings')}."
    else:
        yield f"All is well: {number(len(every), 'check', 'checks')} passed."


def check_report(rows: Rows, format: str = "table") -> str:
    """Return the report as text."""
    if format == "json":
        return json.dumps(rows, indent=2, ensure_ascii=False)
    return "\n".join(table(rows))


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"check_report": check_report}
