# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates by records at a DNS provider: ordered, renewed, and gone without a trace when it is switched off."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.plugins.loader import init_plugin_loader
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from ..kit.playbook import CHECKOUT
from ..kit.service import Service
from .between import deploy
from .certificates import certificate_at, names_in
from .provider import HERE, PORT, SECRET, at, ovh, provider

pytestmark = pytest.mark.timeout(600)

TAGS = "--tags=base,certificates"
# Fewer than they have: lego waits for seconds with each one.
FEW = {"certificates_names": {"beta.test": ["beta.test", "chat.beta.test"], "gamma.test": ["gamma.test"]}}
LEGO, SETTINGS = "/etc/xmpp/certificates/lego", "/etc/xmpp/certificates/lego.json"
CERTBOT, KEPT = "/etc/letsencrypt", "/run/letsencrypt"
INTERFACE, LIBRARY = f"http://names.test:{PORT}/client/v4", "/root/.cloudflare.cfg"
RENEW = "systemctl start xmpp-certificates.service"  # as its timer does every day


def challenges(names: Host) -> str:
    """Return the records of challenges that are left."""
    return str(names.check_output("knotc zone-read beta.test; knotc zone-read gamma.test | grep TXT || test $? = 1"))


@pytest.fixture(scope="module", autouse=True)
def _provider(beta: Service, names: Host) -> Iterator[None]:
    """A provider runs. Afterwards settings and certificates are those from before, so that none is ordered."""
    beta.host.check_output(f"cp --archive {CERTBOT} {KEPT}")
    with provider(names, beta.host):
        yield
    beta.host.check_output(f"rm -r {CERTBOT} && mv {KEPT} {CERTBOT}")
    deploy(beta, "--tags=certificates")


def renew(beta: Service, settings: dict[str, Any]) -> CommandResult:
    """Let the timer's service find that the certificate of gamma.test is due, with these settings."""
    given = json.loads(beta.host.check_output(f"cat {SETTINGS}"))
    given |= {"provider": settings["xmpp_dns_provider"], "credentials": settings["xmpp_dns_credentials"]}
    beta.host.check_output(f"echo {shlex.quote(json.dumps(given))} > {SETTINGS}")
    beta.host.check_output(f"rm -f {LEGO}/*/certificates/gamma.test.crt")
    return beta.host.run(RENEW)


def test_order(beta: Service, gamma: Service, names: Host) -> None:
    """All domains get a certificate, the records of the challenges are removed, and the secret is root's alone."""
    before = [certificate_at(one, one.domain, 5223) for one in (beta, gamma)]
    deploy(beta, TAGS, settings=ovh() | FEW)
    now = [certificate_at(one, one.domain, 5223) for one in (beta, gamma)]
    assert not [one for one in now if one in before]
    assert [sorted(names_in(one)) for one in now] == list(FEW["certificates_names"].values())
    assert "_acme-challenge" not in challenges(names)
    assert beta.host.check_output(f"stat --format='%U %a' {SETTINGS}; find {LEGO} -perm /077") == "root 600"
    assert beta.host.check_output(f"grep -rl {SECRET} /etc /run /srv /tmp /usr/local /var") == SETTINGS
    assert json.loads(beta.host.check_output("/usr/local/sbin/xmpp-certificates"))["changed"] is False


def test_wrong_secret_is_told_and_changes_nothing(beta: Service, gamma: Service) -> None:
    before = certificate_at(gamma, gamma.domain, 5223)
    assert renew(beta, ovh("eev5iePhuCh9")).failed
    said = beta.host.check_output("journalctl --unit=xmpp-certificates.service --output=cat")
    assert "No change to the certificate of gamma.test: no certificate could be ordered" in said
    assert re.search(r"by records at ovh \(xmpp_dns_provider\): (\S+\.)?gamma\.test: .*Invalid signature", said)
    assert "eev5iePhuCh9" not in said
    assert certificate_at(gamma, gamma.domain, 5223) == before


def test_renewal_by_the_timer(beta: Service, gamma: Service, names: Host) -> None:
    """In its sandbox, and by another provider than the order: what is set now counts."""
    before = certificate_at(gamma, gamma.domain, 5223)
    credentials = {"HTTPREQ_USERNAME": "operator", "HTTPREQ_PASSWORD": SECRET, "HTTPREQ_POLLING_INTERVAL": "1"}
    done = renew(beta, at("httpreq", HTTPREQ_ENDPOINT=f"http://{HERE}", **credentials))
    assert done.succeeded, beta.host.check_output("journalctl --unit=xmpp-certificates.service --output=cat")
    assert certificate_at(gamma, gamma.domain, 5223) != before
    assert "_acme-challenge" not in challenges(names)


def test_list_of_providers_is_a_part_of_what_lego_knows(beta: Service) -> None:
    """Each by its name, with the names of its credentials."""
    init_plugin_loader([str(CHECKOUT / "collections")])
    from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.dns_providers import PROVIDERS

    for name, provided in PROVIDERS.items():
        if provided.client == "lego":
            said = beta.host.check_output(f"lego dnshelp --code={name}")
            assert [known for known in provided.known if f'"{known}"' not in said] == []


def test_order_by_a_plugin_of_certbot(beta: Service, names: Host) -> None:
    """Where Debian's lego cannot do it; nothing is left of lego. The plugin's library finds the interface by a file."""
    beta.host.check_output(f"printf '[CloudFlare]\nbase_url = {INTERFACE}\n' > {LIBRARY}")
    before = certificate_at(beta, beta.domain, 5223)
    try:
        deploy(beta, TAGS, settings=at("cloudflare", CF_DNS_API_TOKEN=SECRET) | FEW)
    finally:
        beta.host.check_output(f"rm {LIBRARY}")
    assert certificate_at(beta, beta.domain, 5223) != before
    assert "_acme-challenge" not in challenges(names)
    assert beta.host.check_output("stat --format='%U %a' /etc/xmpp/certificates/dns.ini") == "root 600"
    beta.host.check_output(RENEW)
    left = beta.host.check_output("find /etc/xmpp -name 'lego*'; grep -rl 'Package: lego' /etc/apt || test $? = 1")
    assert left == ""
