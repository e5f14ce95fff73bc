# SPDX-License-Identifier: GPL-3.0-or-later
"""What is removed once it is no longer needed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from certificates import cli, prune

from .certificates import CHAT, Paths, provide, settings


def test_certificate_of_a_former_domain_is_removed_once_no_service_uses_it(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, _ = certificate_folders
    settings(home, "selfsigned", club=["club.test"])
    cli.main()
    (tmp_path / "nginx").mkdir()
    (tmp_path / "nginx/xmpp.conf").write_text(f"ssl_certificate {home}/club.test/fullchain.pem;", encoding="utf-8")
    settings(home, "selfsigned")
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    assert cli.main() == 0
    assert (home / "club.test").exists(), "nginx would not start without it"
    (tmp_path / "nginx/xmpp.conf").unlink()
    assert cli.main() == 0
    assert not (home / "club.test").exists()
    assert (home / "chat.test").exists()


def test_local_ca_is_removed_when_it_is_no_longer_used(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _ = certificate_folders
    cli.main()
    provide(home, CHAT)
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    assert cli.main() == 0
    assert not list(home.glob("ca.*"))


def test_certbot_certificate_that_cannot_be_removed_is_named(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """certbot is not installed any more, but its files are: everything else is done all the same."""
    _, hooks = certificate_folders
    (tmp_path / "letsencrypt/renewal").mkdir(parents=True)
    (tmp_path / "letsencrypt/renewal/xmpp_old.test.conf").touch()
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates", "--prune"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main() == 1
    assert "certbot's xmpp_old.test could not be removed" in capsys.readouterr().err
    assert (hooks / "nginx.hook").exists()


def test_file_of_another_user_is_ignored(
    certificate_folders: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer's sandbox cannot read Debian's ejabberd.yml: the folder of a former domain is removed all the same."""
    own, foreign = tmp_path / "nginx/own.conf", tmp_path / "nginx/foreign.yml"
    own.parent.mkdir(exist_ok=True)
    for file in (own, foreign):
        file.write_text(f"{tmp_path}/old.test/privkey.pem")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != foreign and real(path, mode))
    assert prune.is_used(tmp_path / "old.test")
    own.unlink()
    assert not prune.is_used(tmp_path / "old.test")
