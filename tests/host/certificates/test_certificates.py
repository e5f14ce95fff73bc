# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate on the host: all names, a key that only its users read, a renewal that nobody has to remember."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

HOME = "/etc/xmpp/certificates"


@pytest.mark.parametrize("component", ["", "muc.", "upload.", "turn.", "proxy.", "pubsub."])
def test_certificate_covers_every_component(host: Host, component: str) -> None:
    domain = json.loads(host.check_output(f"cat {HOME}/settings.json"))["domain"]
    names = host.check_output(f"openssl x509 -in {HOME}/fullchain.pem -noout -ext subjectAltName")
    assert f"DNS:{component}{domain}" in names.replace(",", " ").split()


@pytest.mark.parametrize("user", ["ejabberd", "turnserver", "www-data", "nobody"])
def test_key_is_closed_to_accounts(host: Host, user: str) -> None:
    """Services get it by the group that their unit adds, and nobody by the account alone."""
    assert host.run(f"runuser -u {user} -- cat {HOME}/privkey.pem").rc != 0


def test_key_of_the_authority_is_root_s_alone(host: Host) -> None:
    key = host.file(f"{HOME}/ca.key")
    assert (key.user, key.mode) == ("root", 0o600)


def test_renewal_runs_by_itself_and_changes_nothing_now(host: Host) -> None:
    assert host.service("xmpp-certificates.timer").is_running
    before = host.file(f"{HOME}/fullchain.pem").sha256sum
    host.check_output("systemctl start xmpp-certificates.service")
    assert host.file(f"{HOME}/fullchain.pem").sha256sum == before
