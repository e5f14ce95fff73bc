# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, compare and build X.509 certificates and their keys."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def now() -> datetime.datetime:
    """Return the current time with its time zone."""
    return datetime.datetime.now(datetime.UTC)


def remaining(certificate: x509.Certificate) -> datetime.timedelta:
    """Return how long a certificate is still valid; negative once it has expired."""
    return certificate.not_valid_after_utc - now()


def has_expired(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is no longer valid."""
    return remaining(certificate) < datetime.timedelta(0)


def names_of(certificate: x509.Certificate) -> set[str]:
    """Return the DNS names that a certificate covers, in lower case (RFC 9525: subjectAltName only)."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return {name.lower() for name in alternative.value.get_values_for_type(x509.DNSName)}


def missing_in(certificate: x509.Certificate, names: list[str]) -> list[str]:
    """Return those of *names* that the certificate does not cover; a wildcard covers one label."""
    have = names_of(certificate)
    return [name for name in names if name not in have and f"*.{name.partition('.')[2]}" not in have]


def load(path: Path) -> x509.Certificate | None:
    """Return the first certificate of a PEM file, None if there is no file."""
    return x509.load_pem_x509_certificate(path.read_bytes()) if path.exists() else None


def load_key(path: Path) -> PrivateKeyTypes:
    """Return the private key of a PEM file."""
    return serialization.load_pem_private_key(path.read_bytes(), password=None)


def to_pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates in PEM format, one after the other."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def key_pem(key: PrivateKeyTypes) -> bytes:
    """Return a private key in PEM format, as unencrypted PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(of: PrivateKeyTypes | x509.Certificate) -> bytes:
    """Return the public key (DER), to compare that of a private key with that of a certificate."""
    return of.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    """Return what the certificate of a CA and that of a server have in common."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - datetime.timedelta(hours=1))
        .not_valid_after(now() + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """Return the key usage of a CA or of a server (RFC 5280, 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Return whether a CA's key has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
