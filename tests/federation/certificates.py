# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as whoever connects is shown them, and when they are renewed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cryptography import x509

from ..kit.service import Service


def certificate_at(service: Service, name: str, port: int) -> x509.Certificate:
    """What is shown to somebody who asks for *name*, verified by the authority's root alone."""
    with service.connect_tls(name, port) as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def names_in(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


@contextlib.contextmanager
def time_to_renew(service: Service) -> Iterator[None]:
    """Lets certbot think that the end of the certificate is near."""
    renewal = f"/etc/letsencrypt/renewal/xmpp_{service.domain}.conf"
    service.host.check_output(f"sed -i '1i renew_before_expiry = 1 year' {renewal}")
    try:
        yield
    finally:
        service.host.check_output(f"sed -i /renew_before_expiry/d {renewal}")
