# SPDX-License-Identifier: GPL-3.0-or-later
"""The server forgets: what is past its time is gone from the disk, and who came and went is not written down."""

from __future__ import annotations

import ipaddress
import re
import secrets
import shlex
from collections.abc import Callable

import pytest

from .clients import Refused, login
from .service import DATABASE, UPLOADS, Account, Service
from .test_upload import ask_slot, files_of

Register = Callable[[int], list[Account]]

ARCHIVE_DAYS = 30
SERVICES = ("ejabberd", "nginx", "coturn", "epmd", "xmpp-forget", "xmpp-checkpoint", "xmpp-certificates")
# Where services keep or log anything. The operator's own ssh logins are not theirs.
PLACES = ("/var/log/nginx", "/var/log/ejabberd", "/run/ejabberd", "/var/lib/ejabberd", "/var/lib/nginx", "/srv/xmpp")


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
    service.host.check_output("systemctl start xmpp-forget.service")
    assert not service.stored(old), "in the database or its write-ahead log"
    assert service.stored(young)


async def test_old_uploads_leave_the_disk_whatever_date_they_claim(service: Service, register: Register) -> None:
    """The shipped rule, with one second in the place of the days."""
    (alice,) = register(1)
    async with login(service, alice) as client:
        slot = await ask_slot(client, "note.txt", 5)
    answer = await service.fetch("PUT", slot.put, data=b"hello", headers={"Date": "Mon, 18 Jan 2038 00:00:00 GMT"})
    assert answer.status == 201
    assert len(files_of(service, alice)) == 1
    rule = service.host.check_output("grep /upload/data /etc/tmpfiles.d/xmpp-upload.conf")
    service.host.check_output("printf '%s\\n' > /run/conexizan-test.conf " + shlex.quote(re.sub(r"\d+d$", "0", rule)))
    service.host.check_output("systemd-tmpfiles --clean /run/conexizan-test.conf && rm /run/conexizan-test.conf")
    assert files_of(service, alice) == []
    assert service.host.file(f"{UPLOADS}/data").mode == 0o2770


def forms(address: str) -> str:
    """An expression for every way an address is written: as text, and as Erlang's tuples."""
    ip = ipaddress.ip_address(address)
    texts = [re.escape(str(ip))]
    if isinstance(ip, ipaddress.IPv4Address):
        high, low = divmod(int(ip), 65536)
        texts += [",".join(str(ip).split(".")), f"65535,{high},{low}", re.escape(f"::ffff:{high:x}:{low:x}")]
    return "|".join(texts)


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
    found = service.host.run(
        f"grep --recursive --text --extended-regexp --files-with-matches '{forms(here)}' {' '.join(PLACES)}"
    )
    assert found.stdout == ""


@pytest.mark.parametrize("log", ["/var/log/nginx/access.log", "/var/log/nginx/error.log"])
def test_logs_that_the_package_made_stay_empty(service: Service, log: str) -> None:
    assert service.host.file(log).size == 0


def test_crash_leaves_no_dump(service: Service) -> None:
    """A crash dump of the Erlang VM would hold passwords and messages; none is written."""
    environment = service.host.check_output("tr '\\0' '\\n' < /proc/$(pgrep -u ejabberd beam.smp)/environ")
    assert "ERL_CRASH_DUMP_BYTES=0" in environment
