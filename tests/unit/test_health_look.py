# SPDX-License-Identifier: GPL-3.0-or-later
"""Who looks at a host says for what: playbooks/check.yml compares versions, the alerts on the host do not."""

from __future__ import annotations

import time

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
