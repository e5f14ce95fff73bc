# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/check.yml and a real name server: content with what dns.yml prints, exact about what is missing."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from ..kit.service import Service
from .between import run_playbook


@contextlib.contextmanager
def without(names: Host, zone: str, owner: str, kind: str) -> Iterator[None]:
    """Takes a record out of the zone, and puts it back."""
    found: str = names.check_output(f"knotc zone-read {zone} {owner} {kind}")
    records = [shlex.join(line.split("] ", 1)[1].split()) for line in found.splitlines()]
    assert records
    change(names, zone, f"knotc zone-unset {zone} {owner} {kind}")
    try:
        yield
    finally:
        change(names, zone, *(f"knotc zone-set {zone} {record}" for record in records))


def change(names: Host, zone: str, *commands: str) -> None:
    names.check_output(" && ".join([f"knotc zone-begin {zone}", *commands, f"knotc zone-commit {zone}"]))


def check(names: Host) -> tuple[int, str]:
    """The exit code of check.yml, and all that it prints."""
    resolver = names.interface("eth0").addresses[0]
    done = run_playbook("playbooks/check.yml", limit="alpha,beta", settings={"resolver": resolver, "only": "dns"})
    return done.returncode, done.stdout


def test_what_was_printed_is_enough(names: Host) -> None:
    code, text = check(names)
    assert code == 0, text


def test_delegated_domain_has_no_address(names: Host) -> None:
    """All that reaches users of beta.test in these tests goes where its SRV records lead."""
    for kind in ("A", "AAAA"):
        assert names.run(f"knotc zone-read beta.test @ {kind}").stdout == ""
    assert "chat.beta.test." in names.check_output("knotc zone-read beta.test _xmpp-server._tcp SRV")


@pytest.mark.parametrize(
    ("owner", "kind", "verdict"),
    [
        ("_xmpp-client._tcp", "SRV", "FAIL"),
        ("upload", "CNAME", "FAIL"),
        ("_xmpps-server._tcp", "SRV", "WARN"),
    ],
)
def test_missing_record_is_named(alpha: Service, names: Host, owner: str, kind: str, verdict: str) -> None:
    """Without the first two something does not work; without the last it works less well."""
    with without(names, alpha.domain, owner, kind):
        code, text = check(names)
    (line,) = [line for line in text.splitlines() if f" {owner}.{alpha.domain} " in line and verdict in line]
    assert line.startswith(verdict)
    assert (code != 0) == (verdict == "FAIL")
