# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account is told about what is stored for it, and that it deletes single files of its own (account page)."""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError

from ..kit.account_file import publish_keys
from ..kit.clients import Client, befriend, login
from ..kit.moderators import upload
from ..kit.service import Account, Register, Service, sql
from ..kit.uploads import files_of

OWN = "{conexizan:stored}"
MEASURE, FILES = (f"<{name} xmlns='{OWN[1:-1]}'/>" for name in ("measure", "files"))


def deletion(identity: str) -> str:
    return f"<delete-file xmlns='{OWN[1:-1]}' id='{identity}'/>"


async def measured(client: Client) -> dict[str, tuple[int, int]]:
    """Rows and bytes by table."""
    answer = await client.query("get", MEASURE)
    return {
        one.get("name", ""): (int(one.get("rows", "")), int(one.get("bytes", ""))) for one in answer.iter(f"{OWN}table")
    }


async def listed(client: Client) -> list[ET.Element]:
    return list((await client.query("get", FILES)).iter(f"{OWN}file"))


def stored(service: Service, account: Account, table: str, *columns: str) -> tuple[int, int]:
    """The same, out of the database."""
    size = " + ".join(f"coalesce(length(cast({column} AS blob)), 0)" for column in columns)
    which = f"username = '{account.name}' AND server_host = '{account.domain}'"
    [[rows, size]] = sql(service, f"SELECT count(*), coalesce(sum({size}), 0) FROM {table} WHERE {which}")
    return rows, size


async def test_account_is_told_what_is_stored_for_it(service: Service, register: Register) -> None:
    """In numbers and bytes, and of nobody else."""
    alice, bob, away = register(3)
    async with login(service, alice) as client, login(service, bob) as other:
        await client.online()
        await other.online()
        nothing = await measured(client)
        await befriend(client, other)
        client.say(bob.jid, "one")
        client.say(bob.jid, "two")
        await other.hear("two")
        client.say(away.jid, "you are away")
        await client.query("set", "<vCard xmlns='vcard-temp'><FN>Ärger &amp; Co</FN></vCard>")
        await publish_keys(client, "1111")
        found = await measured(client)
    assert nothing["archive"] == (0, 0)
    assert {"users", "archive"} <= nothing.keys() <= {"users", "archive", "roster_version", "archive_prefs"}
    assert found["archive"] == await asyncio.to_thread(stored, service, alice, "archive", "xml", "txt")
    assert found["archive"][0] == 3
    assert found["rosterusers"][0] == 1
    assert found["vcard"][0] == 1
    nodes = f"SELECT nodeid FROM pubsub_node WHERE host = '{alice.jid}'"
    [[items]] = await asyncio.to_thread(sql, service, f"SELECT count(*) FROM pubsub_item WHERE nodeid IN ({nodes})")
    assert found["pubsub_item"][0] == items >= len(("devices", "bundle"))
    assert found["pubsub_item"][1] > len("1111") * 2
    assert "spool" not in found
    async with login(service, away) as client:
        waiting = await measured(client)
    assert waiting["spool"] == await asyncio.to_thread(stored, service, away, "spool", "xml")
    assert waiting["spool"][0] == 1


async def test_account_deletes_single_files_of_its_own(service: Service, register: Register) -> None:
    alice, mallory = register(2)
    async with login(service, alice) as client, login(service, mallory) as other:
        links = [await upload(service, client) for _ in range(2)]
        first, second = await listed(client)
        assert {first.get("name"), second.get("name")} == {"Bild_ÄÖÜ_ß.png"}
        assert first.get("bytes") == "4"
        assert await listed(other) == []
        # What is somebody else's, or no file: the answer is the same.
        identity = first.get("id", "")
        for one in (identity, f"../{identity}", identity.upper(), "", ".", "..", "nothing", "*", "é" * 40, "0" * 24):
            with pytest.raises(IqError) as refused:
                await other.query("set", deletion(one))
            assert refused.value.condition == "item-not-found", one
        for kind, payload in (("get", MEASURE), ("get", FILES), ("set", deletion(identity))):
            with pytest.raises(IqError) as refused:
                await other.query("set" if kind == "set" else "get", payload, to=alice.jid)
            assert refused.value.condition in ("not-allowed", "service-unavailable"), payload
        assert len(files_of(service, alice)) == 2
        await client.query("set", deletion(identity))
        assert [one.get("id") for one in await listed(client)] == [second.get("id")]
    assert len(files_of(service, alice)) == 1
    answers = [(await service.fetch("GET", link)).status for link in links]
    assert sorted(answers) == [200, 404]
