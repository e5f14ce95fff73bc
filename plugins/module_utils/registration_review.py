# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that wait to be let in (xmpp_registration: review): for modules that run on their host."""

from __future__ import annotations

import os
from collections.abc import Collection

from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import ApiError, unknown

PROGRAM = "registration-review"
SECONDS = 60
# Verb to what the program calls it, and what is said of the account.
DECISIONS = {"approve": ("admit", "let in"), "refuse": ("refuse", "refused and deleted")}


def waiting(domains: Collection[str]) -> list[dict[str, str]]:
    """Return who waits, those first who have waited longest; each with C(address), C(since), a day, and C(words).

    Raises RuntimeError, OSError, subprocess.TimeoutExpired.
    """
    if not os.access(ejabberd_program.FOLDER / PROGRAM, os.X_OK):
        return []  # an earlier version, in which nobody waits
    # Not by splitlines(), which also splits at other ends of lines than this one.
    lines = ejabberd_program.run(PROGRAM, "list", seconds=SECONDS).split("\n")
    rows = [dict(zip(("address", "since", "words"), line.split("\t"), strict=True)) for line in lines if line]
    return [row for row in rows if row["address"].rpartition("@")[2] in domains]


def decide(verb: str, account: str, *, check: bool) -> list[str]:
    """Let an account in, or refuse and delete it, and return what was done; raises ApiError if it does not wait."""
    decision, done = DECISIONS[verb]
    known = [row["address"] for row in waiting([account.rpartition("@")[2]])]
    if account not in known:
        raise unknown(verb, account, "account that waits to be let in", known)
    if check:
        return [f"{account} would be {done}"]
    if not ejabberd_program.run(PROGRAM, decision, given=account, seconds=SECONDS):
        raise ApiError(f"{account} no longer waits: somebody else has just decided")
    return [f"{account} is {done}"]
