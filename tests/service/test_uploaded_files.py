# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of an uploaded file: how it is shown, linked and deleted."""

from __future__ import annotations

import hashlib
import secrets
from urllib.parse import unquote, urlsplit

import pytest

from ..kit.service import UPLOADS, Register, Service
from ..kit.uploads import files_of, send_raw, slot_for


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
