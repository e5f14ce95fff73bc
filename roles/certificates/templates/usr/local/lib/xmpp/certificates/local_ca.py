# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that this host's own certificate authority (CA) issues."""

from __future__ import annotations

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import files
from .x509 import (
    certificate_builder,
    issued_by,
    key_pem,
    key_usage,
    load,
    load_key,
    names_of,
    public_key,
    remaining,
    to_pem,
)

CA_DAYS = 3650
SERVER_DAYS = 90
RENEW_DAYS = 30


def topmost(domains: list[str], names: list[str]) -> list[str]:
    """Return the fewest names such that each of *names* is one of them or a subdomain of one."""
    others = [name for name in names if not any(f".{name}".endswith(f".{domain}") for domain in domains)]
    return [*domains, *sorted(others)]


def may_sign(ca: x509.Certificate, names: list[str]) -> bool:
    """Return whether a CA's name constraints allow all of *names* (RFC 5280, 4.2.1.10)."""
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    allowed = [one.value for one in constraints.permitted_subtrees or []]
    return all(any(f".{name}".endswith(f".{subtree}") for subtree in allowed) for name in names)


def local_ca(domains: list[str], names: list[str]) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return this host's own CA, created on first use; its key never leaves the host.

    Whoever trusts it trusts it for the names of this service only. A name outside of them needs a new CA.
    """
    certificate_path, key_path = files.HOME / "ca.crt", files.HOME / "ca.key"
    certificate = load(certificate_path)
    if certificate is not None and key_path.exists() and may_sign(certificate, names):
        key = load_key(key_path)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return certificate, key
        raise files.CertificateError(
            f"{key_path} is not an elliptic curve key: move ca.crt and ca.key away to get a new CA"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    all_addresses = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(name) for name in topmost(domains, names)],
        excluded_subtrees=[x509.IPAddress(network) for network in all_addresses],
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Local authority of {domains[0]}"[:64])])
    certificate = (
        certificate_builder(subject, subject, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )
    files.write(key_path, key_pem(key), 0o600)
    files.write(certificate_path, to_pem(certificate), 0o644)
    return certificate, key


def update(wanted: dict[str, list[str]], domain: str) -> bool:
    """Issue a certificate if the names differ or the current one expires soon; return whether that changed anything."""
    names = wanted[domain]
    ca, ca_key = local_ca(list(wanted), [name for names in wanted.values() for name in names])
    fullchain, privkey = files.in_use(domain)
    current = load(fullchain)
    if (
        current is not None
        and privkey.exists()
        and issued_by(current, ca)
        and names_of(current) == set(names)
        and public_key(current) == public_key(load_key(privkey))
        and remaining(current) > datetime.timedelta(days=RENEW_DAYS)
    ):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)]) if len(domain) <= 64 else x509.Name([])
    certificate = (
        certificate_builder(subject, ca.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(ca=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return files.install(domain, to_pem(certificate, ca), key_pem(key))
