# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that the operator provides."""

from __future__ import annotations

from cryptography import x509

from . import files
from .x509 import has_expired, key_pem, load, load_key, missing_in, names_of, public_key, to_pem


def update(domain: str, names: list[str]) -> bool:
    """Install the operator's files if key, names and date are right; return whether that changed anything."""
    fullchain, privkey = files.HOME / "provided/fullchain.pem", files.HOME / "provided/privkey.pem"
    certificate = load(fullchain)
    if certificate is None:
        raise files.CertificateError(f"{fullchain} is missing: rerun site.yml")
    missing = missing_in(certificate, names)
    if missing:
        have = ", ".join(sorted(names_of(certificate)))
        raise files.CertificateError(f"the certificate does not cover {', '.join(missing)} (it covers {have})")
    if has_expired(certificate):
        raise files.CertificateError(f"the certificate expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    key = load_key(privkey)
    if public_key(certificate) != public_key(key):
        raise files.CertificateError("the private key does not belong to the certificate")
    # Written again: not every service understands text around the PEM blocks, or other line endings.
    chain = x509.load_pem_x509_certificates(fullchain.read_bytes())
    return files.install(domain, to_pem(*chain), key_pem(key))
