# SPDX-License-Identifier: GPL-3.0-or-later
"""Files (XEP-0363): what a user sends arrives unchanged; what nobody allowed is not stored, not shown, not run."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from ..kit.clients import login
from ..kit.service import Register, Service, wait_for
from ..kit.uploads import ask_slot, files_of, send_raw, slot_for, stored_files


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
    """A client shows the size before it loads, and goes on where it was interrupted."""
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
