# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts by the day on which they were created, and what is done to all of such a list: for modules on their host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ansible_collections.conexizan.xmpp.plugins.module_utils import ejabberd_program
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import ApiError

SECONDS = 60


def created_since(since: str, domains: Collection[str], spared: Collection[str]) -> dict[str, str]:
    """Return account to day of the accounts of *domains* but *spared* ones, created since that day, oldest first.

    Raises RuntimeError, OSError, subprocess.TimeoutExpired.
    """
    said = ejabberd_program.run("ejabberd-sqlite", "created-since", since, seconds=SECONDS)
    created = {account: day for day, _, account in (line.partition(" ") for line in said.splitlines())}
    return {
        account: day
        for account, day in created.items()
        if account.rpartition("@")[2] in domains and account not in spared
    }


def do_to_all(accounts: Collection[str], since: str, sure: int, do: Callable[[str], Iterable[str]]) -> list[str]:
    """Do something to each account and return what was done; raises ApiError first if they are not so many."""
    if not accounts:
        raise ApiError(f"No account was created since {since}, administrators aside, so there is nothing to do.")
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
