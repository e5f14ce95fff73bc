# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's audit looks into the database of a running service. (What is elsewhere on the disk:
federation/test_audit.py.)"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from ..kit.database import archived, change, since
from ..kit.service import DATABASE, Register, Service

SECONDS = 300  # it leaves the processor to others
pytestmark = pytest.mark.timeout(SECONDS + 60)


@pytest.fixture
def planted(service: Service, register: Register) -> Iterator[list[str]]:
    """What should not be there, in tables of all kinds; yields the names that it has."""
    (alice,) = register(1)
    service.host.check_output("systemctl stop xmpp-expire.timer xmpp-expire.service")
    gone, room = f"gone-{secrets.token_hex(4)}", f"room-{secrets.token_hex(4)}@{service.name('muc')}"
    domain = service.domain
    change(
        service,
        archived(alice.name, domain, 45),
        archived(alice.name, domain, 44),
        archived(gone, domain, 3),
        archived(room, domain, 2),
        f"INSERT INTO spool (username, server_host, xml) VALUES ('{gone}', '{domain}', 'diary')",
        "INSERT INTO push_session (username, server_host, timestamp, service, node, xml)"
        f" VALUES ('{alice.name}', '{domain}', {since(100)}, 'x', 'x', '')",
        f"INSERT INTO pubsub_node (host, node, parent, plugin) VALUES ('{gone}@{domain}', 'diary', '', 'pep')",
        "CREATE TABLE diary (text text)",
        f"INSERT INTO diary VALUES ('{alice.jid}')",
    )
    yield [alice.name, gone, room]
    change(
        service,
        "DROP TABLE diary",
        f"DELETE FROM archive WHERE username IN ('{gone}', '{room}') OR xml = 'diary'",
        f"DELETE FROM spool WHERE username = '{gone}'",
        "DELETE FROM push_session WHERE service = 'x' AND node = 'x'",
        f"DELETE FROM pubsub_node WHERE host = '{gone}@{domain}'",
    )
    service.host.check_output("systemctl start xmpp-expire.timer")


def test_what_should_not_be_in_the_database_is_reported(service: Service, planted: list[str]) -> None:
    """By table, number and age; not what it is, nor whose."""
    done = service.run_playbook("audit", seconds=SECONDS)
    assert done.returncode != 0
    start = f"{DATABASE} table "
    told = [line.split("FAIL", 1)[1].strip() for line in done.stdout.splitlines() if "FAIL" in line and start in line]
    assert sorted(" ".join(line.split()).removeprefix(start) for line in told) == [
        "archive 1 row of accounts that no longer exist, 3 days old",
        "archive 1 row of rooms that no longer exist, 2 days old",
        "archive 2 rows older than 30 days, the oldest 45 days old",
        "diary 1 row in a table that the ledger does not list",
        "pubsub_node 1 row of accounts that no longer exist",
        "push_session 1 row older than 90 days, 100 days old",
        "spool 1 row of accounts that no longer exist, 0 days old",
    ]
    assert [name for name in planted if name in done.stdout] == []
