# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes, while people write and while site.yml runs: nothing is lost that the server has acknowledged.

It is a container's power: its processes end at once, and what they had written to files stays. That an acknowledged
message is on the disk, where a real power cut does not reach it, is in tests/service/test_acknowledgement.py.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import re
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
import yaml
from slixmpp import JID
from slixmpp.xmlstream.stanzabase import StanzaBase
from testinfra.host import Host

from ..kit import testbed
from ..kit.clients import Client, login
from ..kit.playbook import CHECKOUT, ENVIRONMENT, command
from ..kit.rooms import configure
from ..kit.service import Service

WRITERS = 4
ACKNOWLEDGED = 200  # messages of one writer, after which the power goes
CUTS = 3
RUN_SECONDS = 240
BODY = "{jabber:client}body"
# Addresses to write to, and the type of message that each takes.
Places = dict[str, Literal["chat", "groupchat"]]
# Turn by turn, so that each run has files to write and services to start anew.
SETTINGS: tuple[dict[str, object], ...] = (
    {"ejabberd_small_host": True, "uploads_max_mib": 99, "coturn_total_quota": 2399},
    {},
)

pytestmark = pytest.mark.timeout(6 * RUN_SECONDS)


def container(host: Host) -> str:
    """The name by which script/testbed knows the host."""
    inventory = yaml.safe_load(Path(host.backend.ansible_inventory, "hosts.yml").read_text(encoding="utf-8"))
    name: str = inventory["all"]["hosts"][host.backend.host]["ansible_host"]
    return name.removeprefix("conexizan-")


def power_up(host: Host) -> Service:
    """The host after it has booted with no unit failed (script/testbed sees to that), serving again."""
    testbed.power("up", container(host))
    service = Service.of(host)
    service.wait_until_ready()
    return service


def site(host: Host, settings: dict[str, object]) -> subprocess.Popen[str]:
    backend, extra = host.backend, f"--extra-vars={json.dumps(settings)}"
    return subprocess.Popen(
        command("site.yml", extra, inventory=backend.ansible_inventory, limit=backend.host),
        cwd=CHECKOUT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def deploy(host: Host) -> str:
    """What a run to its end says."""
    with site(host, {}) as run:
        said, _ = run.communicate(timeout=RUN_SECONDS)
    assert run.returncode == 0, said
    return said


class Writer:
    """Somebody who writes without a pause, and remembers what the server has acknowledged (XEP-0198)."""

    def __init__(self, client: Client, places: Places, enough: asyncio.Event) -> None:
        self.client = client
        self.places = places
        self.enough = enough
        self.acknowledged: dict[str, set[str]] = {place: set() for place in places}
        client.add_event_handler("stanza_acked", self._note)

    def _note(self, stanza: StanzaBase) -> None:
        body = stanza.xml.findtext(BODY)
        if body:
            self.acknowledged[stanza["to"].bare].add(body)
            if sum(map(len, self.acknowledged.values())) >= ACKNOWLEDGED:
                self.enough.set()

    async def write(self) -> None:
        for number in itertools.count():
            for place, kind in self.places.items():
                self.client.send_message(mto=JID(place), mbody=f"{number} {secrets.token_hex(20)}", mtype=kind)
            await asyncio.sleep(0)  # without a pause: rooms and sessions get behind


async def join(client: Client, room: str) -> None:
    """Enter (or make) a room, by a stanza that slixmpp counts: else it takes an acknowledgement for one of the next."""
    presence = client.make_presence(pto=JID(f"{room}/{client.boundjid.user}"))
    presence.append(ET.fromstring("<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>"))
    presence.send()
    await client.presences.get(lambda stanza: stanza.get("from") == f"{room}/{client.boundjid.user}")


async def archive(client: Client, entity: str | None = None) -> set[str | None]:
    """All texts of an archive."""
    found: set[str | None] = set()
    after = ""
    client.register_plugin("xep_0313")
    async for message in client.plugin["xep_0313"].iterate(
        jid=JID(entity) if entity else None, rsm={"max": "200", "after": after}
    ):
        found.add(message.xml.findtext(f".//{{urn:xmpp:forward:0}}forwarded//{BODY}"))
    return found


def texts(*clients: Client, kind: str) -> set[str | None]:
    """What has come to these clients in messages of this type."""
    return {
        stanza.findtext(BODY)
        for client in clients
        for stanza in client.messages.all(lambda stanza: stanza.get("type") == kind and stanza.find(BODY) is not None)
    }


async def test_acknowledged_messages_survive(host: Host) -> None:
    """What was acknowledged is in the archives of the sender and the recipient or room, and waits for who was away."""
    service = Service.of(host)
    *accounts, reader, sleeper = service.register(WRITERS + 2)
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    places: Places = {reader.jid: "chat", sleeper.jid: "chat", room: "groupchat"}
    writers: list[Writer] = []
    enough = asyncio.Event()
    online = Client(service, reader, plugins=("xep_0198",))
    await online.start()
    await online.online()
    # Contacts, since strangers are slowed down and may fill a part only of what waits for somebody.
    service.api(
        *(
            (
                "add_rosteritem",
                {
                    "localuser": one.name,
                    "localhost": one.domain,
                    "user": writer.name,
                    "host": writer.domain,
                    "nick": "",
                    "groups": "",
                    "subs": "both",
                },
            )
            for one in (reader, sleeper)
            for writer in accounts
        )
    )
    for account in accounts:
        client = Client(service, account, plugins=("xep_0198",))
        await client.start()
        await client.online()
        await join(client, room)
        if not writers:
            await configure(client, room, persistentroom="1")  # any other ends with ejabberd
        writers.append(Writer(client, places, enough))
    tasks = [asyncio.create_task(writer.write()) for writer in writers]
    async with asyncio.timeout(RUN_SECONDS):
        await enough.wait()
    await asyncio.to_thread(testbed.power, "cut", container(host))
    for task in tasks:
        task.cancel()
    for client in (online, *(writer.client for writer in writers)):
        client.abort()

    service = await asyncio.to_thread(power_up, host)
    acknowledged = {place: set().union(*(writer.acknowledged[place] for writer in writers)) for place in places}
    # A room takes only so much of one person, a mailbox 1000 messages: the rest came back before it was acknowledged.
    refused = texts(*(writer.client for writer in writers), kind="error")
    acknowledged = {place: bodies - refused for place, bodies in acknowledged.items()}
    for bodies in acknowledged.values():
        assert len(bodies) > ACKNOWLEDGED / 4, "the test has written too little to prove anything"
    waiting = acknowledged[sleeper.jid]
    async with login(service, sleeper) as client:
        lost = waiting - await archive(client)
        assert not lost, {text: service.stored(text) for text in lost}
        await client.online()
        for text in waiting:
            await client.hear(text)
    for account, writer in zip(accounts, writers, strict=True):
        async with login(service, account) as client:
            assert writer.acknowledged[sleeper.jid] | writer.acknowledged[reader.jid] <= await archive(client)
    async with login(service, reader) as client:
        assert acknowledged[reader.jid] | texts(online, kind="chat") <= await archive(client)
    async with login(service, accounts[0]) as client:
        await client.online()
        await join(client, room)
        seen = texts(*(writer.client for writer in writers), kind="groupchat")
        assert acknowledged[room] | seen <= await archive(client, room)
    service.unregister([*accounts, reader, sleeper])


def test_interrupted_converge_is_made_up_for(host: Host) -> None:
    """Wherever the power goes, the host boots with what it has, and the next run makes all as it should be."""
    # A second run, after the power has gone once. (Molecule leaves tags out, so a host does not remember its run.)
    said = deploy(host)
    changed = re.findall(r"^TASK \[(.*)\] \**\nchanged: ", said, re.MULTILINE)
    assert changed == ["accounts : Remember which version of this project has deployed the host"], said
    # Before these, nothing is changed.
    tasks = re.findall(r"^TASK \[(?!xmpp : |preflight : |.*Validating)(.*)\]", said, re.MULTILINE)
    chosen = random.sample(tasks, CUTS)
    print(f"the power goes at: {chosen}")
    for settings, task in zip(itertools.cycle(SETTINGS), chosen, strict=False):
        with site(host, settings) as run:
            assert run.stdout
            assert any(f"TASK [{task}]" in line for line in run.stdout), f"the run did not come to: {task}"
            testbed.power("cut", container(host))
            os.killpg(run.pid, signal.SIGKILL)
        print(f"the power went at: {task}")
        power_up(host)
    deploy(host)
    said = deploy(host)
    assert "changed=0" in said, said
