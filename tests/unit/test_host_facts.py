# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archive a host installs Debian from, whatever way its sources are written."""

from __future__ import annotations

import json
from pathlib import Path
from socket import AddressFamily
from typing import cast

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.addresses import source_address
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import (
    addresses,
    memory,
    packages,
    removals,
    service,
    ssh,
)

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

ONE_LINE = """
# deb http://commented.test/debian trixie main
deb [arch=amd64 signed-by={keyring}] http://mirror.test/debian trixie main contrib
deb http://mirror.test/debian trixie-updates main
deb http://security.test/debian-security trixie-security main
deb-src http://source.test/debian trixie main
"""
DEB822 = """
Types: deb
# a comment in between
URIs: http://mirror.test/debian/
Suites: trixie trixie-updates
Components: main
Signed-By: {keyring}

Types: deb
URIs: http://security.test/debian-security
Suites: trixie-security
Components: main

Types: deb deb-src
Enabled: no
URIs: http://disabled.test/debian
Suites: trixie trixie-updates trixie-backports
Components: main
"""
BACKPORTS = "Types: deb\nURIs: http://mirror.test\nSuites: trixie-backports\nComponents: main"
RASPBERRY_PI = """
Types: deb
URIs: http://archive.pi.test/debian/
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/raspberrypi-archive-keyring.pgp
"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sources.list": ONE_LINE}, ("http://mirror.test/debian", KEYRING)),
        ({"sources.list.d/debian.sources": DEB822}, ("http://mirror.test/debian", KEYRING)),
        (
            {"sources.list.d/debian.sources": DEB822, "sources.list.d/a.sources": RASPBERRY_PI},
            ("http://mirror.test/debian", KEYRING),
        ),
        ({"sources.list": "deb http://mirror.test/debian trixie main"}, ("http://mirror.test/debian", "")),
        ({"sources.list": "deb http://mirror.test/debian bookworm main"}, ("", "")),
        ({"sources.list": "deb http://mirror.test/debian trixie contrib"}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_mirror(
    files: dict[str, str], expected: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "APT", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text.format(keyring=KEYRING), encoding="utf-8")
    assert packages.mirror("trixie") == expected


def test_ports_of_this_connection_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 51000 192.0.2.1 2222")
    assert 2222 in ssh.ssh_ports([])


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("own.list", "deb http://mirror.test/debian trixie-backports main", True),
        ("own.list", "deb http://mirror.test/debian trixie-backports contrib non-free", False),
        (
            "own.sources",
            "Types: deb\nURIs: http://m.test\nSuites: trixie-backports\nComponents: contrib\n main",
            True,
        ),
        (
            "xmpp-backports.sources",
            "Types: deb\nURIs: http://m.test\nSuites: trixie-backports\nComponents: main",
            False,
        ),
        (
            "own.sources",
            "Types: deb\nEnabled: false\nURIs: http://m.test\nSuites: trixie-backports\nComponents: main",
            False,
        ),
    ],
)
def test_backports_of_the_operator_are_seen(
    name: str, text: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second entry for the same suite with another keyring would stop apt altogether."""
    monkeypatch.setattr(packages, "APT", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text, encoding="utf-8")
    assert packages.has_backports("trixie") is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb [signed-by=/own.gpg] http://mirror.test/debian/ trixie-backports contrib", "/own.gpg"),
        ("deb http://mirror.test/debian trixie-backports contrib", ""),
        ("deb [signed-by=/own.gpg] http://other.test/debian trixie-backports contrib", "/mirror.gpg"),
        ("deb [signed-by=/own.gpg] http://mirror.test/debian trixie-updates contrib", "/mirror.gpg"),
    ],
)
def test_our_backports_have_the_key_that_the_operators_part_of_them_has(
    line: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "APT", tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(line, encoding="utf-8")
    assert packages.backports_key("trixie", "http://mirror.test/debian", "/mirror.gpg") == expected
    assert packages.backports_key("trixie", "http://elsewhere.test/debian", "") == packages.KEYRING


def test_host_without_ipv6_has_no_address() -> None:
    class Family(int):
        """A family that no kernel knows."""

    assert source_address(cast(AddressFamily, Family(250)), "2001:db8::1") == ""


def test_process_that_only_calls_itself_sshd_opens_nothing() -> None:
    assert ssh.executable("self") not in ssh.SSH_SERVERS


def test_roles_with_files_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was switched off leaves a list without files, one that a power cut met an empty file."""
    monkeypatch.setattr(tree_files, "MANIFESTS", tmp_path)
    for role, files in (("nginx", {"/etc/nginx/xmpp.conf": "0" * 64}), ("coturn", {})):
        (tmp_path / f"{role}.json").write_text(json.dumps({"files": files, "changed": {}}), encoding="utf-8")
    (tmp_path / "website.json").write_text("", encoding="utf-8")
    assert service.trees() == ["nginx", "website"]


def test_links_in_the_folders_of_the_service_are_seen(tmp_path: Path) -> None:
    """Where the service writes; not above, which is the operator's affair (/srv on another disk)."""
    disk, top = tmp_path / "disk", tmp_path / "top"
    for folder in ("data", "srv/xmpp/upload", "srv/xmpp/website"):
        (disk / folder).mkdir(parents=True)
    (disk / "one.db").touch()
    top.symlink_to(disk / "srv")
    assert service.links([f"{top}/xmpp", f"{top}/missing"]) == {}
    (top / "xmpp/upload/data").symlink_to(disk / "data")
    (top / "xmpp/xmpp.db").symlink_to(disk / "one.db")
    (top / "xmpp/gone").symlink_to("../gone")
    assert service.links([f"{top}/xmpp"]) == {
        f"{top}/xmpp/upload/data": str(disk / "data"),
        f"{top}/xmpp/xmpp.db": "",
        f"{top}/xmpp/gone": "../gone",
    }
    (top / "other").symlink_to("xmpp")
    assert service.links([f"{top}/other"])[f"{top}/other"] == "xmpp"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("", ""),
        ("backup", ""),
        ("own-backup", ""),
        ("own", "own"),
        ("own/backup", "own"),
        ("link/backup", "own"),
        ("through/own/backup", "own"),
    ],
)
def test_folder_that_goes_with_the_service_is_seen(folder: str, expected: str, tmp_path: Path) -> None:
    """Wherever links lead, of either."""
    (tmp_path / "disk/own").mkdir(parents=True)
    (tmp_path / "own").symlink_to("disk/own")
    (tmp_path / "link").symlink_to("disk/own")
    (tmp_path / "through").symlink_to("disk")
    found = service.inside(f"{tmp_path}/{folder}" if folder else "", [str(tmp_path / "own")])
    assert found == (f"{tmp_path}/{expected}" if expected else "")


OWN = {"127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"}


@pytest.mark.parametrize(
    ("metrics", "stun_server", "words"),
    [
        ("", "", []),
        ("127.0.0.1:9100", "turn.neighbour.test:3478", []),
        # All of 127.0.0.0/8 is loopback, written down or not.
        ("127.1.2.3", "198.51.100.7", []),
        ("192.0.2.7:9101", "", []),
        ("[2001:DB8:0::7]:9100", "", []),
        ("10.99.99.99:9100", "", ["xmpp_metrics is 10.99.99.99:9100, which is no address of this host"]),
        ("fd00::9", "", ["xmpp_metrics is fd00::9, which is no address of this host (it has 192.0.2.7, 2001:db8::7)"]),
        ("", "192.0.2.7:3478", ["xmpp_stun_server is 192.0.2.7:3478, which is this host itself"]),
        ("10.9.9.9", "192.0.2.7", ["xmpp_metrics is 10.9.9.9, which", "xmpp_stun_server is 192.0.2.7, which"]),
    ],
)
def test_addresses_that_the_host_has_not(metrics: str, stun_server: str, words: list[str]) -> None:
    """A service would be started for ever at them, or ask itself: the run stops before it changes anything."""
    wrong = addresses.wrong_addresses(metrics, stun_server, OWN)
    assert len(wrong) == len(words)
    assert all(sentence.startswith(begin) for sentence, begin in zip(wrong, words, strict=True))


@pytest.mark.parametrize(
    ("files", "changed", "found"),
    [
        ({}, "", []),
        ({"central.conf": "*.* @@log.test\n"}, "", ["central.conf"]),
        # Of a package, or without effect.
        ({"postfix.conf": "$AddUnixListenSocket /var/spool/postfix/dev/log\n", "notes.conf": "# later\n"}, "", []),
        ({"old.conf.bak": "*.* @@log.test\n"}, "", []),
        ({}, "??5?????? c /etc/rsyslog.conf\n", ["/etc/rsyslog.conf"]),
        ({}, "??5??????   /usr/sbin/rsyslogd\nmissing   c /etc/logrotate.d/rsyslog\n", []),
    ],
)
def test_rsyslog_of_the_operator(tmp_path: Path, files: dict[str, str], changed: str, found: list[str]) -> None:
    """Central logging is not taken away without a word; what packages bring is nobody's wish."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    owned = f"postfix: {tmp_path}/postfix.conf\n"
    assert removals.own_rsyslog(tmp_path, changed, owned) == [
        name if name.startswith("/") else str(tmp_path / name) for name in found
    ]


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, 902), ("max\n", 902), ("536870912\n", 512), ("9223372036854771712\n", 902)]
)
def test_memory_is_what_a_host_may_use(tmp_path: Path, limit: str | None, expected: int) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:         924416 kB\nMemFree:          524288 kB\n", encoding="ascii")
    if limit:
        (tmp_path / "memory.max").write_text(limit, encoding="ascii")
    assert memory.memory_mib(tmp_path / "meminfo", tmp_path / "memory.max") == expected


def test_versions_of_names_and_patterns_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package on hold is installed as well; one whose configuration is all that is left is not."""
    states = {
        "ejabberd": "hold ok installed",
        "ejabberd-contrib": "install ok installed",
        "erlang-p1-xmpp": "install ok installed",
        "erlang-p1-gone": "deinstall ok config-files",
    }
    (tmp_path / "status").write_text(
        "".join(f"Package: {name}\nStatus: {state}\nVersion: 1\n\n" for name, state in states.items()), encoding="utf-8"
    )
    monkeypatch.setattr(dpkg, "STATUS", tmp_path / "status")
    assert packages.versions(["ejabberd", "erlang-p1-*"]) == {"ejabberd": "1", "erlang-p1-xmpp": "1"}
