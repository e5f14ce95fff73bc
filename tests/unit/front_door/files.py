# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of an operator's: certificates, keys, programs, vaulted settings."""

from __future__ import annotations

import datetime
from pathlib import Path

from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VAULT_PASSWORD = "vault password"
# Programs of an operator's, and what is none.
HOOKS = {
    "hook.sh": b"#!/bin/sh\n",
    "hook.elf": b"\x7fELF\x02\x01\x01\x00",
    "hook.dos": b"#!/bin/sh\r\nexit\r\n",
    "hook.bom": b"\xef\xbb\xbf#!/bin/sh\n",
    "hook.empty": b"",
}


def make_certificate(folder: Path, name: str, names: list[str], first: int = 2020, last: int = 2200) -> None:
    """Write name.pem, valid from new year to new year, and name.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(first, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(last, 1, 2, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(entry) for entry in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    save_key(key, folder / f"{name}.key", serialization.NoEncryption())


def save_key(key: ec.EllipticCurvePrivateKey, path: Path, encryption: serialization.KeySerializationEncryption) -> None:
    """Write a private key in PEM form."""
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption),
    )


def vaulted(name: str, value: str) -> str:
    """Return the YAML of a setting encrypted by Ansible Vault."""
    text = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))]).encrypt(value).decode()
    return f"{name}: !vault |\n" + "".join(f"  {line}\n" for line in text.splitlines())
