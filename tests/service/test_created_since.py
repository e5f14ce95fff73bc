# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/user.yml -e since=: who came in a flood, listed by age, and banned or deleted together."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..kit.clients import login
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.service import DATABASE, PLAYBOOK_SECONDS, Account, Service

pytestmark = pytest.mark.timeout(4 * PLAYBOOK_SECONDS)
LONG_AGO = "2020-02-02"


@pytest.fixture
def since(service: Service) -> str:
    """Yesterday: all accounts that are here already are from long before, but the administrator's."""
    for statement in (
        f"UPDATE users SET created_at = '{LONG_AGO}'",
        "UPDATE users SET created_at = date('now') WHERE username = 'admin'",
    ):
        run_in_erlang(service, STATEMENT, service.domain, statement)
    today = datetime.date.fromisoformat(service.host.check_output("date --utc +%F"))
    return str(today - datetime.timedelta(days=1))


@pytest.fixture
def flood(service: Service, since: str) -> Iterator[list[Account]]:
    """Accounts that were created after that."""
    made = service.register(3)
    yield made
    service.unregister(made)


def user(service: Service, *words: str) -> str:
    """What the playbook says that has succeeded."""
    done = service.run_playbook("user", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(service: Service, *words: str) -> str:
    """What the playbook says that has failed, in one line."""
    done = service.run_playbook("user", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "changed=0" in said
    return said


def accounts(service: Service, *words: str) -> dict[str, dict[str, Any]]:
    """The accounts as a program gets them."""
    return {row["address"]: row for row in json.loads(user(service, *words, "format=json"))["accounts"]}


def days(service: Service, account: Account) -> set[str]:
    """What the database has of when an account was created."""
    script = (
        f"import sqlite3; print(*sqlite3.connect('file:{DATABASE}?mode=ro', uri=True).execute("
        f"\"SELECT created_at FROM users WHERE username = '{account.name}'\"), sep='\\n')"
    )
    said = service.host.check_output("runuser -u ejabberd -- python3 -c %s", script)
    return {line.strip("(),'") for line in said.splitlines()}


async def test_flood_is_banned_and_deleted_as_a_whole(service: Service, since: str, flood: list[Account]) -> None:
    """Administrators are not part of it, nor whoever is here for longer, or has a reason to be banned already."""
    (old,) = service.register(1)
    run_in_erlang(
        service,
        STATEMENT,
        service.domain,
        f"UPDATE users SET created_at = '{LONG_AGO}' WHERE username = '{old.name}'",
    )
    everybody = sorted(account.jid for account in flood)
    listed = accounts(service, f"since={since}")
    assert sorted(listed) == everybody
    assert {row["created"] >= since and len(row["created"]) for row in listed.values()} == {len(since)}
    table = user(service, f"since={since}")
    assert f'-e since={since} -e ban=all -e reason="…" -e sure=3' in table
    assert f"-e since={since} -e delete=all -e sure=3" in table

    said = refused(service, f"since={since}", "ban=all", "reason=flood", "sure=2")
    assert f"sure is 2, but 3 accounts were created since {since}." in said
    assert "-e sure=3 would pass" in said
    assert f"{everybody[0]} would be banned: flood" in user(
        service, "--check", f"since={since}", "ban=all", "reason=flood", "sure=3"
    )
    assert not any(row["banned"] for row in accounts(service, f"since={since}").values())

    user(service, f"ban={flood[0].name}", "reason=earlier")
    assert "changed=1" in user(service, f"since={since}", "ban=all", "reason=flood", "sure=3")
    reasons = {row["address"]: row["reason"] for row in accounts(service, f"since={since}").values()}
    assert reasons == {account.jid: "earlier" if account is flood[0] else "flood" for account in flood}
    assert "changed=0" in user(service, f"since={since}", "ban=all", "reason=again", "sure=3")
    assert f"{old.jid}" not in [row["address"] for row in accounts(service).values() if row["banned"]]

    assert "changed=1" in user(service, f"since={since}", "delete=all", "sure=3")
    left = accounts(service)
    assert not set(everybody) & set(left)
    assert {old.jid, f"admin@{service.domain}"} <= set(left)
    assert not left[f"admin@{service.domain}"]["banned"]
    said = refused(service, f"since={since}", "delete=all", "sure=3")
    assert f"No account was created since {since}, administrators aside" in said
    async with login(service, old):
        pass
    service.unregister([old])


def test_day_stays_with_a_new_password(service: Service, since: str) -> None:
    """ejabberd writes the account anew then: whoever is here for long would be banned with the flood."""
    (alice,) = service.register(1)
    try:
        assert days(service, alice) == {str(datetime.date.fromisoformat(since) + datetime.timedelta(days=1))}
        move = f"UPDATE users SET created_at = '{LONG_AGO}' WHERE username = '{alice.name}'"
        run_in_erlang(service, STATEMENT, service.domain, move)
        new = {"user": alice.name, "host": service.domain, "newpass": "another one 7%x"}
        service.api(("change_password", new))
        assert days(service, alice) == {LONG_AGO}
        assert alice.jid not in accounts(service, f"since={since}")
    finally:
        service.unregister([alice])


def test_account_from_before_has_a_day_and_no_time(service: Service, since: str) -> None:
    """After the next start of ejabberd."""
    (alice,) = service.register(1)
    try:
        second = f"UPDATE users SET created_at = '{LONG_AGO} 01:02:03' WHERE username = '{alice.name}'"
        run_in_erlang(service, STATEMENT, service.domain, second)
        service.restart()
        assert days(service, alice) == {LONG_AGO}
    finally:
        service.unregister([alice])


WRONG = {
    ("since=29.11.2026",): 'since is "29.11.2026", which is not a date like 2026-11-22',
    ("since=9999-01-01",): 'since is "9999-01-01", which is in the future',
    ("since=2026-11-29", "delete=all"): "sure is missing",
    ("since=2026-11-29", "delete=mallory", "sure=1"): 'delete is "mallory", which is not the word all',
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_nonsense_is_refused(service: Service, words: tuple[str, ...]) -> None:
    assert WRONG[words] in refused(service, *words)
