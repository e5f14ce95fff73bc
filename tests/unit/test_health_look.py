# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks at a host says what for, as for versions; and an apt that does not work ends no look."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.health import look, updates
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import PASS, Row, row


@pytest.mark.parametrize(
    ("version", "tested", "rows"),
    [
        ("1.0.0", {"ejabberd": "26.07"}, ["Conexizan version", "ejabberd version"]),
        ("", {"ejabberd": "26.07"}, ["ejabberd version"]),
        ("", {}, []),
    ],
)
def test_versions_have_rows_only_if_they_are_given(
    monkeypatch: pytest.MonkeyPatch, version: str, tested: dict[str, str], rows: list[str]
) -> None:
    """Who looks often remembers what apt said, and asks again only if its lists or packages have changed."""
    asked: list[Mapping[str, str]] = []
    monkeypatch.setattr(look, "units", lambda *_: {})
    monkeypatch.setattr(look, "output", lambda *_: "")
    monkeypatch.setattr(look, "own_parts", list)
    monkeypatch.setattr(updates, "opened", lambda: None)

    def versions(tested: Mapping[str, str]) -> Row:
        asked.append(tested)
        return row("ejabberd version", PASS, "")

    found = look.look(
        [], [], now=time.time(), version=version, tested=tested, pending=lambda: ["openssl"], versions=versions
    )
    assert asked == [tested] * ("ejabberd version" in rows)
    assert [one["subject"] for one in found if one["subject"].endswith("version")] == rows
    assert [one["found"] for one in found if one["subject"] == "security updates"] == ["1 pending: openssl"]


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
        assert updates.ejabberd_version({"ejabberd": "26.07"}, lambda *_: "")["found"] == "unknown to apt"
    finally:
        updates.opened.cache_clear()
