# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is replaced whole or not at all, with the mode that was asked for, and nothing else is left in its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import atomic


@pytest.mark.parametrize("umask", [0o000, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_mode_does_not_follow_from_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    before = os.umask(umask)
    try:
        atomic.write(path, b"new", mode, owner=(os.geteuid(), os.getegid()), modified=1_800_000_000)
    finally:
        os.umask(before)
    status = path.stat()
    assert (path.read_bytes(), status.st_mode & 0o7777, status.st_mtime) == (b"new", mode, 1_800_000_000)
    assert os.listdir(tmp_path) == ["file"]


def fail(*_: object) -> None:
    raise OSError("no space")


@pytest.mark.parametrize("step", ["fchown", "fchmod", "fsync", "utime", "replace"])
def test_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space"):
        atomic.write(path, b"new", owner=(os.geteuid(), os.getegid()), durable=True, modified=0)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("durable", [False, True])
def test_what_is_durable_is_on_the_disk_before_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    path = tmp_path / "file"
    steps: list[str] = []

    def noted(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: object) -> None:
            (fresh,) = (one for one in os.listdir(tmp_path))
            assert fresh.startswith(".file.")
            assert (tmp_path / fresh).read_bytes() == b"new"
            steps.append(name)
            call(*arguments)

        return step

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    atomic.write(path, b"new", durable=durable)
    assert steps == ["fsync"] * durable + ["replace"]
