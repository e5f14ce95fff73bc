# SPDX-License-Identifier: GPL-3.0-or-later
"""What `xmpp-certificates --due` answers, by which a run of Ansible with nothing to do spares the program itself."""

from __future__ import annotations

import datetime
import fcntl
import sys
from pathlib import Path

import certificates.x509
import pytest
from certificates import acme, cli, files, lego

from .certificates import CHAT, Paths, hook, provide, settings, told

ORDERED = {"directory": "https://acme.test/dir", "authenticator": "webroot", "keep_key": False}


def contents(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return content, mode and time of all files below a folder."""
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {str(path): (path.read_bytes(), one.st_mode, one.st_mtime_ns) for path, one in found.items()}


def due(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Ask the program."""
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--due"])
    return cli.main() != 0


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("none", False),
        ("first run", True),
        ("new name", True),
        ("other source", True),
        ("near its end", True),
        ("key is gone", True),
        ("mode of a key", True),
        ("mode of a folder", True),
        ("certificate was replaced", True),
        ("not deployed", True),
        ("another run is at it", True),
    ],
)
def test_due_is_what_a_run_would_change(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, reason: str, expected: bool
) -> None:
    home, hooks = certificate_folders
    if reason == "not deployed":
        hook(hooks, "exit 1")
    if reason != "first run":
        cli.main()
    key = home / "chat.test/privkey.pem"
    if reason == "new name":
        settings(home, "selfsigned", chat=[*CHAT, "muc.chat.test"])
    elif reason == "other source":
        provide(home, CHAT)
    elif reason == "near its end":
        later = certificates.x509.now() + datetime.timedelta(days=61)
        monkeypatch.setattr(certificates.x509, "now", lambda: later)
    elif reason == "key is gone":
        key.unlink()
    elif reason == "mode of a key":
        key.chmod(0o600)
    elif reason == "mode of a folder":
        key.parent.chmod(0o700)
    elif reason == "certificate was replaced":
        provide(home, CHAT)
        (home / "provided/fullchain.pem").rename(home / "chat.test/fullchain.pem")
        settings(home, "selfsigned")
    before, ran = contents(home), told(hooks)
    with (home / "settings.json").open(encoding="utf-8") as stream:
        if reason == "another run is at it":
            fcntl.flock(stream, fcntl.LOCK_EX)
        assert due(monkeypatch) is expected
    assert (contents(home), told(hooks)) == (before, ran), "it only looks"


@pytest.mark.parametrize("client", [acme, lego])
def test_looking_orders_nothing(certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, client: object) -> None:
    """Neither of an authority: the program that orders is not called."""
    order = acme.order if client is acme else lego.order
    monkeypatch.setenv("PATH", "/nonexistent")
    with files.looking(), pytest.raises(files.DueError):
        order("chat.test", CHAT, ORDERED)
    assert files.LOOKING == []
