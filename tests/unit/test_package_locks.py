# SPDX-License-Identifier: GPL-3.0-or-later
"""The module packages waits while another process holds a lock of apt or dpkg."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.action.packages import ActionModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt import locks
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who has a lock until a line comes, and works before that for each line "work"."""
    program = tmp_path / "unattended-upgrade"
    program.write_text(
        "import fcntl, sys, time\n"
        f"f = open({str(tmp_path / 'lock')!r}, 'a')\n"
        "fcntl.lockf(f, fcntl.LOCK_EX)\n"
        "print(flush=True)\n"
        "while input() == 'work':\n"
        "    end = time.process_time() + 0.1\n"
        "    while time.process_time() < end: pass\n"
        "    print(flush=True)\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        yield other
        if other.poll() is None:
            other.communicate(b"\n")


def test_lock_that_is_let_go_is_taken(
    holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # It lets go while we wait.
    monkeypatch.setattr(time, "sleep", lambda _seconds: holder.communicate(b"\n"))
    locks.lock(tmp_path / "lock").close()


def test_who_has_a_lock_is_told_and_how_far(
    holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(locks, "CALL_SECONDS", -1)
    monkeypatch.setattr(dpkg, "STATUS", tmp_path / "status")
    monkeypatch.setattr(locks, "DPKG_LOG", tmp_path / "dpkg.log")
    monkeypatch.setattr(locks, "ARCHIVES", tmp_path)
    (tmp_path / "dpkg.log").write_text("2026-11-30 18:00:00 configure libc6:amd64 2.41 <none>\n", encoding="utf-8")
    (tmp_path / "status").write_text(
        "Package: a\nStatus: install ok unpacked\n\nPackage: b\nStatus: install ok installed\n", encoding="utf-8"
    )

    def waits() -> dict[str, Any]:
        with pytest.raises(locks.WaitingError) as error:
            locks.lock(tmp_path / "lock")
        return dict(error.value.report)

    first, second = waits(), waits()
    assert (first["holder"], first["pid"]) == ("unattended-upgrade", holder.pid)
    assert first["step"] == "dpkg.log ends with 18:00:00 configure libc6:amd64 2.41, to be configured: 1 packages"
    assert first["progress"] == second["progress"]
    assert holder.stdin
    assert holder.stdout
    holder.stdin.write(b"work\n")
    holder.stdin.flush()
    holder.stdout.readline()
    assert waits()["progress"] != first["progress"]


def test_earlier_run_of_ours_is_called_so() -> None:
    with subprocess.Popen([sys.executable], stdin=subprocess.PIPE) as module:  # as Ansible starts it
        deadline = time.monotonic() + 60
        while locks.who(module.pid) != "an earlier run of this playbook":
            assert time.monotonic() < deadline, locks.who(module.pid)
        module.communicate(b"")
    assert locks.who(0) == "a program that cannot be seen from here"


class Host:
    """A host where somebody installs packages, and what a minute of it looks like in each call."""

    def __init__(self, *progress: str) -> None:
        """Take what becomes of it, call by call; then nobody is there any more."""
        self.calls = 0
        self.progress = progress

    def execute(self, **_: Any) -> dict[str, Any]:
        """Answer as the module does."""
        self.calls += 1
        if self.calls > len(self.progress):
            return {"changed": True, "packages": ["nginx 1"]}
        progress = self.progress[self.calls - 1]
        report = {"lock": "/lock", "pid": 7, "holder": "apt-get install", "step": "one", "progress": progress}
        return {"changed": False, "packages": [], "waits": report}


def run_action(host: Host, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the action; each call takes a minute."""
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(args={"name": ["nginx"]})
    action._execute_module = host.execute
    monkeypatch.setattr(Action, "run", lambda *_: {})
    monkeypatch.setattr(time, "monotonic", lambda: host.calls * 60.0)
    return dict(action.run(None, {"inventory_hostname": "chat"}))


def test_who_goes_on_is_waited_for_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host(*(str(number // 4) for number in range(40)))
    assert run_action(host, monkeypatch) == {"changed": True, "packages": ["nginx 1"]}
    assert capsys.readouterr().out.count("chat: another process installs packages: apt-get install (pid 7), one.") == 1


def test_who_does_nothing_any_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("0", *["1"] * 40)
    result = run_action(host, monkeypatch)
    assert result["failed"]
    assert "apt-get install (pid 7) has /lock and has done nothing for 6 minutes: one. No package was" in result["msg"]
    assert host.calls == 8
