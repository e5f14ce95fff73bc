# SPDX-License-Identifier: GPL-3.0-or-later
"""Files (XEP-0363): what a user sends arrives unchanged; what nobody allowed is not stored, not shown, not run."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import math
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import unquote, urlsplit

import pytest
from slixmpp.exceptions import IqError

from ..kit.clients import Client, login
from ..kit.service import UPLOADS, Account, Service, wait_for
from ..kit.stream import connected
from ..kit.uploads import UPLOAD, Slot, ask_slot, files_of

Register = Callable[[int], list[Account]]

SLOTS = 4000  # that one account asks for at once


async def slot_for(service: Service, account: Account, name: str, size: int) -> Slot:
    async with login(service, account) as client:
        return await ask_slot(client, name, size)


def stored_files(service: Service) -> set[str]:
    """All files below /srv/xmpp, finished or not."""
    return set(service.host.check_output("find /srv/xmpp -type f").splitlines())


def send_raw(service: Service, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
    """A request whose target goes over the wire letter by letter; returns status and body of the answer."""
    name = service.name("upload")
    connection = http.client.HTTPSConnection(name)
    connection.sock = service.connect_tls(name)
    connection.putrequest(method, target)
    if method == "PUT":
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@pytest.mark.parametrize("name", ["photo.jpg", "ein schönes Bild.png", "no-extension", "данные.bin"])
async def test_file_comes_back_identical(service: Service, register: Register, name: str) -> None:
    (alice,) = register(1)
    data = secrets.token_bytes(300_000)
    slot = await slot_for(service, alice, name, len(data))
    assert (await service.fetch("PUT", slot.put, data=data)).status == 201
    answer = await service.fetch("GET", slot.get)
    assert answer.status == 200
    assert answer.body == data


async def test_head_and_range(service: Service, register: Register) -> None:
    """A client shows the size before it loads, and goes on where it was cut off."""
    (alice,) = register(1)
    data = secrets.token_bytes(100_000)
    slot = await slot_for(service, alice, "movie.mp4", len(data))
    assert (await service.fetch("PUT", slot.put, data=data)).status == 201
    head = await service.fetch("HEAD", slot.get)
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(data)), b"")
    part = await service.fetch("GET", slot.get, headers={"Range": "bytes=60000-69999"})
    assert part.status == 206
    assert part.headers["content-range"] == "bytes 60000-69999/100000"
    assert part.body == data[60000:70000]


async def test_empty_file_is_not_mistaken(service: Service, register: Register) -> None:
    """Before anything was put there is nothing to get."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "later.txt", 5)
    assert (await service.fetch("GET", slot.get)).status == 404


@pytest.mark.attack("uploads: another path, a second file, another size, another's slot")
@pytest.mark.parametrize("difference", [-1, 1, 100_000])
async def test_wrong_size_is_refused(service: Service, register: Register, difference: int) -> None:
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 1000)
    answer = await service.fetch("PUT", slot.put, data=b"x" * (1000 + difference))
    assert answer.status in (403, 413)
    assert files_of(service, alice) == []


@pytest.mark.attack("uploads: another path, a second file, another size, another's slot")
async def test_wrong_token_is_refused(service: Service, register: Register) -> None:
    """Guessed, missing, doubled, or the right one of another slot: of the same user, or of another."""
    alice, mallory = register(2)
    async with login(service, alice) as client:
        slot, sibling = [await ask_slot(client, "file.bin", 4) for _ in range(2)]
    foreign = await slot_for(service, mallory, "file.bin", 4)
    address, token = slot.put.split("?v=")
    wrong = [
        address,
        f"{address}?v=",
        f"{address}?v={'0' * 64}",
        f"{address}?v={token[:-1]}",
        f"{address}?v={token[:-1]}{'0' if token[-1] != '0' else '1'}",
        f"{address}?v={token}0",
        f"{address}?v={sibling.put.split('?v=')[1]}",
        f"{address}?v={foreign.put.split('?v=')[1]}",
        f"{address}?v={'0' * 64}&v={token}",
    ]
    for url in wrong:
        assert (await service.fetch("PUT", url, data=b"data")).status == 403, url
    assert files_of(service, alice) == []
    assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201


@pytest.mark.attack("uploads: another path, a second file, another size, another's slot")
async def test_file_is_never_overwritten(service: Service, register: Register) -> None:
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    assert (await service.fetch("PUT", slot.put, data=b"mine")).status == 201
    assert (await service.fetch("PUT", slot.put, data=b"evil")).status == 409
    assert (await service.fetch("GET", slot.get)).body == b"mine"


async def test_upload_without_a_length_is_refused(service: Service, register: Register) -> None:
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"data"

    assert (await service.fetch("PUT", slot.put, data=chunks())).status == 411
    assert files_of(service, alice) == []


@pytest.mark.attack("uploads: another path, a second file, another size, another's slot")
async def test_put_cannot_leave_the_slot(service: Service, register: Register) -> None:
    """A valid token, its path bent in every way: nothing appears anywhere."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    parts = urlsplit(slot.put)
    folder, name = parts.path.rsplit("/", 1)
    before = stored_files(service)
    bent = [
        f"{folder}/../{name}",
        f"{folder}/../../../../{name}",
        f"{folder}/%2e%2e/{name}",
        f"{folder}/..%2f..%2f..%2f{name}",
        f"{folder}/%2e%2e%2f%2e%2e%2f{name}",
        f"{folder}/%252e%252e%252f{name}",
        f"{folder}/..%5c..%5c{name}",
        f"{folder}%2f{name}x",
        f"{folder}/{name}/",
        f"{folder}/{name}/deeper",
        f"{folder}/{name}%00.txt",
        f"{folder}/other-{name}",
        f"//etc/{name}",
        f"/upload//srv/xmpp/website/{name}",
        f"/upload/{name}",
        f"/upload../tmp/{name}",
        f"/{name}",
    ]
    for path in bent:
        status, _ = send_raw(service, "PUT", f"{path}?{parts.query}", b"evil")
        assert status in (400, 403, 404, 405), path
    assert stored_files(service) == before


@pytest.mark.attack("uploads: another path, a second file, another size, another's slot")
@pytest.mark.parametrize(
    "target",
    [
        "/upload/../../../../etc/passwd",
        "/upload/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/upload/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/upload/%252e%252e/%252e%252e/etc/passwd",
        "/upload//etc/passwd",
        "/upload/..;/..;/etc/passwd",
        "/upload../../../../etc/passwd",
        "/upload../tmp/",
        "/upload%2f..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/etc/passwd",
        "/%2fetc%2fpasswd",
    ],
)
def test_get_cannot_leave_the_folder(service: Service, target: str) -> None:
    status, content = send_raw(service, "GET", target)
    assert status in (400, 403, 404)
    assert b"root:" not in content


async def test_request_for_a_whole_address_is_no_way_around(service: Service, register: Register) -> None:
    """The absolute form, as proxies are asked, with a foreign name."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    path = urlsplit(slot.put).path
    status, _ = send_raw(service, "PUT", f"https://example.org{path}?v={'0' * 64}", b"evil")
    assert status in (400, 403, 404, 405, 421)
    assert files_of(service, alice) == []


async def test_folders_are_not_listed(service: Service, register: Register) -> None:
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201
    path = urlsplit(slot.get).path
    while path:
        path = path.rsplit("/", 1)[0]
        status, content = send_raw(service, "GET", f"{path}/")
        assert status in (403, 404), path
        assert b"file.bin" not in content


@pytest.mark.parametrize(
    "method", ["DELETE", "MKCOL", "PROPFIND", "PROPPATCH", "MOVE", "COPY", "LOCK", "POST", "PATCH", "TRACE"]
)
async def test_other_methods_are_refused(service: Service, register: Register, method: str) -> None:
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    assert (await service.fetch("PUT", slot.put, data=b"mine")).status == 201
    headers = {"Destination": f"{slot.get}x", "Depth": "infinity"}
    answer = await service.fetch(method, slot.put, headers=headers)
    assert answer.status in (400, 403, 405, 409, 411, 501)
    assert (await service.fetch("GET", slot.get)).body == b"mine"
    assert len(files_of(service, alice)) == 1


async def test_cut_connection_leaves_nothing_visible(service: Service, register: Register) -> None:
    """Half a file is nowhere to be seen, neither during nor after; the slot is still good for the whole."""
    (alice,) = register(1)
    data = secrets.token_bytes(2_000_000)
    slot = await slot_for(service, alice, "file.bin", len(data))
    name = service.name("upload")
    target = slot.put.removeprefix(f"https://{name}")
    before = stored_files(service)
    with service.connect_tls(name) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {name}\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data[: len(data) // 2])
        assert (await service.fetch("GET", slot.get)).status == 404
        assert files_of(service, alice) == []
    wait_for(lambda: stored_files(service) == before)
    assert (await service.fetch("GET", slot.get)).status == 404
    assert (await service.fetch("PUT", slot.put, data=data)).status == 201
    assert (await service.fetch("GET", slot.get)).body == data


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


@pytest.mark.attack("uploads that a browser would run")
@pytest.mark.parametrize("name", ["page.html", "page.xhtml", "picture.svg", "feed.xml", "script.js", "doc.pdf", "x"])
async def test_what_a_browser_could_run_is_downloaded_only(service: Service, register: Register, name: str) -> None:
    (alice,) = register(1)
    data = b"<script>alert(document.domain)</script>"
    slot = await slot_for(service, alice, name, len(data))
    assert (await service.fetch("PUT", slot.put, data=data, headers={"Content-Type": "text/html"})).status == 201
    answer = await service.fetch("GET", slot.get)
    assert answer.body == data
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = [rule.strip() for rule in answer.headers["content-security-policy"].split(";")]
    assert {"default-src 'none'", "sandbox"} <= set(policy)


@pytest.mark.parametrize(("name", "kind"), [("photo.jpg", "image/jpeg"), ("film.mp4", "video/mp4")])
async def test_picture_is_shown(service: Service, register: Register, name: str, kind: str) -> None:
    (alice,) = register(1)
    slot = await slot_for(service, alice, name, 4)
    assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201
    answer = await service.fetch("GET", slot.get)
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_web_clients_may_upload(service: Service, register: Register) -> None:
    """A browser asks before it sends a file to another name (CORS)."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, "file.bin", 4)
    question = {
        "Origin": "https://web.example.org",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = await service.fetch("OPTIONS", slot.put, headers=question)
    assert answer.status in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert "content-type" in answer.headers["access-control-allow-headers"].lower()
    assert (await service.fetch("PUT", slot.put, data=b"data")).headers["access-control-allow-origin"] == "*"
    assert (await service.fetch("GET", slot.get)).headers["access-control-allow-origin"] == "*"


async def test_files_go_with_their_account(service: Service, register: Register) -> None:
    alice, bob = register(2)
    slots = []
    for account in (alice, bob):
        slot = await slot_for(service, account, "file.bin", 4)
        assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201
        slots.append(slot)
    service.unregister([alice])
    assert files_of(service, alice) == []
    assert [(await service.fetch("GET", slot.get)).status for slot in slots] == [404, 200]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("très cool.txt", "tr%C3%A8s_cool.txt"),
        ("данные.bin", "%D0%B4%D0%B0%D0%BD%D0%BD%D1%8B%D0%B5.bin"),
        ("plain-1.txt", "plain-1.txt"),
        ("100%.txt", "100_.txt"),
        ("猫.jpg", "%E7%8C%AB.jpg"),
    ],
)
async def test_addresses_are_encoded(service: Service, register: Register, name: str, path: str) -> None:
    """As XEP-0363 4 asks; strict apps take nothing else. As they are, letters are understood as well."""
    (alice,) = register(1)
    slot = await slot_for(service, alice, name, 4)
    assert slot.put.split("?v=")[0] == slot.get
    assert slot.get.rsplit("/", 1)[1] == path
    raw, token = urlsplit(slot.get).path.rsplit("/", 1)[0], urlsplit(slot.put).query
    host = service.name("upload")
    for target, length, status in ((f"{unquote(path)}?{token}", 4, b"201"), (unquote(path), 0, b"200")):
        head = (
            f"{'PUT' if length else 'GET'} {raw}/{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"
        )
        with service.connect_tls(host) as connection:
            connection.sendall(head.encode() + b"data"[:length])
            assert connection.recv(4096).split()[1] == status
    assert (await service.fetch("GET", slot.get)).body == b"data"


@pytest.mark.attack("finding the owner of a file by its link")
async def test_links_do_not_say_whose_a_file_is(service: Service, register: Register) -> None:
    """Not to whoever guesses the address, nor that two links are of one account, nor by trying a link."""
    alice, bob = register(2)
    slots = []
    for account in (alice, alice, bob):
        slot = await slot_for(service, account, "file.bin", 4)
        assert (await service.fetch("PUT", slot.put, data=b"data")).status == 201
        slots.append(slot)
    paths = [urlsplit(slot.get).path.split("/") for slot in slots]
    assert len({part for path in paths for part in path[2:4]}) == 6
    for account in (alice, bob):
        guess = hashlib.sha1(account.jid.encode()).hexdigest()
        for path in paths:
            assert guess not in path
            for second in [path[3], path[2], *(other[3] for other in paths)]:
                assert send_raw(service, "GET", f"/upload/{guess}/{second}/file.bin")[0] == 404
    mixed = f"/upload/{paths[0][2]}/{paths[1][3]}/file.bin"
    assert send_raw(service, "GET", mixed)[0] == 404
    assert len(files_of(service, alice)) == 2
    assert len(files_of(service, bob)) == 1


async def test_links_from_before_lead_to_their_files(service: Service, register: Register) -> None:
    (alice,) = register(1)
    path = f"{hashlib.sha1(alice.jid.encode()).hexdigest()}/{secrets.token_hex(20)}"
    folder = f"{UPLOADS}/data/{path}"
    service.host.check_output(f"install -d -m 2770 -o www-data -g xmpp-upload {folder} && echo old > {folder}/old.txt")
    assert send_raw(service, "GET", f"/upload/{path}/old.txt") == (200, b"old\n")


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
    [(1_100, 1, 1_000), (2, 100 * MIB, 1), (13, 9 * MIB, 11), (1_010, 100_000, 1_000), (900, 100_000, 900)],
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
    with changed_setting(service, "quota_mib", 100, "restart"):
        wait_for(lambda: len(files_of(service, alice)) <= left, seconds=30)
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
