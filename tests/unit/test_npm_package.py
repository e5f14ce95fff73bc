# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes from npm is used only if it is what was pinned; by real Ansible, with a package that is there already."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.action import npm_package

from ..kit import ansible_fork

CONTENT = {"package/dist/chat.js": b"// chat\n", "package/dist/deep/de.js": b"// de\n", "package/index.js": b"// no\n"}


def packed() -> bytes:
    """Return the archive of a package."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def run(folder: Path, archive: bytes, integrity: str) -> tuple[int, str]:
    """Run a play that wants two files of a package; return its exit code and output."""
    (folder / "chat-1.0.0.tgz").write_bytes(archive)
    arguments = {
        "name": "chat",
        "version": "1.0.0",
        "integrity": integrity,
        "files": ["chat.js", "deep/de.js"],
        "folder": str(folder / "1.0.0"),
    }
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [{"name": "Have it", "conexizan.xmpp.npm_package": arguments}],
        }
    ]
    (folder / "play.yml").write_text(json.dumps(play), encoding="utf-8")
    environment = ansible_fork.operators(**ansible_fork.RESULTS)
    done = ansible_fork.run(folder / "play.yml", folder=folder, environment=environment)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_pinned_package_is_unpacked(tmp_path: Path) -> None:
    archive = packed()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    code, output = run(tmp_path, archive, integrity)
    assert code == 0, output
    found = {path: path.read_bytes() for path in (tmp_path / "1.0.0").rglob("*") if path.is_file()}
    assert {str(path.relative_to(tmp_path)): gzip.decompress(content) for path, content in found.items()} == {
        "1.0.0/chat.js.gz": b"// chat\n",
        "1.0.0/deep/de.js.gz": b"// de\n",
    }


def test_other_package_is_refused(tmp_path: Path) -> None:
    code, output = run(tmp_path, packed(), "sha512-AAAA")
    assert code != 0
    assert "chat 1.0.0 is not what it was when it was chosen" in output
    assert "expected is sha512-AAAA" in output
    assert not (tmp_path / "1.0.0").exists()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [], "something was unpacked"


def test_missing_npm_is_named_with_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AnsibleActionFail) as refusal:
        npm_package.download("chat", "1.0.0", tmp_path)
    assert "apt install npm" in str(refusal.value)
    assert f"put chat-1.0.0.tgz into {tmp_path}" in str(refusal.value)


def test_failure_of_npm_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is needed for a name that npm refuses by itself."""
    monkeypatch.setenv("npm_config_offline", "true")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(AnsibleActionFail, match=r"npm could not download converse\.js 14\.0\.0: .*ENOTCACHED"):
        npm_package.download("converse.js", "14.0.0", tmp_path)
