# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts by the day on which they were created, and what is done to all of such a list: for modules on their host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import ApiError

SECONDS = 60
NAMES = 5  # in a message


class Age(NamedTuple):
    """The day on which an account was created; if it may be older, that can be the day of a new password."""

    created: str
    older: bool


def created_since(since: str, domains: Collection[str], spared: Collection[str]) -> dict[str, Age]:
    """Return the accounts of *domains* but *spared* ones that were created since that day, the oldest first.

    Raises RuntimeError, OSError, subprocess.TimeoutExpired.
    """
    said = ejabberd_program.run("ejabberd-sqlite", "created-since", since, seconds=SECONDS)
    found = {}
    for line in said.splitlines():
        day, preposition, account = line.split(" ", 2)
        if account.rpartition("@")[2] in domains and account not in spared:
            found[account] = Age(day, older=preposition != "on")
    return found


def refuse_older(accounts: Mapping[str, Age], since: str) -> None:
    """Raise ApiError if any of *accounts* may be older than its day: what is deleted does not come back."""
    older = [account for account, age in accounts.items() if age.older]
    if not older:
        return
    last = max(accounts[account].created for account in older)
    later = [age.created for age in accounts.values() if age.created > last]
    names = ", ".join(older[:NAMES]) + (", …" if len(older) > NAMES else "")
    passes = f"-e since={min(later)} -e delete=all -e sure={len(later)}, or " if later else ""
    raise ApiError(
        f"{len(older)} of {len(accounts)} accounts since {since} may have been created long before ({names}): their "
        "day is from before an update, or from an older backup, and is that of a new password if they had one. What is "
        f"deleted cannot be restored, so none is. These would pass: {passes}-e since={since} -e ban=all "
        f'-e reason="…" -e sure={len(accounts)}, or for each account that you know -e delete=NAME -e sure=NAME.'
    )


def do_to_all(accounts: Collection[str], since: str, sure: int, do: Callable[[str], Iterable[str]]) -> list[str]:
    """Do something to each account and return what was done; raises ApiError first if they are not so many."""
    if not accounts:
        raise ApiError(f"No account was created since {since} (administrators are not counted).")
    if sure != len(accounts):
        raise ApiError(
            f"sure is {sure}, but {len(accounts)} accounts were created since {since}. Look at the list again, by "
            f"-e since={since} alone; if all of them are meant, -e sure={len(accounts)} would pass."
        )
    changes: list[str] = []
    for done, account in enumerate(accounts):
        try:
            changes += do(account)
        except ApiError as error:
            raise ApiError(f"{account}: {error} ({done} of {len(accounts)} accounts are done)") from error
    return changes
