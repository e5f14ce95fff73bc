# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit needs once its files changed (enable, start, restart, reload): nothing more than its state asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import tree_files
from ansible_collections.conexizan.xmpp.plugins.modules import services

NGINX = services.Service("nginx.service", ["/etc/nginx/*", "/etc/systemd/*"], ["/etc/nginx/*"], [], [], [])
RUNNING = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "InactiveExitTimestampMonotonic": "500",
    "StateChangeTimestampMonotonic": "1000",
    "ReloadResult": "success",
}


@pytest.mark.parametrize(
    ("state", "changed", "verb"),
    [
        ({}, {}, None),
        ({}, {"/etc/nginx/site": 999}, None),
        ({}, {"/srv/page.html": 1001}, None),
        ({}, {"/etc/nginx/site": 1001}, "reload"),
        ({}, {"/etc/nginx/site": 1001, "/etc/systemd/system/nginx.service.d/x.conf": 1001}, "restart"),
        ({}, {"/etc/nginx/site": 1001, "/etc/systemd/system/nginx.service.d/x.conf": 499}, "reload"),
        # reloaded since, by a certificate's hook: that does not stand for the restart that is due
        ({}, {"/etc/systemd/system/nginx.service.d/x.conf": 999}, "restart"),
        # a reload that was refused
        ({"ReloadResult": "exit-code"}, {"/etc/nginx/site": 999}, "reload"),
        ({"ReloadResult": "exit-code"}, {"/etc/nginx/site": 499}, None),
        # going down and up again by itself
        ({"ActiveState": "activating"}, {}, "restart"),
        ({"ActiveState": "inactive"}, {}, "restart"),
        ({"ActiveState": "failed"}, {"/etc/nginx/site": 1001}, "restart"),
        ({"UnitFileState": "disabled"}, {}, "enable"),
        ({"UnitFileState": "static"}, {}, None),
        ({"LoadState": "not-found"}, {}, "start"),
    ],
)
def test_action(state: dict[str, str], changed: dict[str, int], verb: str | None) -> None:
    todo = services.action(NGINX, RUNNING | state, changed)
    assert (todo and todo.verb) == verb


@pytest.mark.parametrize(
    ("state", "changed", "verb"),
    [
        ({"ActiveState": "inactive"}, {"/etc/ssh/x.conf": 1001}, None),
        ({"ActiveState": "inactive", "LoadState": "not-found"}, {}, None),
        ({"UnitFileState": "disabled"}, {}, None),
        ({}, {"/etc/ssh/x.conf": 1001}, "restart"),
    ],
)
def test_where_the_operator_decides_nothing_is_started(
    state: dict[str, str], changed: dict[str, int], verb: str | None
) -> None:
    ssh = services.Service("ssh.service", ["/etc/ssh/*"], [], [], [], [], optional=True)
    found = services.action(ssh, RUNNING | state, changed)
    assert (found.verb if found else None) == verb


def test_program_that_was_replaced_is_started_anew(tmp_path: Path) -> None:
    """By an update, during which services are held back."""
    program = Path(shutil.copy(shutil.which("sleep") or "", tmp_path))
    with subprocess.Popen([program, "60"]) as running:
        state = RUNNING | {"MainPID": str(running.pid)}
        before = services.action(NGINX, state, {})
        program.unlink()
        after = services.action(NGINX, state, {})
        running.kill()
    assert before is None
    assert after is not None
    assert after.verb == "restart"


def test_changes_of_all_roles_in_this_boot_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_files, "MANIFESTS", tmp_path)
    for name, boot, path in (
        ("nginx", tree_files.boot_id(), "/etc/nginx/a"),
        ("website", tree_files.boot_id(), "/etc/nginx/b"),
        ("coturn", "an earlier one", "/etc/coturn/c"),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps({"boot": boot, "changed": {path: 7}}), encoding="utf-8")
    assert services.changes() == {"/etc/nginx/a": 7, "/etc/nginx/b": 7}


@pytest.mark.parametrize("later", ["late", "early"])
def test_last_change_of_a_file_that_moved_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str) -> None:
    """Whichever role's manifest the file system lists first."""
    monkeypatch.setattr(tree_files, "MANIFESTS", tmp_path)
    for name in "late", "early":
        manifest = {"boot": tree_files.boot_id(), "changed": {"/etc/nginx/a": 9 if name == later else 7}}
        (tmp_path / f"{name}.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert services.changes() == {"/etc/nginx/a": 9}


def test_refused_configuration_is_named_and_nothing_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(services, "systemctl", lambda verb, units: calls.append((verb, units)))
    service = services.Service("nginx.service", [], [], ["sh", "-c", "echo line 3 is wrong >&2; exit 1"], [], [])
    actions = {"nginx.service": services.Action("reload", "")}
    with pytest.raises(services.RefusedError, match=r"nginx.service stays as it was.*line 3 is wrong"):
        services.apply([service], actions, {"nginx.service": RUNNING})
    assert calls == []


def test_all_that_is_refused_is_told_at_once() -> None:
    one, other = (services.Service(unit, [], [], ["sh", "-c", f"echo {unit}: no; exit 1"], [], []) for unit in "ab")
    actions = {"a": services.Action("reload", ""), "b": services.Action("restart", "")}
    with pytest.raises(services.ServiceError, match=r"(?s)a: no.*b: no"):
        services.apply([one, other], actions, {"a": RUNNING, "b": RUNNING})


def test_what_does_not_run_has_nothing_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its start is the check."""
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(services, "systemctl", lambda verb, units: calls.append((verb, units)))
    service = services.Service("a.service", [], [], ["false"], [], [])
    stopped = RUNNING | {"ActiveState": "inactive"}
    services.apply([service], {"a.service": services.Action("restart", "")}, {"a.service": stopped})
    assert ("restart", ["a.service"]) in calls


@pytest.mark.parametrize(("probe", "verb"), [("true", None), ("false", "restart")])
def test_unit_without_effect_is_started_anew(probe: str, verb: str | None) -> None:
    service = services.Service("xmpp-firewall.service", [], [], [], [probe], [])
    todo = services.action(service, RUNNING, {})
    assert (todo and todo.verb) == verb


def test_one_that_fails_does_not_keep_the_others_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reloaded: list[str] = []

    def systemctl(verb: str, units: list[str]) -> None:
        if verb == "restart" and units:
            raise services.ServiceError("a.service failed")
        if verb == "reload":
            reloaded.extend(units)

    monkeypatch.setattr(services, "systemctl", systemctl)
    first = services.Service("a.service", [], [], [], [], ["touch", str(tmp_path / "then")])
    second = services.Service("b.service", [], [], [], [], [])
    actions = {"a.service": services.Action("restart", ""), "b.service": services.Action("reload", "")}
    with pytest.raises(services.ServiceError, match=r"a.service failed"):
        services.apply([first, second], actions, {"a.service": RUNNING, "b.service": RUNNING})
    assert reloaded == ["b.service"]
    assert (tmp_path / "then").exists()
