# SPDX-License-Identifier: GPL-3.0-or-later
"""script/new-inventory: what it writes is what site.yml takes, and nothing else is written."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from .loading import load

SCRIPT: Any = load("script/new-inventory")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the inventories are."""
    assert isinstance(SCRIPT, ModuleType)
    monkeypatch.setattr(SCRIPT, "INVENTORIES", tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, command: str, *more: str) -> int:
    """Type a command."""
    monkeypatch.setattr(sys, "argv", ["script/new-inventory", *command.split(), *more])
    return int(SCRIPT.main())


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("192.0.2.7", {"ansible_host": "192.0.2.7", "ansible_user": "root"}),
        ("debian@2001:db8::7", {"ansible_host": "2001:db8::7", "ansible_user": "debian"}),
        ("pi@raspberrypi.local", {"ansible_host": "raspberrypi.local", "ansible_user": "pi"}),
        ("local", {"ansible_connection": "local"}),
    ],
)
def test_inventory_is_written(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    host: dict[str, str],
) -> None:
    assert run(monkeypatch, f"friends.org {address}", 'xmpp_name="Friends: all"', "xmpp_certificates=selfsigned") == 0
    path = folder / "friends.org/hosts.yml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))["all"]
    assert written["hosts"] == {"friends.org": host}
    assert written["vars"] == {
        "xmpp_domain": "friends.org",
        "xmpp_name": "Friends: all",
        "xmpp_certificates": "selfsigned",
    }
    assert "ansible-playbook -i inventories/friends.org site.yml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("friends.example 192.0.2.7", "xmpp_certificates: selfsigned"),
        ("friends.org 192.0.2.7 xmpp_registraton=open", "Did you mean xmpp_registration?"),
        ("friends.org 192.0.2.7 xmpp_archive_days=soon", "xmpp_archive_days"),
        ("friends.org 192.0.2.7 xmpp_rooms=[{]", "hosts.yml"),
        ("friends.org 192.0.2.999", 'address "192.0.2.999"'),
        ("friends.org -oProxyCommand=x", 'address "-oProxyCommand=x"'),
        ("friends.org -x@192.0.2.7", '"-x" is not the name of an account'),
        ("friends.org 192.0.2.7 registration=open", "registration=open"),
        ("friends.org 192.0.2.7 xmpp_domain=other.org", "xmpp_domain is given twice"),
        ("../friends.org 192.0.2.7", '"../friends.org" is not a domain name'),
        ("friends 192.0.2.7", '"friends" is not a domain name'),
    ],
)
def test_what_would_be_refused_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    assert run(monkeypatch, command) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.endswith("\nNothing was written.\n")
    assert list(folder.iterdir()) == []


def test_message_of_the_front_door_names_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "Friends.org 192.0.2.7") == 1
    assert capsys.readouterr().err.splitlines() == [
        "1 correction is needed, nothing was changed yet.",
        "",
        'xmpp_domain is "Friends.org", which contains upper-case letters.',
        "  where:   the command line",
        "  example: xmpp_domain: friends.example",
        "Nothing was written.",
    ]
    assert list(folder.iterdir()) == []


def test_inventory_that_exists_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = folder / "friends.org/hosts.yml"
    own.parent.mkdir()
    own.write_text("mine", encoding="ascii")
    assert run(monkeypatch, "friends.org 192.0.2.7") == 1
    assert "inventories/friends.org exists and stays as it is" in capsys.readouterr().err
    assert own.read_text(encoding="ascii") == "mine"
    assert list(own.parent.iterdir()) == [own]


def test_usage(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "friends.org") == 2
    assert capsys.readouterr().err.startswith("usage: script/new-inventory DOMAIN ADDRESS")
    assert run(monkeypatch, "--help") == 0
    assert list(folder.iterdir()) == []
