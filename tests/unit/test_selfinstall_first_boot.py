# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a host's first boot, where it waits and what it refuses."""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall import first_boot
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall.first_boot import Waiting


def packed(*names: str) -> bytes:
    """An archive with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the release comes to be; no console, no boot partition but this one."""
    monkeypatch.setattr(first_boot, "HOME", tmp_path / "home")
    monkeypatch.setattr(first_boot, "SCREEN", str(tmp_path / "screen"))
    monkeypatch.setattr(first_boot, "CONSOLES", tmp_path / "active")
    monkeypatch.setattr(first_boot, "PLACES", (str(tmp_path / "boot"),))
    monkeypatch.setattr(first_boot, "LABELS", ())
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
        (b"", "neither in"),
        (b"no archive", "refuses the archive"),
    ],
    ids=["foreign", "changed", "broken"],
)
def test_release_that_is_another_one(place: Path, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "boot" / first_boot.ARCHIVE).write_bytes(content or b"another")
    with pytest.raises(Waiting, match=words):
        first_boot.install_release("", "", hashlib.sha256(content).hexdigest())
    assert not place.exists()


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
        "admins": ["admin"],
        "secrets": "secrets/friends.test",
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
