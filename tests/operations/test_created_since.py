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
from ..kit.service import PLAYBOOK_SECONDS, Account, Service, sql

pytestmark = pytest.mark.timeout(4 * PLAYBOOK_SECONDS)
LONG_AGO = "2020-02-02"


def today(service: Service) -> datetime.date:
    return datetime.date.fromisoformat(service.host.check_output("date --utc +%F"))


@pytest.fixture
def since(service: Service) -> str:
    """Yesterday: all accounts that are here already are from long before, but the administrator's."""
    statements = (
        f"UPDATE users SET created_at = '{LONG_AGO}'",
        "UPDATE users SET created_at = date('now') WHERE username = 'admin'",
    )
    run_in_erlang(service, STATEMENT, service.domain, *statements)
    return str(today(service) - datetime.timedelta(days=1))


@pytest.fixture
def flood(service: Service, since: str) -> Iterator[list[Account]]:
    """Accounts that were created after that."""
    made = service.register(3)
    yield made
    service.unregister(made)


def user(service: Service, *words: str) -> str:
    """What the playbook says that has succeeded."""
    return service.succeed("user", *words)


def refused(service: Service, *words: str) -> str:
    """What the playbook says that has failed, in one line."""
    said = service.fail("user", *words)
    assert "changed=0" in said
    return said


def accounts(service: Service, *words: str) -> dict[str, dict[str, Any]]:
    """The accounts as a program gets them."""
    return {row["address"]: row for row in json.loads(user(service, *words, "format=json"))["accounts"]}


def days(service: Service, account: Account) -> set[str]:
    """What the database has of when an account was created."""
    return {day for (day,) in sql(service, f"SELECT created_at FROM users WHERE username = '{account.name}'")}


def move_back(service: Service, account: Account, created: str) -> None:
    """As if the account was created then."""
    statement = f"UPDATE users SET created_at = '{created}' WHERE username = '{account.name}'"
    run_in_erlang(service, STATEMENT, service.domain, statement)


def change_password(service: Service, account: Account) -> None:
    new = {"user": account.name, "host": service.domain, "newpass": "another one 7%x"}
    service.api(("change_password", new))


async def test_flood_is_banned_and_deleted_as_a_whole(service: Service, since: str, flood: list[Account]) -> None:
    """Administrators are not part of it, nor whoever is here for longer, or has a reason to be banned already."""
    (old,) = service.register(1)
    move_back(service, old, LONG_AGO)
    everybody = sorted(account.jid for account in flood)
    listed = accounts(service, f"since={since}")
    assert sorted(listed) == everybody
    assert {row["created"] >= since and len(row["created"]) for row in listed.values()} == {len(since)}
    assert not any(row["older"] for row in listed.values())
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
    assert f"No account was created since {since} (administrators are not counted)" in said
    async with login(service, old):
        pass
    service.unregister([old])


def test_day_stays_with_a_new_password(service: Service, since: str) -> None:
    """ejabberd writes the account anew then: whoever is here for long would be banned with the flood."""
    before = today(service)
    (alice,) = service.register(1)
    try:
        # One day, although each kind of key of the password has a row.
        (created,) = days(service, alice)
        assert created in (str(before), str(today(service)))
        move_back(service, alice, LONG_AGO)
        change_password(service, alice)
        assert days(service, alice) == {LONG_AGO}
        assert alice.jid not in accounts(service, f"since={since}")
    finally:
        service.unregister([alice])


def test_account_from_before_is_not_deleted_with_others(service: Service, since: str) -> None:
    """It has a day and no time after the next start of ejabberd, which may be that of a new password."""
    (alice,) = service.register(1)
    try:
        move_back(service, alice, f"{since} 01:02:03")
        service.restart()
        kept = {f"{since} 00:00"}
        assert days(service, alice) == kept
        change_password(service, alice)
        service.restart()
        assert days(service, alice) == kept

        listed = accounts(service, f"since={since}")
        assert {account: (row["created"], row["older"]) for account, row in listed.items()} == {
            alice.jid: (since, True)
        }
        table = user(service, f"since={since}")
        assert f"{since}  yes         {alice.jid}" in table
        assert "1 may have been created earlier" in table
        assert "-e delete=all -e sure" not in table
        said = refused(service, f"since={since}", "delete=all", "sure=1")
        assert f"1 of 1 accounts since {since} may have been created long before ({alice.jid})" in said
        assert f"would pass: -e since={since} -e ban=all" in said
        would = user(service, "--check", f"since={since}", "ban=all", "reason=flood", "sure=1")
        assert f"{alice.jid} would be banned: flood" in would
    finally:
        service.unregister([alice])


def test_invalid_options_are_rejected(service: Service) -> None:
    """One of them; the others: tests/unit/test_refusals.py."""
    assert "sure is missing" in refused(service, "since=2026-11-29", "delete=all")
