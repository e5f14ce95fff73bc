# SPDX-License-Identifier: GPL-3.0-or-later
"""What several unit tests need: Ansible's plugins, ours among them, and the folders of xmpp-certificates."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from certificates import acme, files, prune

from .certificates import Paths, hook, settings


@pytest.fixture
def certificate_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return the certificates' folder and that of the hooks, as after `site.yml` with one role that uses them."""
    home, hooks = tmp_path / "certificates", tmp_path / "certificates.d"
    (home / "provided").mkdir(parents=True)
    hooks.mkdir()
    monkeypatch.setattr(files, "HOME", home)
    monkeypatch.setattr(files, "HOOKS", hooks)
    monkeypatch.setattr(acme, "LETSENCRYPT", tmp_path / "letsencrypt")
    monkeypatch.setattr(prune, "USERS", [tmp_path / "nginx"])
    monkeypatch.setattr(files, "key_owner", lambda: (os.geteuid(), os.getegid()))  # the group is made by the role
    monkeypatch.setattr(sys, "argv", ["xmpp-certificates"])
    settings(home, "selfsigned")
    hook(hooks, "echo told >> $(dirname $0)/told")
    return home, hooks
