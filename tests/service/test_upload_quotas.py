# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is uploaded: the size of a file, of all files of an account and of all accounts, and the rate of slots."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import math
import shlex
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, login
from ..kit.service import UPLOADS, Register, Service, wait_for
from ..kit.stream import connected
from ..kit.uploads import UPLOAD, ask_slot, files_of, slot_for, stored_files

SLOTS = 4000  # that one account asks for at once


async def announced_limit(client: Client) -> int:
    """The largest file, as the service announces it."""
    answer = await client.query(
        "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=client.service.name("upload")
    )
    field = answer.find(".//{jabber:x:data}field[@var='max-file-size']/{jabber:x:data}value")
    assert field is not None
    return int(field.text or "")


async def test_slot_over_the_limit_is_refused(service: Service, register: Register) -> None:
    (alice,) = register(1)
    async with login(service, alice) as client:
        limit = await announced_limit(client)
        assert limit >= 100 * 1024 * 1024
        assert (await ask_slot(client, "largest.bin", limit)).put
        with pytest.raises(IqError) as refusal:
            await ask_slot(client, "too-large.bin", limit + 1)
        assert refusal.value.iq.xml.find(f".//{UPLOAD}file-too-large") is not None


async def test_put_over_the_limit_is_refused(service: Service, register: Register) -> None:
    """Before a byte of it was taken: the server answers to the announcement."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    name = service.name("upload")
    target = slot.put.removeprefix(f"https://{name}")
    with service.connect_tls(name) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {name}\r\nContent-Length: {2**40}\r\n\r\n"
        connection.sendall(head.encode())
        status = int(connection.recv(4096).split()[1])
    assert status in (403, 413)
    assert files_of(service, alice) == []


# Files as nginx would have made them, each in a folder of its own, of different ages.
LAY_OUT = """
import os, shutil, sys
folder, number, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.umask(0o007)
for i in range(number):
    path = f"{folder}/{i:040}"
    os.makedirs(path)
    with open(f"{path}/x", "w") as file:
        file.truncate(size)
    os.utime(f"{path}/x", (10**9 + i, 10**9 + i))
    shutil.chown(path, "www-data", "xmpp-upload")
shutil.chown(folder, "www-data", "xmpp-upload")
"""
MIB = 1 << 20
QUOTA = 100  # MiB of an account
FILES = 10  # for each of these


@contextlib.contextmanager
def changed_setting(service: Service, name: str, value: int, how: str) -> Iterator[None]:
    """ejabberd with another value of a module's option."""
    config = "/etc/ejabberd/xmpp.yml"
    service.host.check_output(f"cp -a {config} /root/xmpp.yml && sed -i 's/ {name}: .*/ {name}: {value}/' {config}")
    try:
        service.host.check_output(f"systemctl {how} ejabberd")
        yield
    finally:
        service.host.check_output(f"mv /root/xmpp.yml {config} && systemctl reload ejabberd")


@pytest.mark.attack("collecting upload slots, many files, a full disk")
@pytest.mark.parametrize(
    ("number", "size", "left"),
    [
        (1_100, 1, QUOTA * FILES),
        (2, QUOTA * MIB, 1),
        (13, 9 * MIB, 11),
        (1_010, 100_000, QUOTA * FILES),
        (900, 100_000, 900),
    ],
)
async def test_quota_removes_the_oldest_files_of_that_user_only(
    service: Service, register: Register, number: int, size: int, left: int
) -> None:
    """However small they are: a file takes its place on the disk. ejabberd counts all of them when it starts."""
    alice, bob = register(2)
    slot = await slot_for(service, bob, "old.bin", 4)
    assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201
    folder = f"{UPLOADS}/data/{hashlib.sha1(alice.jid.encode()).hexdigest()}"
    service.host.check_output(f"python3 -c {shlex.quote(LAY_OUT)} {folder} {number} {size}")
    with changed_setting(service, "quota_mib", QUOTA, "restart"):
        wait_for(lambda: len(files_of(service, alice)) <= left)
        await slot_for(service, alice, "new.bin", 4)
        found = files_of(service, alice)
    assert len(found) == left, "no more go than need to"
    assert f"{folder}/{number - 1:040}/x" in found, "the oldest go"
    assert (await service.fetch("GET", slot.get)).status == 200


@pytest.mark.attack("collecting upload slots, many files, a full disk")
async def test_slots_in_store_are_no_way_around_the_quota(service: Service, register: Register) -> None:
    """A slot takes its room when it is handed out, whether it is used or not, and only of whom it was handed to."""
    alice, bob = register(2)
    async with login(service, alice) as client:
        limit = await announced_limit(client)
        slots = [await ask_slot(client, "new.bin", limit) for _ in range(11)]
        with pytest.raises(IqError) as refusal:
            await ask_slot(client, "new.bin", limit)
        assert (refusal.value.iq["error"]["condition"], refusal.value.iq["error"]["type"]) == (
            "resource-constraint",
            "wait",
        )
        assert "more uploads" in refusal.value.iq["error"]["text"]
    assert len({slot.put for slot in slots}) == 11
    slot = await slot_for(service, bob, "new.bin", limit)
    assert slot.put


@pytest.mark.attack("collecting upload slots, many files, a full disk")
async def test_slot_ends(service: Service, register: Register) -> None:
    """After an hour; nobody can make it last longer."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    address, token = slot.put.split("?v=")
    until = int(token[:8], 16)
    now = int(service.host.check_output("date +%s"))
    assert 3500 < until - now <= 3600
    secret = service.host.check_output("cut -d'\"' -f2 -s /etc/nginx/xmpp.upload-secret.conf")
    account, random, name = urlsplit(address).path.split("/")[2:]

    def signed(until: int) -> str:
        data = f"{account}/{random}/{name} 4 {until:08x}"
        return f"{address}?v={until:08x}{hmac.new(secret.encode(), data.encode(), 'sha256').hexdigest()}"

    assert signed(until) == slot.put
    assert (await service.fetch("PUT", signed(now - 1), data=b"data")).status == 403
    later = f"{address}?v={until + 3600:08x}{token[8:]}"
    assert (await service.fetch("PUT", later, data=b"data")).status == 403
    assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201


@pytest.mark.attack("collecting upload slots, many files, a full disk")
async def test_all_accounts_together_have_a_limit(service: Service, register: Register) -> None:
    """What is full says so: at the slot, and at the door to whoever has one already."""
    alice, bob = register(2)
    flag = "/run/ejabberd/uploads-full"
    async with login(service, alice) as client:
        slot = await ask_slot(client, "large.bin", 2 * MIB)
        assert (await service.fetch("PUT", slot.put, data=bytes(2 * MIB))).status == 201
        waiting = await ask_slot(client, "new.bin", 4)
    with changed_setting(service, "total_mib", 1, "reload"):
        wait_for(lambda: service.host.run(f"test -e {flag}").rc == 0)
        assert (await service.fetch("PUT", waiting.put, data=b"data")).status == 507
        async with login(service, bob) as client:
            with pytest.raises(IqError) as refusal:
                await ask_slot(client, "new.bin", 4)
            assert refusal.value.iq["error"]["condition"] == "resource-constraint"
        assert (await service.fetch("GET", slot.get)).status == 200
    wait_for(lambda: service.host.run(f"test -e {flag}").rc != 0)
    assert (await service.fetch("PUT", waiting.put, data=b"data")).status == 201


@pytest.mark.attack("collecting upload slots, many files, a full disk")
async def test_one_slot_takes_few_files_at_once(service: Service, register: Register) -> None:
    """What comes lies on the disk until it has come as a whole."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 300_000)
    name = service.name("upload")
    target = slot.put.removeprefix(f"https://{name}")
    head = f"PUT {target} HTTP/1.1\r\nHost: {name}\r\nContent-Length: 300000\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(service.connect_tls(name)) for _ in range(3)]
        before = stored_files(service)
        for connection in open_ones:
            connection.sendall(head + bytes(200_000))
        wait_for(lambda: len(stored_files(service) - before) >= 3)
        assert (await service.fetch("PUT", slot.put, data=bytes(300_000))).status == 409
        open_ones[0].sendall(bytes(100_000))
        assert b" 201 " in open_ones[0].recv(4096)


@pytest.mark.attack("requesting upload slots so fast that others wait")
def test_slots_are_asked_for_at_a_rate(service: Service, register: Register) -> None:
    """One process hands them out for all."""
    (mallory,) = register(1)
    with connected(service) as stream:
        stream.starttls()
        stream.scram("SCRAM-SHA-512-PLUS", mallory)
        stream.bind()
        slot = "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/>"
        to = service.name("upload")
        kinds = []
        began = time.monotonic()
        for first in range(0, SLOTS + 50, 50):
            stream.send("".join(f"<iq type='get' id='s{n}' to='{to}'>{slot}</iq>" for n in range(first, first + 50)))
            kinds += [stream.read().get("type") for _ in range(50)]
    more = math.ceil(time.monotonic() - began)
    assert 50 - more <= kinds.count("error") <= 50
    assert more < 50, "or it shows nothing"
