# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the program xmpp-certificates share: its folders, an operator's certificate, a deploy hook."""

from __future__ import annotations

import json
from pathlib import Path

from certificates.x509 import certificate_builder, key_pem, to_pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

Paths = tuple[Path, Path]
"""The folder of the certificates, and that of the deploy hooks."""

CHAT = ["chat.test", "upload.chat.test"]


def settings(home: Path, source: str, **domains: list[str]) -> None:
    """Write what the role's template writes; each further domain is given with the names of its certificate."""
    wanted = {"chat.test": CHAT} | {f"{name}.test": names for name, names in domains.items()}
    (home / "settings.json").write_text(json.dumps({"source": source, "domains": wanted}), encoding="utf-8")


def hook(hooks: Path, text: str) -> None:
    """Install a deploy hook."""
    path = hooks / "nginx.hook"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
    path.chmod(0o755)


def told(hooks: Path) -> int:
    """Return how many times the hook ran."""
    path = hooks / "told"
    return len(path.read_text(encoding="ascii").splitlines()) if path.exists() else 0


def certificate(home: Path, domain: str = "chat.test") -> x509.Certificate:
    """Return the certificate in use."""
    return x509.load_pem_x509_certificate((home / domain / "fullchain.pem").read_bytes())


def provide(home: Path, names: list[str]) -> None:
    """Put an operator's certificate where the role puts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    unsigned = certificate_builder(subject, subject, key, 90).add_extension(alternative, critical=True)
    (home / "provided/fullchain.pem").write_bytes(to_pem(unsigned.sign(key, hashes.SHA256())))
    (home / "provided/privkey.pem").write_bytes(key_pem(key))
    settings(home, "provided")
