# SPDX-License-Identifier: GPL-3.0-or-later
"""Web sites of the operator's beside a service whose port 443 takes more than the web."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import nginx_sites

from .loading import ROOT
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
    ("listen", "told"),
    [
        ("127.0.0.1:5282 ssl", True),
        ("localhost:5282 ssl", True),
        ("5282 ssl", True),
        ("127.0.0.1:5282", True),
        ("443 ssl", False),
        ("127.0.0.1:8080", False),
    ],
)
def test_site_behind_a_single_port_that_ends(listen: str, told: bool) -> None:
    """It would be there, and nobody would reach it."""
    files = {"shop": f"server {{ listen {listen}; server_name shop.test; }}"}
    found = nginx_sites.judge_sites(files, "", 443, [], [], own_dropin=True, ended=INNER)
    assert [words.endswith("Write: listen 443 ssl") for words in found] == [True] * told


@pytest.mark.parametrize(("single_port", "address"), [(True, INNER), (False, "")])
def test_where_sites_were_so_far(
    single_port: bool, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the role writes it."""
    monkeypatch.setattr(nginx_sites, "NGINX", tmp_path)
    assert nginx_sites.handed_over_so_far() == ""
    template = (ROOT / "roles/nginx/templates/etc/nginx/xmpp.conf.j2").read_text(encoding="utf-8")
    listens = template.partition("# A name that is not ours")[2].partition("server_name")[0]
    text = rendered({"xmpp_single_port": single_port}, "nginx", listens)
    (tmp_path / "xmpp.conf").write_text(text, encoding="utf-8")
    assert nginx_sites.handed_over_so_far() == address


@pytest.mark.parametrize(
    ("settings", "listen"),
    [({"xmpp_single_port": True}, [INNER]), ({"xmpp_https_port": 8443}, ["8443", "[::]:8443"])],
)
def test_all_roles_are_told_where_to_listen(settings: dict[str, object], listen: list[str]) -> None:
    assert rendered(settings, "xmpp", "{{ xmpp_derived_https_listen }}") == listen


def test_as_many_come_in_by_the_single_port_as_before() -> None:
    """The stream of an app is two connections of nginx's, which counts both."""
    template = (ROOT / "roles/nginx/templates/etc/nginx/xmpp.conf.j2").read_text(encoding="utf-8")
    (line,) = (line for line in template.splitlines() if "worker_connections" in line)
    single, before = (rendered({"xmpp_single_port": one}, "nginx", line).strip(" ;").split() for one in (True, False))
    assert int(single[1]) == 2 * int(before[1])
