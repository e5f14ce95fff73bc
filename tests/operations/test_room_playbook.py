# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/room.yml: what the operator does to rooms, as the people in them meet it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from slixmpp.exceptions import IqError
from testinfra.host import Host

from ..kit.clients import Client, fresh_text, login
from ..kit.rooms import PUBLIC, USER, configure, enter, made_room, refusal
from ..kit.service import PLAYBOOK_SECONDS, Register, Service

pytestmark = pytest.mark.timeout(3 * PLAYBOOK_SECONDS)


async def room(service: Service, *words: str) -> str:
    """What the playbook says that has succeeded."""
    return await asyncio.to_thread(service.succeed, "room", *words)


async def listed(service: Service) -> dict[str, dict[str, Any]]:
    """The rooms as a program gets them."""
    answer = json.loads(await room(service, "format=json"))
    return {entry["address"]: entry for entry in answer["rooms"]}


async def thrown_out(client: Client, address: str, code: str = "") -> None:
    """Waits until the room has thrown somebody out, for the reason that the status code means."""

    def left(presence: Any) -> bool:
        status = f"{USER}x/{USER}status[@code='{code}']" if code else f"{USER}x/{USER}destroy"
        return (
            presence.get("type") == "unavailable"
            and presence.get("from", "").startswith(address)
            and presence.find(status) is not None
        )

    await client.presences.get(left)


async def test_room_is_listed_and_destroyed_with_everybody_in_it(service: Service, register: Register) -> None:
    alice, bob = register(2)
    reason = f"closed: {fresh_text()}"
    async with login(service, alice) as owner, login(service, bob) as guest:
        address = f"{fresh_text().split()[1]}@{service.name('muc')}"
        await enter(owner, address, "owner")
        await configure(owner, address, **PUBLIC, roomname="The garden")
        await enter(guest, address, "guest")
        assert (await listed(service))[address] == {
            "address": address,
            "title": "The garden",
            "people": 2,
            "public": True,
            "moderated": False,
            "owners": [alice.jid],
            "banned": [],
        }
        would = await room(service, "--check", f"destroy={address}", f"sure={address}", f"reason={reason}")
        assert f"room {address} would be destroyed" in would.splitlines()
        assert address in await listed(service)
        said = await room(service, f"destroy={address}", f"sure={address.partition('@')[0]}", f"reason={reason}")
        assert "changed=1" in said
        for client in (owner, guest):
            assert (await client.hear(reason)).get("from") == address
            await thrown_out(client, address)
        assert address not in await listed(service)
        with pytest.raises(IqError, match="item-not-found"):
            await guest.announced(address)


async def test_banned_is_thrown_out_and_stays_out(service: Service, register: Register) -> None:
    alice, mallory = register(2)
    async with login(service, alice) as owner, login(service, mallory) as guest, made_room(owner, **PUBLIC) as address:
        await enter(guest, address, "guest")
        assert "changed=1" in await room(service, f"room={address}", f"ban={mallory.jid}")
        await thrown_out(guest, address, "301")
        assert refusal(await enter(guest, address, "again")) == "forbidden"
        assert (await listed(service))[address]["banned"] == [mallory.jid]
        assert "changed=0" in await room(service, f"room={address}", f"ban={mallory.name}")
        assert "changed=1" in await room(service, f"room={address}", f"unban={mallory.name}")
        assert (await enter(guest, address, "guest")).get("type") is None


async def test_room_gets_another_owner(service: Service, register: Register) -> None:
    """The last one cannot be taken away: nobody could look after the room."""
    alice, bob = register(2)
    async with login(service, alice) as owner, login(service, bob) as heir, made_room(owner, **PUBLIC) as address:
        done = await asyncio.to_thread(service.run_playbook, "room", f"room={address}", f"disown={alice.name}")
        assert done.returncode == 2
        assert f'disown is "{alice.jid}", the only owner of {address}' in " ".join(done.stdout.split())
        await room(service, f"room={address}", f"owner={bob.name}")
        await room(service, f"room={address}", f"disown={alice.name}")
        assert (await listed(service))[address]["owners"] == [bob.jid]
        with pytest.raises(IqError, match="forbidden"):
            await configure(owner, address, **PUBLIC)
        await configure(heir, address, **PUBLIC)
        await room(service, f"room={address}", f"owner={alice.name}")


async def test_moderated_room_is_read_only_for_newcomers(service: Service, register: Register) -> None:
    alice, bob = register(2)
    text = fresh_text()
    async with login(service, alice) as owner, login(service, bob) as guest, made_room(owner, **PUBLIC) as address:
        assert "changed=1" in await room(service, f"room={address}", "moderated=true")
        assert "changed=0" in await room(service, f"room={address}", "moderated=true")
        await enter(owner, address, "owner")
        await enter(guest, address, "guest")
        guest.say(address, text, kind="groupchat")
        error = await guest.messages.get(lambda stanza: stanza.get("type") == "error")
        assert error.findtext("{jabber:client}body") == text
        assert "changed=1" in await room(service, f"room={address}", "moderated=false")


def test_official_room_is_the_administrators_alone(service: Service, host: Host, register: Register) -> None:
    """Whoever administers no longer, or was made an owner in an app, is a member after the next run of site.yml."""
    (alice,) = register(1)
    room = {"room": "support", "service": service.name("muc")}
    who = {"user": alice.name, "host": alice.domain}
    service.api(("set_room_affiliation", room | who | {"affiliation": "owner"}))
    wanted = {
        "domain": service.domain,
        "muc_domain": service.name("muc"),
        "rooms": [{"name": "support", "title": "Support", "description": "Questions and answers."}],
        "room_owners": ["admin"],
    }
    try:
        done = host.ansible("conexizan.xmpp.ejabberd", json.dumps(wanted), check=False)
        assert done["changes"] == [f"room support@{service.name('muc')}: {alice.jid} is an owner no longer"]
        entries = service.api(("get_room_affiliations", room))[0]
        assert {entry["jid"]: entry["affiliation"] for entry in entries}[alice.jid] == "member"
    finally:
        service.api(("set_room_affiliation", room | who | {"affiliation": "none"}))


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (
            ("destroy=support", "sure=support"),
            "support@muc.site.test is an official room, and site.yml would undo the change",
        ),
        (
            ("destroy=no-such-room", "sure=no-such-room"),
            'destroy is "no-such-room@muc.site.test", which is no room here',
        ),
    ],
)
def test_what_must_not_be_is_refused(service: Service, words: tuple[str, ...], wrong: str) -> None:
    """What else is decided before the host is asked: tests/unit/test_refusals.py."""
    said = service.fail("room", *words)
    assert wrong in said
    assert "changed=0" in said
