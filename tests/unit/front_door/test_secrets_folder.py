# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are another user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.secrets_dir import closed_folder, name_of


def test_secrets_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a run with sudo they are root's: a run without it says so, before a lookup fails in the middle."""
    secrets, closed, real = tmp_path / "secrets", tmp_path / "closed", os.access
    secrets.mkdir()
    closed.mkdir()
    (secrets / "coturn").write_text("x")
    assert closed_folder(secrets) is None
    assert closed_folder(tmp_path / "new/secrets") is None
    me = name_of(os.geteuid())

    def access(path: Path, mode: int) -> bool:
        return real(path, mode) and Path(path) not in (secrets / "coturn", closed)

    monkeypatch.setattr(os, "access", access)
    assert closed_folder(secrets) == (
        f"{me} cannot read and write ({secrets}/coturn is of {me}): "
        f"run Ansible as {me}, or give it to {me}: sudo chown -R {me} {secrets}"
    )
    for below in (closed / "secrets", closed / "deep/secrets"):
        assert closed_folder(below) == (f"{me} cannot read and write ({closed} is of {me}): name a folder of {me}'s")
