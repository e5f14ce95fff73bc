# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to bring a unit into force: nothing more than its state asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .loading import load

services = load("plugins/modules/services.py")

NGINX = services.Service("nginx.service", ["/etc/nginx/*", "/etc/systemd/*"], ["/etc/nginx/*"], [], [])
RUNNING = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "StateChangeTimestampMonotonic": "1000",
}


@pytest.mark.parametrize(
    ("state", "changed", "verb"),
    [
        ({}, {}, None),
        ({}, {"/etc/nginx/site": 999}, None),
        ({}, {"/srv/page.html": 1001}, None),
        ({}, {"/etc/nginx/site": 1001}, "reload"),
        ({}, {"/etc/nginx/site": 1001, "/etc/systemd/system/nginx.service.d/x.conf": 1001}, "restart"),
        ({}, {"/etc/nginx/site": 1001, "/etc/systemd/system/nginx.service.d/x.conf": 999}, "reload"),
        ({"ActiveState": "activating"}, {}, None),
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


def test_changes_of_all_roles_in_this_boot_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MANIFESTS", tmp_path)
    for name, boot, path in (
        ("nginx", services.boot_id(), "/etc/nginx/a"),
        ("website", services.boot_id(), "/etc/nginx/b"),
        ("coturn", "an earlier one", "/etc/coturn/c"),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps({"boot": boot, "changed": {path: 7}}), encoding="utf-8")
    assert services.changes() == {"/etc/nginx/a": 7, "/etc/nginx/b": 7}


def test_refused_configuration_is_named_and_nothing_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(services, "systemctl", lambda verb, units: calls.append((verb, units)))
    service = services.Service("nginx.service", [], [], ["sh", "-c", "echo line 3 is wrong >&2; exit 1"], [])
    actions = {"nginx.service": services.Action("reload", "")}
    with pytest.raises(services.ServiceError, match=r"nginx.service stays as it was.*line 3 is wrong"):
        services.apply([service], actions, {"nginx.service": RUNNING})
    assert calls == []
