# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders go with all that is in them, but for the place where the operator has mounted a disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.modules import erase


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where something is mounted."""
    path = tmp_path / "own/upload"
    (path / "lost+found").mkdir(parents=True)
    (path / "data").mkdir()
    (path / "data/photo").touch()
    rmdir = os.rmdir

    def refuse(folder: str) -> None:
        if folder == str(path):
            raise OSError(errno.EBUSY, "Device or resource busy")
        rmdir(folder)

    monkeypatch.setattr(os, "rmdir", refuse)
    monkeypatch.setattr(os.path, "ismount", lambda folder: folder == str(path))
    return path


def test_folder_goes_with_links_but_not_with_what_they_lead_to(tmp_path: Path) -> None:
    kept = tmp_path / "kept/file"
    kept.parent.mkdir()
    kept.touch()
    (tmp_path / "own/deep").mkdir(parents=True)
    (tmp_path / "own/deep/link").symlink_to(kept.parent)
    assert erase.remove(str(tmp_path / "own")) == []
    assert not (tmp_path / "own").exists()
    assert kept.exists()


def test_folder_of_a_disk_stays_and_is_empty(tmp_path: Path, disk: Path) -> None:
    (tmp_path / "own/site").mkdir()
    assert not erase.is_left_over(str(tmp_path / "own"))
    assert erase.remove(str(tmp_path / "own")) == [str(disk)]
    assert [path.name for path in disk.iterdir()] == ["lost+found"]
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["upload"]
    assert erase.is_left_over(str(tmp_path / "own")), "a second run finds nothing to do"
