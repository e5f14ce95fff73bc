# SPDX-License-Identifier: GPL-3.0-or-later
"""What ejabberd needs before it starts."""

from __future__ import annotations

from typing import Any

import pytest

from .loading import load

prepare: Any = load("roles/ejabberd/templates/usr/local/lib/xmpp/ejabberd-pre-start")


@pytest.mark.parametrize(
    ("cookie", "good"),
    [
        ("0" * 64, True),
        ("0" * 20, False),
        # ejabberd 26.07 did not start with it: its socket's first name is g2gCbQAAAAj/j2cry0/4im0AAAAWL3J1bi9l…
        ("0e96c932681d368da2f1208466a561cb1cc99e83c9d46df20534e7738a7ae482", False),
    ],
)
def test_cookie_that_keeps_ejabberd_down_is_not_kept(cookie: str, good: bool) -> None:
    assert prepare.good(cookie) is good
