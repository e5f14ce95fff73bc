# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of a tested ejabberd install themselves, other versions do not: apt decides, with a made-up archive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt import versions as own_versions
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import PackagesError

from ..kit.debian_archive import Apt, stanza

ROLES = Path(__file__).resolve().parents[2] / "roles"
TESTED: dict[str, str] = yaml.safe_load((ROLES / "xmpp/vars/main.yml").read_text(encoding="utf-8"))["__xmpp_tested"]
OLD = stanza("ejabberd", "24.12-3+deb13u2") + stanza("erlang-p1-xmpp", "1.10.1-1")
FEATURE, LIBRARY = "26.07", "1.13.4"


def pins(ejabberd: str = FEATURE, default_release: str = "") -> str:
    """Return the pins of a host with this version of ejabberd."""
    source = (ROLES / "base/templates/etc/apt/preferences.d/xmpp.j2").read_text(encoding="utf-8")
    values: dict[str, Any] = {
        "base_tested": TESTED | {"ejabberd": FEATURE, "erlang-p1-xmpp": LIBRARY},
        "__base_pinned_ejabberd": ejabberd,
        "__base_release": "trixie",
        "ansible_managed": "",
        "ansible_facts": {"xmpp_host": {"default_release": default_release}},
    }
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)
    return environment.from_string(source).render(values)


def server(*versions: str) -> str:
    """Return what an archive with some versions of ejabberd says."""
    return "".join(stanza("ejabberd", version, "erlang-p1-xmpp") for version in versions)


def library(*versions: str) -> str:
    """Return the same of a library."""
    return "".join(stanza("erlang-p1-xmpp", version) for version in versions)


def upgrades(apt: Apt) -> dict[str, str]:
    """Return what an upgrade would install, by name."""
    found = re.findall(r"^Inst (\S+) .*?\((\S+)", apt.run("apt-get", "--simulate", "upgrade"), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("default_release", ["", "stable"])
@pytest.mark.parametrize(
    ("here", "offered", "taken"),
    [
        (("26.07-1~bpo13+1", "1.13.4-1~bpo13+1"), (server("26.10-1~bpo13+1"), library("1.14.0-1~bpo13+1")), {}),
        (("26.07-1~bpo13+1", "1.13.4-1~bpo13+1"), (server("27.01-1~bpo13+1"), library("1.13.4-1~bpo13+1")), {}),
        (
            ("26.07-1~bpo13+1", "1.13.4-1~bpo13+1"),
            (
                server("26.07-2~bpo13+1", "26.07-9~bpo13+1", "26.10-1~bpo13+1", "27.01-1~bpo13+1"),
                library("1.13.4-3~bpo13+1", "1.13.40-1~bpo13+1"),
            ),
            {"ejabberd": "26.07-9~bpo13+1", "erlang-p1-xmpp": "1.13.4-3~bpo13+1"},
        ),
        (
            ("26.07-1~bpo13+1", "1.13.4-1~bpo13+1"),
            (server("26.07.1-1~bpo13+1", "26.10-1~bpo13+1"), library("1.13.4-1~bpo13+1")),
            {"ejabberd": "26.07.1-1~bpo13+1"},
        ),
    ],
)
def test_only_fixes_of_what_was_tested_install_themselves(
    here: tuple[str, str], offered: tuple[str, str], taken: dict[str, str], default_release: str, tmp_path: Path
) -> None:
    apt = Apt(tmp_path, pins(default_release=default_release))
    if default_release:
        (tmp_path / "etc/apt.conf.d/release").write_text(f'APT::Default-Release "{default_release}";', encoding="ascii")
    apt.installed(ejabberd=here[0], erlang_p1_xmpp=here[1])
    apt.offer("".join(offered), OLD)
    assert upgrades(apt) == taken


@pytest.mark.parametrize("default_release", ["", "stable"])
@pytest.mark.parametrize(
    ("offered", "installed"),
    [
        (server("26.07-1~bpo13+1", "26.10-1~bpo13+1"), "26.07-1~bpo13+1"),
        (server("26.10-1~bpo13+1"), "26.10-1~bpo13+1"),
    ],
)
def test_bare_host_takes_the_tested_one_or_what_there_is(
    offered: str, installed: str, default_release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = Apt(tmp_path, pins(default_release=default_release))
    if default_release:
        (tmp_path / "etc/apt.conf.d/release").write_text(f'APT::Default-Release "{default_release}";', encoding="ascii")
    apt.installed()
    apt.offer(offered + library("1.14.0-1~bpo13+1"), OLD)
    plan = apt.run("apt-get", "--simulate", "install", "ejabberd")
    assert re.findall(r"^Inst (\S+) \((\S+)", plan, re.MULTILINE) == [
        ("erlang-p1-xmpp", "1.14.0-1~bpo13+1"),
        ("ejabberd", installed),
    ]
    monkeypatch.setattr(own_versions, "run", apt.run)
    own_versions.refuse_old({"ejabberd": FEATURE})


def test_untested_version_of_a_host_gets_its_own_fixes(tmp_path: Path) -> None:
    apt = Apt(tmp_path, pins("26.10"))
    apt.installed(ejabberd="26.10-1~bpo13+1", erlang_p1_xmpp="1.14.0-1~bpo13+1")
    apt.offer(server("26.07-9~bpo13+1", "26.10-2~bpo13+1", "27.01-1~bpo13+1") + library("1.14.0-1~bpo13+1"), OLD)
    assert upgrades(apt) == {"ejabberd": "26.10-2~bpo13+1"}


def test_operator_can_install_a_newer_one(tmp_path: Path) -> None:
    """By the command that check.yml prints, which brings the libraries that it needs."""
    apt = Apt(tmp_path, pins())
    apt.installed(ejabberd="26.07-1~bpo13+1", erlang_p1_xmpp="1.13.4-1~bpo13+1")
    newer = stanza("ejabberd", "26.10-1~bpo13+1", "erlang-p1-xmpp (>= 1.14.0)")
    apt.offer(newer + library("1.14.0-1~bpo13+1"), OLD)
    plan = apt.run("apt-get", "--simulate", "install", "ejabberd/trixie-backports")
    assert set(re.findall(r"^Inst (\S+) .*?\((\S+)", plan, re.MULTILINE)) == {
        ("ejabberd", "26.10-1~bpo13+1"),
        ("erlang-p1-xmpp", "1.14.0-1~bpo13+1"),
    }


def test_pin_of_the_operator_is_still_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = Apt(tmp_path, pins())
    own = tmp_path / "etc/preferences.d/a"
    own.write_text("Package: ejabberd\nPin: version 24.*\nPin-Priority: 1001\n", encoding="ascii")
    apt.installed()
    apt.offer(server("26.07-1~bpo13+1") + library("1.13.4-1~bpo13+1"), OLD)
    for name, value in (("run", apt.run), ("APT", tmp_path / "etc"), ("OUR_PINS", tmp_path / "etc/preferences.d/xmpp")):
        monkeypatch.setattr(own_versions, name, value)
    with pytest.raises(PackagesError) as error:
        own_versions.refuse_old({"ejabberd": FEATURE})
    assert f"{own} (Package: ejabberd, Pin: version 24.*, Pin-Priority: 1001)" in str(error.value)
