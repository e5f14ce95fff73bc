# SPDX-License-Identifier: GPL-3.0-or-later
"""Web sites of the operator's beside a service whose port 443 takes more than the web."""

from __future__ import annotations

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import nginx_sites

from .role_files import rendered

INNER = "127.0.0.1:5282"


@pytest.mark.parametrize(
    ("listen", "told"),
    [
        ("443 ssl", True),
        ("[::]:443 ssl", True),
        ("127.0.0.1:5282 ssl", False),
        ("443 quic", False),
        ("8443 ssl", False),
        ("80", False),
    ],
)
def test_site_on_the_single_port_is_told_where_to_listen(listen: str, told: bool) -> None:
    files = {"shop": f"server {{ listen {listen}; server_name shop.test; }}"}
    found = nginx_sites.judge_sites(files, "", 443, [], [], own_dropin=True, handed_over=INNER)
    assert [words.endswith(f"Write: listen {INNER} ssl") for words in found] == [True] * told


@pytest.mark.parametrize(
    ("settings", "listen"),
    [({"xmpp_single_port": True}, [INNER]), ({"xmpp_https_port": 8443}, ["8443", "[::]:8443"])],
)
def test_all_roles_are_told_where_to_listen(settings: dict[str, object], listen: list[str]) -> None:
    assert rendered(settings, "xmpp", "{{ xmpp_derived_https_listen }}") == listen
