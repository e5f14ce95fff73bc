# SPDX-License-Identifier: GPL-3.0-or-later
"""A service with a life of its own, which is then lost.

Run by Molecule's verifier, or by hand on converged hosts, none of which is lost yet (see service/conftest.py).
"""

from __future__ import annotations

import json
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from ..kit.clients import Client, affiliate, befriend, login
from ..kit.hosts import host_named
from ..kit.order import arrange
from ..kit.playbook import CHECKOUT, run
from ..kit.rooms import PRIVATE, configure, enter
from ..kit.service import Account, Service
from ..kit.uploads import ask_slot

STATE = CHECKOUT / ".cache/molecule/restore"
DOMAIN = "restore.test"
REPOSITORY = "/home/keeper/restore"
# The host that the service comes back on is several times slower than others: its programs are translated.
SECONDS_PER_TEST = 1200
RUN_SECONDS = 900
BUNDLE = "eu.siacs.conversations.axolotl.bundles:4223"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No test of this folder may hang."""
    arrange(items, Path(__file__).parent, SECONDS_PER_TEST)


@dataclass(frozen=True)
class Life:
    """What people did on the service, all of which must come back."""

    service: Service
    alice: Account
    bob: Account
    said: str  # in their archives
    waiting: str  # for bob, who was away
    key: str  # a part of alice's OMEMO keys
    room: str  # alice's, with bob as its only member
    told: str  # in the room
    file: str  # its address
    content: bytes


def run_playbook(
    playbook: str, *arguments: str, limit: str, settings: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a playbook as an operator does; *settings* win over those of the inventory."""
    return run(playbook, *arguments, f"--extra-vars={json.dumps(settings or {})}", limit=limit, seconds=RUN_SECONDS)


def in_s3() -> dict[str, str]:
    """Settings for backups in S3 instead."""
    return {
        "xmpp_backup_repository": "s3:http://vault.test:8333/restore",
        "xmpp_backup_s3_key_id": "keeper",
        "xmpp_backup_s3_secret": (STATE / "s3").read_text(encoding="ascii").strip(),
    }


async def live(service: Service) -> Life:
    """Use the service as people do."""
    alice, bob = service.register(2)
    said, waiting, told = (f"text {secrets.token_hex(12)}" for _ in range(3))
    key, content = secrets.token_hex(20), secrets.token_bytes(300_000)
    room = f"room-{secrets.token_hex(6)}@{service.name('muc')}"
    async with login(service, alice) as one:
        async with login(service, bob) as other:
            await one.online()
            await other.online()
            await befriend(one, other)
            one.say(bob.jid, said)
            await other.hear(said)
            await publish(one, key)
            await enter(one, room, "alice")
            await configure(one, room, **PRIVATE)
            await affiliate(one, room, bob.jid, "member")
            one.say(room, told, kind="groupchat")
            await one.hear(told)
        one.say(bob.jid, waiting)
        file = await send_file(service, one, content)
    return Life(service, alice, bob, said, waiting, key, room, told, file, content)


async def send_file(service: Service, client: Client, content: bytes) -> str:
    """Uploads a file and returns its address."""
    slot = await ask_slot(client, "photo.jpg", len(content))
    assert (await service.fetch("PUT", slot.put, data=content)).status == 201
    return slot.get


async def publish(client: Client, key: str) -> None:
    """Publishes an OMEMO bundle (XEP-0384 0.3)."""
    bundle = f"<bundle xmlns='eu.siacs.conversations.axolotl'><identityKey>{key}</identityKey></bundle>"
    item = f"<publish node='{BUNDLE}'><item id='current'>{bundle}</item></publish>"
    await client.query("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{item}</pubsub>")


@pytest.fixture(scope="session")
def vault(pytestconfig: pytest.Config) -> Host:
    """The server that takes the backups; it has been told whom to let in."""
    host = host_named("vault", pytestconfig)
    key = (STATE / f"secrets/{DOMAIN}/backup-ssh.pub.txt").read_text(encoding="ascii").strip()
    host.check_output(
        "install -d -m 0700 -o keeper -g keeper /home/keeper/.ssh && "
        f"echo '{key}' >/home/keeper/.ssh/authorized_keys && chown keeper: /home/keeper/.ssh/authorized_keys"
    )
    return host
