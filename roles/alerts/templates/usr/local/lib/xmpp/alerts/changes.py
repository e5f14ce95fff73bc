# SPDX-License-Identifier: GPL-3.0-or-later
"""What is new since the last look: each fault is told once, and once that it is over."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row

DAY = 86400
# Looks in a row, ten minutes apart: a restart, or a moment with little memory, is no news.
BROKEN = 2
WELL = 3
# A fault that comes back within a day must stay away for longer each time, at most for a day.
LONGER = 4
WELL_MAX = 144
# Seconds before a fault is told which often ends by itself.
GRACE = {
    ("backup", WARN): 2 * DAY,  # none yet
    ("clock", WARN): 3600,  # not synchronized, as after a start
    ("ejabberd version", WARN): 7 * DAY,  # a fix installs itself, and Conexizan may be updated
    ("restart", WARN): 7 * DAY,
    ("restore", WARN): 6 * 3600,  # one under way
    ("security updates", WARN): 3 * DAY,  # installed once a day
}
# Without ejabberd there is no row about these, or one that they were skipped; no row about anything else is good news.
NEEDS_EJABBERD = ("database", "own modules")
# Subjects that are about several things: one more that is broken is news as well.
SEVERAL = ("disk", "own modules", "services", "timers")


@dataclass
class Problem:
    """What is known about a subject of the report that is broken, or was within a day."""

    first: float = 0.0  # when it was seen first
    bad: int = 0  # looks in a row
    worse: int = 0  # looks in a row in which it is worse than was told
    good: int = 0  # looks in a row since it was told, in which it is well
    told: str = ""  # the status that was told
    names: list[str] = field(default_factory=list)  # units, files and modules that were told
    ended: float = 0.0  # when the end was told
    relapses: int = 0


def names(rows: list[Row]) -> list[str]:
    """Return the units, folders and modules that rows name. Numbers are none: they change with each look."""
    text = " ".join(one["found"] for one in rows if one["subject"] in SEVERAL and one["status"] != PASS)
    return sorted({word for word in re.findall(r"[\w@./:-]*[./_][\w@.:/-]*", text) if re.search("/|[a-z]{2}", word)})


def verdict(subject: str, rows: list[Row]) -> str:
    """Return the status of a subject; an empty string if nobody knows."""
    known = [one for one in rows if not one["found"].startswith("skipped")]
    if not known:
        return "" if rows or subject in NEEDS_EJABBERD else PASS
    if subject == "database":  # a warning is about a refusal that is over
        return FAIL if any(one["status"] == FAIL for one in known) else PASS
    return next((status for status in (FAIL, WARN) if any(one["status"] == status for one in known)), PASS)


def sentences(rows: list[Row]) -> list[str]:
    """Return what is wrong, and below how to fix it."""
    return [f"{one['subject']}: {one['found']}\nFix: {one['fix']}" for one in rows if one["status"] != PASS]


def broken(problem: Problem, status: str, rows: list[Row], now: float) -> bool:
    """Note that a subject is broken; return whether that is news."""
    subject, named = rows[0]["subject"], names(rows)
    problem.good = 0
    problem.first = min(problem.first, now) if problem.bad else now  # a clock that was ahead has been corrected
    problem.bad = min(problem.bad + 1, BROKEN)  # no more: the state of a long fault is not written each time
    worse = (status == FAIL and problem.told == WARN) or bool(set(named) - set(problem.names))
    problem.worse = problem.worse + 1 if problem.told and worse else 0
    patience = 0 if problem.told else GRACE.get((subject, status), 0)
    looks = problem.worse if problem.told else problem.bad
    if looks < BROKEN or now - problem.first < patience:
        return False
    problem.relapses += 1 if problem.ended else 0
    problem.ended = 0.0
    problem.told = FAIL if FAIL in (status, problem.told) else status
    problem.names = sorted({*problem.names, *named})
    problem.worse = 0
    return True


def well(problem: Problem, now: float) -> bool:
    """Note that a subject is well; return whether that is news."""
    problem.worse = 0
    if not problem.told:  # nothing is counted, so the state of a fault that is over is not written each time
        problem.bad = problem.good = 0
        return False
    problem.good += 1
    if problem.good < min(WELL * LONGER**problem.relapses, WELL_MAX):
        return False
    problem.told, problem.names, problem.bad, problem.good, problem.ended = "", [], 0, 0, now
    return True


def news(problems: dict[str, Problem], rows: list[Row], now: float) -> list[str]:
    """Take the rows of a look into account, and return what is to be told: at most one sentence for each row."""
    found: dict[str, list[Row]] = {subject: [] for subject in problems}
    for one in rows:
        found.setdefault(one["subject"], []).append(one)
    told = []
    for subject, about in found.items():
        status = verdict(subject, about)
        if status in (FAIL, WARN):
            if broken(problems.setdefault(subject, Problem()), status, about, now):
                told += sentences(about)
        elif status == PASS and subject in problems:
            if well(problems[subject], now):
                told.append(f"Well again: {': '.join([subject, *(one['found'] for one in about[:1])])}")
            elif not problems[subject].told and not 0 <= now - problems[subject].ended < DAY:
                del problems[subject]
    return told
