# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the alerts, without a host: how it delivers, when it is quiet, and what it leaves."""

from __future__ import annotations

import ast
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from alerts import cli, deliver, quiet
from alerts.changes import BROKEN
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import ApiError
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, row

from .loading import ROOT

DOWN = row("services", FAIL, "not running: coturn.service", "systemctl restart coturn.service")
UP = row("services", PASS, "ejabberd, nginx, coturn running, no failed units")


@pytest.fixture
def settings() -> dict[str, Any]:
    common = {"name": "Friends", "domain": "friends.test", "domains": ["friends.test"], "admins": ["admin", "maria"]}
    return common | {"command": "", "services": [], "timers": [], "certificates": "acme", "repository": "/srv/backup"}


class Ways:
    """Both ways of a message, which can be shut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chat: list[str] = []
        self.command: list[str] = []
        self.shut: set[str] = set()
        monkeypatch.setattr(deliver, "chat", lambda _settings, text: self.take("chat", text))
        monkeypatch.setattr(deliver, "command", lambda _settings, text: self.take("command", text))

    def take(self, way: str, text: str) -> bool:
        if way not in self.shut:
            getattr(self, way).append(text)
        return way not in self.shut


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


def test_message_waits_until_ejabberd_runs_again(ways: Ways, settings: dict[str, Any]) -> None:
    """The operator's program has it at once, and once; nobody gets one twice."""
    unsent: dict[str, list[str]] = {}
    settings["command"] = "/usr/local/bin/alert"
    ways.shut = {"chat"}
    assert deliver.deliver(settings, unsent, "down")
    assert (ways.chat, ways.command, unsent) == ([], ["down"], {"chat": ["down"]})
    assert deliver.deliver(settings, unsent, "")
    ways.shut = {"command"}
    assert not deliver.deliver(settings, unsent, "up")
    assert (ways.chat, ways.command, unsent) == (["down", "up"], ["down"], {"command": ["up"]})
    ways.shut = set()
    assert deliver.deliver(settings, unsent, "")
    assert (ways.chat, ways.command, unsent) == (["down", "up"], ["down", "up"], {})


def test_what_waits_for_a_way_that_is_gone_is_forgotten(ways: Ways, settings: dict[str, Any]) -> None:
    unsent = {"command": ["old"]}
    assert deliver.deliver(settings, unsent, "new")
    assert (unsent, ways.chat) == ({}, ["new"])


def test_message_goes_to_each_administrator(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    asked: list[dict[str, str]] = []

    class Api:
        def __init__(self, _path: str) -> None:
            pass

        def call(self, command: str, **arguments: str) -> None:
            assert command == "send_message"
            asked.append(arguments)

    monkeypatch.setattr(deliver, "Api", Api)
    assert deliver.chat(settings, "x" * 9999)
    assert [one["to"] for one in asked] == ["admin@friends.test", "maria@friends.test"]
    assert {one["from"] for one in asked} == {"friends.test"}
    assert {len(one["body"]) for one in asked} == {deliver.CHARACTERS}

    def refuse(_path: str) -> None:
        raise ApiError("it does not run")

    monkeypatch.setattr(deliver, "Api", refuse)
    assert not deliver.chat(settings, "text")


def test_state_has_no_names_of_people_and_is_written_only_if_it_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ways: Ways, settings: dict[str, Any]
) -> None:
    state = tmp_path / "state.json"
    seen = [DOWN]
    monkeypatch.setattr(cli, "STATE", state)
    monkeypatch.setattr(cli, "quiet", lambda _now: False)
    monkeypatch.setattr(cli, "rows", lambda _settings, _state, _now: seen)
    assert all(cli.watch(settings) for _ in range(BROKEN))
    assert ways.chat == [f"Friends:\n\nservices: {DOWN['found']}\nFix: {DOWN['fix']}"]
    assert state.stat().st_mode & 0o777 == 0o600
    assert not {"admin", "maria", "friends"} & set(json.loads(state.read_text())["problems"]["services"]["names"])
    before = state.stat().st_ino
    assert cli.watch(settings)
    assert state.stat().st_ino == before
    monkeypatch.setattr(cli, "quiet", lambda _now: True)
    seen[:] = [UP]
    assert all(cli.watch(settings) for _ in range(20))
    assert len(ways.chat) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"success": "2027-01-14T02:00:00", "error": "no space"}, PASS),  # one night
        ({"success": "2027-01-13T05:00:00", "error": "no space"}, PASS),  # 47 hours: the second one is under way
        ({"success": "2027-01-13T02:00:00", "error": "no space"}, FAIL),  # 50 hours: two
        ({"success": "2027-01-12T02:00:00", "error": ""}, FAIL),  # none is made any more
        ({"success": "", "error": "wrong password"}, FAIL),  # none ever
        ({"success": "2027-01-15T02:00:00", "error": ""}, PASS),
    ],
)
def test_backup_may_fail_for_one_night(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, Any], status: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(cli, "BACKUP", tmp_path)
    (tmp_path / "status.json").write_text(json.dumps(status | {"repository": "/srv/backup"}))
    (found,) = cli.backup(settings | {"backup_days": 7}, 1_799_985_600.0)  # 2027-01-15 04:00 UTC
    assert found["status"] == told, found


@pytest.mark.parametrize(
    ("status", "is_so"),
    [
        ({"planned": True, "beginning": "2027-01-15T07:00:00Z", "expected_end": "2027-01-15T09:00:00Z"}, True),
        ({"planned": False, "beginning": "2027-01-15T07:00:00Z", "expected_end": "2027-01-15T09:00:00Z"}, False),
        ({"planned": True, "beginning": "2027-01-15T09:00:00Z", "expected_end": "2027-01-15T10:00:00Z"}, False),
        ({"planned": True, "beginning": "2027-01-15T07:00:00Z"}, False),
        ({}, False),
    ],
)
def test_maintenance_that_was_announced(status: dict[str, object], is_so: bool) -> None:
    assert quiet.announced(json.dumps(status), 1_800_000_000) is is_so  # 08:00


def test_quiet_while_somebody_works_on_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("tree", "lock", "backup", "locks")}
    for path in paths.values():
        path.touch()
    paths["locks"].write_text(
        "1: POSIX  ADVISORY  READ 7 00:1f:1 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 8 00:1f:1 0 EOF\n"
    )
    state = {"ActiveState": "inactive"}
    monkeypatch.setattr(quiet, "CHANGED", (paths["tree"],))
    monkeypatch.setattr(quiet, "PACKAGES", paths["lock"])
    monkeypatch.setattr(quiet, "BACKUP", paths["backup"])
    monkeypatch.setattr(quiet, "LOCKS", paths["locks"])
    monkeypatch.setattr(quiet, "STATUS", tmp_path / "none")
    monkeypatch.setattr(quiet, "units", lambda *_: {"xmpp-backup.service": state})
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: 1000.0)
    changed = paths["tree"].stat().st_mtime
    os.utime(paths["tree"], (changed, changed))
    now = changed + quiet.JUST + 1
    assert not quiet.quiet(now)
    assert quiet.quiet(changed + 1)

    def lock(path: Path) -> None:
        paths["locks"].write_text(f"4: FLOCK  ADVISORY  WRITE 4711 00:1f:{path.stat().st_ino} 0 EOF\n")

    lock(paths["lock"])
    assert quiet.quiet(now)
    lock(paths["backup"])
    assert quiet.quiet(now)
    state["ActiveState"] = "activating"  # a backup, no restore
    assert not quiet.quiet(now)


def imports(path: Path) -> set[str]:
    """The shared modules that a file imports, as paths."""
    prefix = "ansible_collections.conexizan.xmpp.plugins.module_utils"
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(prefix):
            inner = (node.module or "").removeprefix(prefix).strip(".").replace(".", "/")
            found |= {f"{inner}.py"} if inner else {f"{alias.name}.py" for alias in node.names}
    return found


def test_host_has_what_the_program_imports_and_no_more() -> None:
    shared = ROOT / "plugins/module_utils"
    wanted: set[str] = set()
    fresh = {one for path in ROOT.glob("roles/alerts/templates/**/*.py") for one in imports(path)}
    while fresh:
        wanted |= fresh
        fresh = {one for name in fresh for one in imports(shared / name)} - wanted
    wanted |= {f"{Path(name).parent}/__init__.py" for name in wanted if "/" in name}
    listed = yaml.safe_load((ROOT / "roles/alerts/vars/main.yml").read_text(encoding="utf-8"))["__alerts_shared"]
    assert sorted(wanted) == listed
