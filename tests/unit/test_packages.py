# SPDX-License-Identifier: GPL-3.0-or-later
"""Old packages are refused before anything is installed, and services wait for their configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .loading import load

packages = load("plugins/modules/packages.py")


def offer(monkeypatch: pytest.MonkeyPatch, candidate: str) -> None:
    """Let apt offer this version of everything."""
    monkeypatch.setattr(packages, "run", lambda *_: f"ejabberd:\n  Installed: (none)\n  Candidate: {candidate}\n")


@pytest.mark.parametrize("candidate", ["26.07-1~bpo13+1", "26.07-1", "27.01-1"])
def test_new_enough_is_taken(monkeypatch: pytest.MonkeyPatch, candidate: str) -> None:
    offer(monkeypatch, candidate)
    packages.refuse_old({"ejabberd": "26.07", "nginx": ""})


@pytest.mark.parametrize("candidate", ["24.12-3+deb13u2", "26.04-1", "(none)"])
def test_too_old_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch, candidate: str) -> None:
    offer(monkeypatch, candidate)
    with pytest.raises(packages.PackagesError) as error:
        packages.refuse_old({"ejabberd": "26.07"})
    assert str(error.value) == f"ejabberd must be at least 26.07, the newest that apt offers is {candidate}"


def test_failure_shows_what_apt_said() -> None:
    with pytest.raises(packages.PackagesError, match=r"apt-get install failed:\nE: .*no-such-package-anywhere"):
        packages.run("apt-get", "install", "--simulate", "no-such-package-anywhere")


def test_lock_that_somebody_has_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "lib/lock"
    holder = f"import fcntl; f = open({str(path)!r}, 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
    packages.lock(path).close()
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        monkeypatch.setattr(packages, "LOCK_SECONDS", -1)
        with pytest.raises(packages.PackagesError, match=r"lib/lock has been held for -1 s: which apt runs\?"):
            packages.lock(path)
        monkeypatch.setattr(packages, "LOCK_SECONDS", 60)
        # It lets go while we wait.
        monkeypatch.setattr(packages.time, "sleep", lambda _seconds: other.communicate(b"\n"))
        packages.lock(path).close()


def test_policy_that_a_killed_run_left_is_not_taken_for_the_operators(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    policy.write_text(packages.HELD_BACK, encoding="ascii")
    with packages.services_held_back():
        pass
    assert not policy.exists()


@pytest.mark.parametrize("own", [None, "#!/bin/sh\nexit 104\n"])
def test_services_are_held_back_and_the_operators_policy_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: str | None
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    if own:
        policy.write_text(own, encoding="ascii")

    def break_off() -> None:
        with packages.services_held_back():
            assert "exit 101" in policy.read_text(encoding="ascii")
            assert policy.stat().st_mode & 0o111
            raise RuntimeError("installation broke")

    with pytest.raises(RuntimeError, match="installation broke"):
        break_off()
    assert (policy.read_text(encoding="ascii") if policy.exists() else None) == own


def test_record_knows_how_the_host_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What went and came again is in it no more."""
    record = tmp_path / "xmpp/packages.json"
    monkeypatch.setattr(packages, "RECORD", record)
    bare = {"bash", "rsyslog"}
    for before, after in (
        (bare, {"bash", "coturn", "nginx"}),
        ({"bash", "coturn", "nginx"}, {"bash", "nginx"}),
        ({"bash", "nginx"}, {"bash", "nginx", "rsyslog"}),
        ({"bash", "nginx", "rsyslog"}, {"bash", "nginx"}),
    ):
        packages.write_down(before, after)
    assert json.loads(record.read_text(encoding="utf-8")) == {
        "added": ["nginx"],
        "gone": ["rsyslog"],
        "been": ["coturn"],
    }
