# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a host's first boot, where it waits and what it refuses."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import shutil
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall import first_boot, seed
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall.first_boot import Waiting

from .certificates import provide
from .loading import ROOT


def packed(*names: str) -> bytes:
    """An archive with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the release comes to be; no console, no boot partition but this one, no configuration of who tests."""
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    monkeypatch.setattr(first_boot, "HOME", tmp_path / "home")
    monkeypatch.setattr(first_boot, "SCREEN", str(tmp_path / "screen"))
    monkeypatch.setattr(first_boot, "CONSOLES", tmp_path / "active")
    monkeypatch.setattr(first_boot, "PLACES", (str(tmp_path / "boot"),))
    (tmp_path / "boot").mkdir()
    return tmp_path / "home" / first_boot.COLLECTION


def test_clock_of_a_host_without_a_battery() -> None:
    with pytest.raises(Waiting, match="waits for the time to be set"):
        first_boot.wait_for_clock(time.time() + 60)
    first_boot.wait_for_clock(time.time() - 60)


@pytest.mark.parametrize("folder", ["", "conexizan-1.0.0/"])
def test_release_beside(place: Path, tmp_path: Path, folder: str) -> None:
    """With or without a folder around it; what a power cut has left is not in the way."""
    content = packed(f"{folder}playbooks/site.yml", f"{folder}site.yml")
    (tmp_path / "boot" / first_boot.ARCHIVE).write_bytes(content)
    (place.with_name("xmpp.new") / "half").mkdir(parents=True)
    first_boot.install_release("", "", hashlib.sha256(content).hexdigest())
    assert (place / "playbooks/site.yml").is_file()
    assert [path.name for path in place.parent.iterdir()] == ["xmpp"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed("README"), "no playbooks/site.yml"),
        (b"", "not in"),
        (b"no archive", "refuses the archive"),
    ],
    ids=["foreign", "changed", "broken"],
)
def test_release_that_is_another_one(place: Path, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "boot" / first_boot.ARCHIVE).write_bytes(content or b"another")
    with pytest.raises(Waiting, match=words):
        first_boot.install_release("", "", hashlib.sha256(content).hexdigest())
    assert not place.exists()


RELEASE = packed("playbooks/site.yml", "site.yml")


class Web(http.server.BaseHTTPRequestHandler):
    """A web site with a release, and a page that leads to it without HTTPS."""

    def do_GET(self) -> None:
        """Answer with one of them."""
        if self.path == "/elsewhere.tar.gz":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port + 1}/a.tar.gz")  # type: ignore[attr-defined]
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(RELEASE)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address; its certificate is trusted, as far as OpenSSL says."""
    (tmp_path / "provided").mkdir()
    provide(tmp_path, ["localhost"])
    chain, key = tmp_path / "provided/fullchain.pem", tmp_path / "provided/privkey.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = http.server.HTTPServer(("localhost", 0), Web)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("sha256", ["", hashlib.sha256(RELEASE).hexdigest()])
def test_release_from_a_web_site(place: Path, web: str, sha256: str) -> None:
    first_boot.install_release(f"{web}/a.tar.gz", "", sha256)
    assert (place / "playbooks/site.yml").is_file()


@pytest.mark.parametrize(
    ("name", "sha256", "trusted", "words"),
    [
        ("a.tar.gz", "0" * 64, True, "its SHA-256 is"),
        ("a.tar.gz", "", False, "CERTIFICATE_VERIFY_FAILED"),
        ("elsewhere.tar.gz", "", True, "not HTTPS"),
    ],
)
def test_release_from_another_one(
    place: Path, web: str, monkeypatch: pytest.MonkeyPatch, name: str, sha256: str, trusted: bool, words: str
) -> None:
    if not trusted:
        monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Waiting, match=words):
        first_boot.install_release(f"{web}/{name}", "", sha256)
    assert not place.exists()


@pytest.mark.parametrize(("version", "found"), [("1.0.0", "one"), ("", "two")])
def test_release_from_a_repository(place: Path, tmp_path: Path, version: str, found: str) -> None:
    """The tag that the operator names, or else the newest."""
    repository = tmp_path / "conexizan.git"
    (repository / "playbooks").mkdir(parents=True)

    def git(*words: str) -> None:
        who = ("-c", "user.name=maria", "-c", "user.email=maria@friends.test", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=repository, check=True)

    git("init", "--quiet")
    for text in ("one", "two"):
        (repository / "playbooks/site.yml").write_text(text, encoding="ascii")
        git("add", ".")
        git("commit", "--quiet", "--message", text)
        if text == "one":
            git("tag", "1.0.0")
    first_boot.install_release(f"file://{repository}", version, "")
    assert (place / "playbooks/site.yml").read_text(encoding="ascii") == found
    shutil.rmtree(place)
    with pytest.raises(Waiting, match="cannot clone"):
        first_boot.install_release(f"file://{repository}", "2.0.0", "")


def test_archive_leads_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(Waiting, match="refuses the archive"):
        first_boot.unpack(packed("../evil"), tmp_path / "new")
    assert not (tmp_path / "evil").exists()


def test_password_is_for_the_screen_alone(place: Path) -> None:
    """A serial line may be recorded."""
    file = first_boot.HOME / "inventory/secrets/friends.test/account-admin.txt"
    file.parent.mkdir(parents=True)
    file.write_text("correct-horse\n", encoding="ascii")
    facts = {
        "domain": "friends.test",
        "web": "https://friends.test",
        "secrets": "secrets",
    }
    assert "correct-horse" in first_boot.result(facts, secret=True)
    assert "correct-horse" not in first_boot.result(facts, secret=False)
    assert str(file) in first_boot.result(facts, secret=False)


def test_serial_lines(place: Path) -> None:
    assert first_boot.serial_lines() == []
    first_boot.CONSOLES.write_text("tty0 ttyS0 ttyAMA0 tty1\n", encoding="ascii")
    assert first_boot.serial_lines() == ["/dev/ttyS0", "/dev/ttyAMA0"]


SAID = """
TASK [certificates : Order] ****
fatal: [one]: FAILED!
friends.test has no A record.

PLAY RECAP ***
one : ok=4
"""


def test_screen_shows_what_is_wrong() -> None:
    assert first_boot.wrong_of(SAID) == "friends.test has no A record."
    assert first_boot.wrong_of("ansible-playbook: not found") == "ansible-playbook: not found"


def test_run_that_fails(place: Path, tmp_path: Path) -> None:
    """Its reason is on the screen, with the place to correct it, and how to go on at once."""
    home = first_boot.HOME
    (home / "inventory").mkdir(parents=True)
    place.parent.mkdir(parents=True)
    place.symlink_to(ROOT)
    (home / "ansible.cfg").write_text(seed.CONFIGURATION.replace("/root/conexizan", str(home)), encoding="ascii")
    host = {"ansible_connection": "local", "xmpp_domain": "Friends.test"}
    (home / "inventory/hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": host}}}), encoding="ascii")
    with pytest.raises(Waiting) as waiting:
        first_boot.deploy("one", 600)
    assert waiting.value.seconds == 600
    said = str(waiting.value)
    assert 'xmpp_domain is "Friends.test", which contains upper-case letters.' in said
    assert "hosts.yml" in said
    assert "tries again in 10 minutes, and at once after: systemctl restart conexizan-selfinstall\n" in said
