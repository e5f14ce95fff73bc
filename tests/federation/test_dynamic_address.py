# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose address changes tells the name server, and only who has the key can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import dns.message
import dns.query
import pytest
from testinfra.host import Host

from ..kit.service import Service
from .between import STATE, deploy, run_playbook
from .provider import ovh, provider

# Nobody's: AS112's second network (RFC 7534), and its IPv6 one.
MOVED, MOVED6, AGAIN = "192.175.48.77", "2620:4f:8000::77", "192.175.48.78"
TAGS = "--tags=base,dynamic_dns"
ON = {"xmpp_dynamic_address": True}
TELL = "systemctl start xmpp-dynamic-dns.service"  # as its timer does every few minutes


def published(name: str, kind: str) -> set[str]:
    """Return what the name server answers: addresses, and the names on the way to them."""
    server = (STATE / "names").read_text(encoding="ascii")
    answer = dns.query.udp(dns.message.make_query(name, kind), server, timeout=10)
    return {str(record) for found in answer.answer for record in found if found.rdtype == answer.question[0].rdtype}


@contextlib.contextmanager
def new_address(host: Host) -> Iterator[None]:
    """An IPv6 address comes, as with a router's new prefix."""
    host.check_output(f"ip -6 address add {MOVED6}/128 dev eth0 nodad")
    try:
        yield
    finally:
        host.check_output(f"ip -6 address del {MOVED6}/128 dev eth0")


@pytest.fixture(scope="module")
def told(alpha: Service, names: Host) -> Iterator[Service]:
    """Alpha, telling its addresses. Afterwards what tells them is gone, and the records are as they were."""
    records = [(name, kind) for name in (alpha.domain, alpha.name("turn")) for kind in ("A", "AAAA")]
    before = {record: published(*record) for record in records}
    try:
        deploy(alpha, TAGS, settings=ON)
        yield alpha
    finally:
        deploy(alpha, TAGS)
        steps = [f"begin {alpha.domain}"]
        for name, kind in records:
            if published(name, kind):
                steps.append(f"unset {alpha.domain} {name}. {kind}")
            steps += [f"set {alpha.domain} {name}. 300 {kind} {address}" for address in before[name, kind]]
        names.check_output(" && ".join(f"knotc zone-{step}" for step in [*steps, f"commit {alpha.domain}"]))
        assert {record: published(*record) for record in records} == before
        assert alpha.host.run("systemctl cat xmpp-dynamic-dns.timer").failed


@pytest.mark.timeout(600)
def test_wrong_key_is_refused(told: Service) -> None:
    """The operator is told so in a sentence, without the key, and the records stay."""
    before = published(told.domain, "A")
    wrong = {"xmpp_public_addresses": [MOVED], "xmpp_dns_key_secret": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}
    done = run_playbook("site.yml", TAGS, limit="alpha", settings=ON | wrong)
    assert done.returncode != 0
    words = " ".join(done.stdout.split())
    fault = "it has a different key of that name (xmpp_dns_key_secret, xmpp_dns_key_algorithm)."
    assert f"rejects the update: {fault}" in words
    assert "AAAAAAAA" not in done.stdout + done.stderr
    assert published(told.domain, "A") == before


@pytest.mark.timeout(600)
def test_new_address_is_told(told: Service) -> None:
    """By an update to the server (RFC 2136); the names of the parts follow, being aliases."""
    deploy(told, TAGS, settings=ON | {"xmpp_public_addresses": [MOVED]})
    assert published(told.domain, "A") == {MOVED}
    assert published(told.name("muc"), "A") == {MOVED}
    with new_address(told.host):
        told.host.check_output(TELL)
    assert published(told.domain, "AAAA") == {MOVED6}
    assert published(told.domain, "A") == {MOVED}


@pytest.mark.timeout(600)
def test_new_address_is_told_to_a_provider(told: Service, names: Host) -> None:
    """By its interface, also by the timer from its sandbox. The secret is root's alone."""
    with provider(names, told.host):
        deploy(told, TAGS, settings=ON | ovh() | {"xmpp_public_addresses": [AGAIN]})
        assert published(told.domain, "A") == published(told.name("turn"), "A") == {AGAIN}
        assert told.host.check_output("stat --format='%U %a' /etc/xmpp/dynamic-dns.json") == "root 600"
        with new_address(told.host):
            told.host.check_output(TELL)
        assert published(told.domain, "AAAA") == {MOVED6}
        assert published(told.domain, "A") == {AGAIN}
