# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention: what has expired is deleted from the disk, and who came and went is not written down."""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
from collections.abc import AsyncIterator
from xml.sax.saxutils import quoteattr

import pytest
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from ..kit.clients import Client, Inbox, Refused, befriend, login
from ..kit.database import archived, change
from ..kit.profile import publish
from ..kit.rooms import PUBLIC, made_room
from ..kit.service import DATABASE, UPLOADS, Account, Register, Service
from ..kit.traces import PLACES, SERVICES, forms, holding
from ..kit.uploads import ask_slot, files_of

INFO = "http://jabber.org/protocol/disco#info"
ARCHIVE_DAYS = 30
RULE = "grep /upload/data /etc/tmpfiles.d/xmpp-upload.conf"


def age(service: Service, account: Account, days: int) -> None:
    """Makes all of an account's archive look that much older (its timestamps are in microseconds)."""
    statement = f"UPDATE archive SET timestamp = timestamp - {days * 86_400_000_000} WHERE username = '{account.name}'"
    script = (
        f"import sqlite3\nwith sqlite3.connect({DATABASE!r}, timeout=30) as database: database.execute({statement!r})"
    )
    service.host.check_output(shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", script]))


async def test_old_messages_leave_the_disk_and_young_ones_stay(service: Service, register: Register) -> None:
    alice, bob, carol = register(3)
    old, young = secrets.token_hex(12), secrets.token_hex(12)
    async with login(service, alice) as sender, login(service, bob) as receiver, login(service, carol) as other:
        await receiver.online()
        await other.online()
        sender.say(bob.jid, old)
        await receiver.hear(old)
        age(service, alice, ARCHIVE_DAYS + 1)
        age(service, bob, ARCHIVE_DAYS + 1)
        sender.say(carol.jid, young)
        await other.hear(young)
    assert service.stored(old)
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert not service.stored(old), "in the database or its write-ahead log"
    assert service.stored(young)


def test_old_messages_of_a_domain_that_is_served_no_more_leave_the_disk(service: Service) -> None:
    """ejabberd deletes those of its own domains only."""
    old, young, domain = secrets.token_hex(12), secrets.token_hex(12), f"{secrets.token_hex(4)}.example"
    change(service, archived(old, domain, ARCHIVE_DAYS + 1), archived(young, domain, ARCHIVE_DAYS - 1))
    service.host.check_output("systemctl restart xmpp-expire.service")
    try:
        assert not service.stored(old)
        assert service.stored(young)
    finally:
        change(service, f"DELETE FROM archive WHERE server_host = '{domain}'")


async def test_what_was_said_in_lost_rooms_leaves_the_disk(service: Service, register: Register) -> None:
    """Rooms that do not stay end with ejabberd, and their archive is left. Those that are there keep what they have."""
    alice, bob = register(2)
    lost, kept, stays = (secrets.token_hex(12) for _ in range(3))
    async with (
        login(service, alice) as client,
        login(service, bob) as other,
        made_room(client) as room,
        made_room(other, **PUBLIC) as stored,
    ):
        for one, where, text in ((client, room, kept), (client, room, lost), (other, stored, stays)):
            one.say(where, text, kind="groupchat")
            await one.hear(text)
        name = f"room-{secrets.token_hex(6)}@{service.name('muc')}"
        change(service, f"UPDATE archive SET username = '{name}' WHERE username = '{room}' AND xml LIKE '%{lost}%'")
        service.host.check_output("systemctl restart xmpp-expire.service")
        assert service.stored(kept)
        assert service.stored(stays)
        assert not service.stored(lost)


async def test_old_uploads_leave_the_disk_whatever_date_they_claim(service: Service, register: Register) -> None:
    """The shipped rule, with one second in the place of the days."""
    (alice,) = register(1)
    async with login(service, alice) as client:
        slot = await ask_slot(client, "note.txt", 5)
    answer = await service.fetch("PUT", slot.put, data=b"hello", headers={"Date": "Mon, 18 Jan 2038 00:00:00 GMT"})
    assert answer.status == 201
    assert len(files_of(service, alice)) == 1
    rule = service.host.check_output(RULE)
    service.host.check_output("printf '%s\\n' > /run/conexizan-test.conf " + shlex.quote(re.sub(r"\d+d$", "0", rule)))
    service.host.check_output("systemd-tmpfiles --clean /run/conexizan-test.conf && rm /run/conexizan-test.conf")
    assert files_of(service, alice) == []
    assert service.host.file(f"{UPLOADS}/data").mode == 0o2770


def test_uploads_stay_where_the_file_system_records_no_birth(service: Service) -> None:
    """As on NFS, or an ext4 of long ago: a fresh file is not too old. ramfs is such a one; it goes with the command."""
    rule = re.sub(r"/srv/xmpp/upload/data", "/mnt/data", service.host.check_output(RULE))
    command = (
        "mount -t ramfs ramfs /mnt && mkdir -p /mnt/data/a/b && touch -d 2001-01-01 /mnt/data/a/b/photo && "
        "stat -c %W /mnt/data/a/b/photo && printf '%s\\n' \"$0\" > /mnt/rule && systemd-tmpfiles --clean /mnt/rule && "
        "ls /mnt/data/a/b"
    )
    assert service.host.check_output("unshare --mount sh -c %s %s", command, rule).split() == ["0", "photo"]


async def test_nobody_who_came_is_written_down(service: Service, register: Register) -> None:
    """Neither the address of who logged in, failed to, wrote, sent a file or looked at the site, nor their name."""
    alice, bob = register(2)
    with pytest.raises(Refused):
        async with login(service, Account(bob.name, "not the password")):
            pass
    async with login(service, alice) as client:
        await client.online()
        client.say(bob.jid, secrets.token_hex(12))
        slot = await ask_slot(client, "note.txt", 5)
        await service.fetch("PUT", slot.put, data=b"hello")
        await service.fetch("PUT", slot.put, data=b"hello")
    await service.fetch("GET", f"https://{service.domain}/missing")

    here = service.host.check_output("echo $SSH_CONNECTION").split()[0]
    units = " ".join(f"--unit={name}" for name in SERVICES)
    journal = service.host.check_output(f"journalctl --no-pager --output=json {units}")
    assert "Started ejabberd.service" in journal, "the search looks at the right place"
    assert re.findall(rf".*(?:{forms(here)}).*", journal) == []
    assert [line for line in journal.splitlines() if alice.name in line or bob.name in line] == []
    assert holding(service.host, f"--extended-regexp --regexp='{forms(here)}'", *PLACES) == []


@pytest.mark.parametrize("log", ["/var/log/nginx/access.log", "/var/log/nginx/error.log"])
def test_logs_that_the_package_made_stay_empty(service: Service, log: str) -> None:
    assert service.host.file(log).size == 0


def test_crash_leaves_no_dump(service: Service) -> None:
    """A crash dump of the Erlang VM would hold passwords and messages; none is written."""
    environment = service.host.check_output("tr '\\0' '\\n' < /proc/$(pgrep --oldest --euid ejabberd beam.smp)/environ")
    assert "ERL_CRASH_DUMP_BYTES=0" in environment


def aged(service: Service, pattern: str) -> int:
    """Makes what apps like this one can do look two days old; says how much there is of it."""
    script = (
        f"import sqlite3\nwith sqlite3.connect({DATABASE!r}, timeout=30) as database:\n"
        f"  statement = \"UPDATE caps_features SET created_at = datetime('now', '-2 days') WHERE node LIKE ?\"\n"
        f"  print(database.execute(statement, [{pattern!r}]).rowcount)"
    )
    return int(service.host.check_output(shlex.join(["runuser", "-u", "ejabberd", "--", "python3", "-c", script])))


@contextlib.asynccontextmanager
async def announcing(service: Service, account: Account, node: str, feature: str) -> AsyncIterator[Client]:
    """An app that says what it can do in the old way of XEP-0115, which no checksum binds, and has been asked."""
    questions = Inbox()
    async with login(service, account) as client:
        client.register_plugin("xep_0030")
        client.remove_handler("Disco Info")
        client.register_handler(Callback("asked", MatchXPath(f"{{jabber:client}}iq/{{{INFO}}}query"), questions.put))
        client.send_raw(
            f"<presence><c xmlns='http://jabber.org/protocol/caps' node={quoteattr(node)} ver='1'/></presence>"
        )
        asked = await questions.get(lambda question: question.get("type") == "get")
        client.send_raw(
            f"<iq type='result' id='{asked.get('id')}' to='{service.domain}'>"
            f"<query xmlns='{INFO}' node={quoteattr(node + '#1')}><feature var='{feature}'/></query></iq>"
        )
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")  # or the answer might still be on its way
        yield client


@pytest.mark.attack("filling the table of what apps can do (XEP-0115)")
async def test_what_apps_can_do_expires(service: Service, register: Register) -> None:
    """Anything can be said there. It goes although the account stays, and is asked for anew; what is young stays."""
    alice, bob = register(2)
    node, young = (f"https://{secrets.token_hex(8)}'%.test" for _ in range(2))
    diary = [secrets.token_hex(12) for _ in range(3)]
    async with announcing(service, alice, node, diary[0]):
        pass
    assert aged(service, node.replace("%", "_")) == 1
    async with announcing(service, bob, young, diary[1]):
        pass
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert not service.stored(diary[0])
    assert service.stored(diary[1])
    async with announcing(service, bob, node, diary[2]):
        pass
    assert service.stored(diary[2]), "the server did not ask again"


async def test_what_an_app_that_is_connected_can_do_does_not_expire(service: Service, register: Register) -> None:
    """Nor one that sleeps: it would not get the news of its contacts any more. When it is gone, it is."""
    alice, bob = register(2)
    node = f"https://{secrets.token_hex(8)}.test"
    async with login(service, bob) as friend:
        await friend.online()
        async with announcing(service, alice, node, "urn:xmpp:test+notify") as client:
            await befriend(client, friend)
            assert aged(service, node) == 1
            service.host.check_output("systemctl restart xmpp-expire.service")
            assert service.stored(node)
            await friend.query("set", publish("urn:xmpp:test", {"one": "<news xmlns='urn:xmpp:test'/>"}))
            await client.messages.get(lambda stanza: stanza.find(".//{urn:xmpp:test}news") is not None)
    service.host.check_output("systemctl restart xmpp-expire.service")
    assert not service.stored(node)
