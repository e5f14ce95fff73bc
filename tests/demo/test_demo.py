# SPDX-License-Identifier: GPL-3.0-or-later
"""script/demo, as somebody runs it who has just cloned this: what it prints is true, and --destroy leaves nothing."""

from __future__ import annotations

import json
import re
import shlex
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import testinfra

from ..kit.clients import login
from ..kit.playbook import CHECKOUT
from ..kit.service import Account, Service

pytestmark = pytest.mark.timeout(1800)

CACHE, SECRETS = CHECKOUT / ".cache", CHECKOUT / "inventories/demo/secrets"


def run(*command: str) -> str:
    """What a command prints; fails with all of it if the command does."""
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def hosts() -> dict[str, str]:
    """The clone that has made it, by name of the host."""
    listed = [json.loads(line) for line in run("script/testbed", "list").splitlines()]
    return {host["name"]: host["checkout"] for host in listed}


def told(text: str, words: str) -> re.Match[str]:
    """What the demo says, with groups for what differs."""
    found = re.search(words, text)
    assert found, f"the demo does not say {words}:\n{text}"
    return found


@pytest.fixture(scope="module")
def card() -> Iterator[str]:
    """What the first run prints."""
    clone = hosts().get("demo")
    assert clone is None, f"there is a demo already, and this test would remove it: {clone}/script/demo --destroy"
    try:
        yield run("script/demo")
    finally:
        subprocess.run(["script/demo", "--destroy"], cwd=CHECKOUT, check=True)


@pytest.fixture(scope="module")
def service(card: str) -> Service:
    """The service, by the address and the authority that the demo names."""
    address = told(card, r"Chat server +host ([\d.]+), port 5222 \(STARTTLS\) or 5223 \(TLS\)")[1]
    with open(told(card, r"CA to trust +(/\S+)")[1], encoding="utf-8") as file:
        ca = file.read()
    command = shlex.split(told(card, r"Look inside +(ssh .+)")[1])
    assert command[:2] == ["ssh", "-F"]
    host = testinfra.get_host(f"ssh://{command[-1]}", ssh_config=str(CHECKOUT / command[2]))
    return Service(host, address, None, ca, domain="chat.localhost")


async def test_what_it_prints_is_true(card: str, service: Service) -> None:
    told(card, r"bob@chat\.localhost received “Hello from alice! \(\w+\)” after \d+ ms over TLSv1\.3")
    people = {}
    for name in ("alice", "bob"):
        password = told(card, rf"{name}@{service.domain} +password +(\S+)")[1]
        people[name] = Account(name, password, service.domain)
    async with login(service, people["alice"]) as alice, login(service, people["bob"], direct_tls=True) as bob:
        await bob.online()
        alice.say(bob.boundjid.bare, "by both ports")
        await bob.hear("by both ports")
        assert "muc_persistent" in await alice.announced(told(card, r"Join the room (\S+?)\.\n")[1])
    start = told(card, r"Web page +(https://\S+)")[1]
    entrance = await service.fetch("GET", start)
    page = await service.fetch("GET", urljoin(start, entrance.headers.get("location", "")))
    assert (page.status, b"Conexizan demo" in page.body) == (200, True)
    assert service.host.check_output("hostname") == "demo"


def test_second_run_changes_nothing(card: str) -> None:
    again = run("script/demo")
    assert set(re.findall(r"changed=(\d+)", again)) == {"0"}, again
    assert told(again, "alice@.*")[0] == told(card, "alice@.*")[0]


def size(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG in pixels."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_pictures_show_the_site_and_the_report(card: str, tmp_path: Path) -> None:
    """The script prints the title and the text that it takes pictures of. DNS cannot be right here, all else is."""
    said = run("script/pictures", str(tmp_path))
    assert told(said, r"site\.png: (.*)")[1].startswith("Conexizan demo")
    assert size(tmp_path / "site.png") == (1200, 800)
    rows = re.findall(r"^(pass|WARN|FAIL)  (.*)", said, re.MULTILINE)
    assert len(rows) > 15
    width, height = size(tmp_path / "check.png")
    assert width == 1200
    assert height > 20 * len(rows), "the picture has less than the report"
    assert min(picture.stat().st_size for picture in tmp_path.iterdir()) > 20_000, "a picture is empty"


def test_nothing_of_it_is_left(service: Service) -> None:
    run("script/demo", "--destroy")
    shared = (CACHE / "testbed").exists()  # script/testbed makes the folder whatever it is asked
    assert not SECRETS.exists()
    assert not (CACHE / "demo").exists()
    with socket.socket() as client:
        assert client.connect_ex((service.address, 5222)) != 0
    others = hosts()
    assert "demo" not in others
    assert others or not shared, "the image and the packages of no use to anybody are still there"
