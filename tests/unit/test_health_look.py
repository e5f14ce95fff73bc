# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks at a host says for what, as for versions; and an apt that does not work ends no look."""

from __future__ import annotations

import importlib
import time
from types import SimpleNamespace

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.health import look, updates


@pytest.mark.parametrize(
    ("version", "tested", "rows"), [("1.0.0", "26.07", ["Conexizan version", "ejabberd version"]), ("", "", [])]
)
def test_versions_have_rows_only_if_they_are_given(
    monkeypatch: pytest.MonkeyPatch, version: str, tested: str, rows: list[str]
) -> None:
    """The alerts know of none, and read apt's lists only if these have changed."""
    monkeypatch.setattr(look, "units", lambda *_: {})
    monkeypatch.setattr(look, "output", lambda *_: "")
    monkeypatch.setattr(look, "own_parts", list)
    monkeypatch.setattr(updates, "opened", lambda: None)
    found = look.look([], [], now=time.time(), version=version, tested=tested, pending=lambda: ["openssl"])
    assert [row["subject"] for row in found if row["subject"].endswith("version")] == rows
    assert [row["found"] for row in found if row["subject"] == "security updates"] == ["1 pending: openssl"]


def test_apt_that_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed line of sources.list.d, or a damaged status of dpkg, is a fault, and no end of the report."""

    class Error(SystemError):
        """As that of apt_pkg."""

    words = "E:Malformed entry 1 in list file /etc/apt/sources.list.d/x.list (Component)"

    def cache(_progress: None) -> None:
        raise Error(words)

    module = SimpleNamespace(Error=Error, Cache=cache, init=lambda: None)
    monkeypatch.setattr(importlib, "import_module", lambda _name: module)
    updates.opened.cache_clear()
    try:
        pending = updates.security_updates()
        assert pending == words
        found = updates.judge_updates(pending, 0)
        assert (found["status"], found["found"]) == ("fail", f"apt does not work: {words}")
        assert updates.ejabberd_version("26.07")["found"] == "skipped: apt does not work"
    finally:
        updates.opened.cache_clear()
