# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a public authority: everywhere, for every name, each domain its own, and ordered once."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ..kit.service import Service
from .between import deploy, web_name
from .certificates import certificate_at, names_in

PARTS = ("muc", "upload", "proxy", "pubsub")
ARCHIVE = "find /etc/letsencrypt/archive -name 'cert*.pem' -printf '%p %T@\\n'"


@pytest.mark.parametrize("port", [443, 5223, 5270])
@pytest.mark.parametrize("domain", ["alpha", "beta", "gamma"])
def test_each_domain_shows_its_own_certificate(request: pytest.FixtureRequest, domain: str, port: int) -> None:
    """Web, clients and servers see one certificate, with all names of the domain and of no other."""
    service: Service = request.getfixturevalue(domain)
    relay = [service.name("turn")] if domain != "gamma" else []
    certificate = certificate_at(service, web_name(service) if port == 443 else service.domain, port)
    assert names_in(certificate) == {service.domain, web_name(service), *(service.name(part) for part in PARTS), *relay}
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("port", [5223, 5270])
@pytest.mark.parametrize("domain", ["alpha", "beta", "gamma"])
def test_parts_are_certified(request: pytest.FixtureRequest, domain: str, port: int) -> None:
    """A neighbour server that looks up a room's server meets its name."""
    service: Service = request.getfixturevalue(domain)
    for part in PARTS:
        assert service.name(part) in names_in(certificate_at(service, service.name(part), port))


@pytest.mark.parametrize("domain", ["alpha", "beta"])
def test_relay_is_certified(request: pytest.FixtureRequest, domain: str) -> None:
    service: Service = request.getfixturevalue(domain)
    assert service.name("turn") in names_in(certificate_at(service, service.name("turn"), 5349))


def test_second_run_orders_nothing(beta: Service) -> None:
    """Authorities have limits; certificates are ordered when they are needed."""
    before = beta.host.check_output(ARCHIVE)
    assert "/xmpp_beta.test/" in before
    assert "/xmpp_gamma.test/" in before
    deploy(beta, "--tags=certificates")
    assert beta.host.check_output(ARCHIVE) == before
