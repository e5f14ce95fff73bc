# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository as the collection conexizan.xmpp, installed by somebody who has no clone and no configuration."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from . import ansible_fork
from .playbook import packed

BIN = Path(sys.executable).parent


def environment(home: Path) -> dict[str, str]:
    """Of an operator with this home, who has set nothing."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}


def unpacked(clone: Path) -> Path:
    """A clone in a folder."""
    with tarfile.open(fileobj=io.BytesIO(packed())) as archive:
        archive.extractall(clone)
    return clone


def installed(clone: Path, home: Path) -> Path:
    """Builds the collection and installs it; returns its archive."""
    galaxy(home, "build", clone, "--output-path", home)
    (archive,) = home.glob("conexizan-xmpp-*.tar.gz")
    galaxy(home, "install", "--offline", "--force", archive)
    return archive


def galaxy(home: Path, *words: str | Path) -> None:
    """Runs ansible-galaxy on collections; fails with what it says."""
    done = subprocess.run(
        [BIN / "ansible-galaxy", "collection", *words],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def play(
    home: Path, folder: Path, host: dict[str, Any], playbook: str | Path, *words: str, **more: str
) -> tuple[int, str]:
    """Exit code and output of a playbook of the collection, in a folder with nothing but an inventory of one host."""
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": host}}}), encoding="ascii")
    done = ansible_fork.run(
        *("-i", "hosts.yml", f"conexizan.xmpp.{playbook}" if isinstance(playbook, str) else playbook),
        *words,
        folder=folder,
        environment=environment(home) | more,
        merged=True,
    )
    return done.returncode, done.stdout
