# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates on the host: all names, a key that only its users read, a renewal that nobody has to remember."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

HOME = "/etc/xmpp/certificates"


@pytest.fixture(scope="module")
def domain(host: Host) -> str:
    """The first domain of the service."""
    return str(next(iter(json.loads(host.check_output(f"cat {HOME}/settings.json"))["domains"])))


@pytest.mark.parametrize("component", ["", "muc.", "upload.", "turn.", "proxy.", "pubsub."])
def test_certificate_covers_every_component(host: Host, domain: str, component: str) -> None:
    names = host.check_output(f"openssl x509 -in {HOME}/{domain}/fullchain.pem -noout -ext subjectAltName")
    assert f"DNS:{component}{domain}" in names.replace(",", " ").split()


@pytest.mark.parametrize("user", ["ejabberd", "turnserver", "www-data", "nobody"])
def test_key_is_closed_to_accounts(host: Host, domain: str, user: str) -> None:
    """Services get it by the group that their unit adds, and nobody by the account alone."""
    assert host.file(f"{HOME}/{domain}/privkey.pem").exists
    assert host.run(f"runuser -u {user} -- cat {HOME}/{domain}/privkey.pem").rc != 0


def test_key_of_the_authority_is_root_s_alone(host: Host) -> None:
    key = host.file(f"{HOME}/ca.key")
    assert (key.user, key.mode) == ("root", 0o600)


def test_renewal_runs_by_itself_and_changes_nothing_now(host: Host, domain: str) -> None:
    assert host.service("xmpp-certificates.timer").is_running
    before = host.file(f"{HOME}/{domain}/fullchain.pem").sha256sum
    host.check_output("systemctl start xmpp-certificates.service")
    assert host.file(f"{HOME}/{domain}/fullchain.pem").sha256sum == before
