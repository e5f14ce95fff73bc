# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's domains, its settings and a certificate, as what asks DNS is told of them."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PARTS = ("muc", "upload", "proxy", "pubsub")
ACME = {"challenge": "http", "authorities": ["letsencrypt.org", "example.net"]}


def domain(name: str, host: str = "", **parts: str) -> dict[str, str]:
    """Return a domain as xmpp_derived_domains has it."""
    return {"domain": name, "host": host or name} | {part: f"{part}.{name}" for part in PARTS} | parts


def settings(*domains: dict[str, str], **others: Any) -> dict[str, Any]:
    """Return what playbooks/vars/dns.yml makes of the defaults."""
    return {
        "domains": list(domains) or [domain("friends.test")],
        "components": [],
        "turn_domain": "turn.friends.test",
        "own_addresses": ["203.0.113.7", "2001:db8::7"],
        "public_addresses": [],
        "dynamic": False,
        "stun": False,
        "federation": True,
        "https_port": 443,
        "single_port": False,
        "challenge": "",
        "challenge_dns": "xmpp_acme_challenge: dns",
        "authorities": [],
        "authorities_missing": "nobody is there.",
        "dnssec": False,
        "certificates": {},
    } | others


def certificate() -> tuple[str, str]:
    """Return a certificate as PEM and what TLSA 3 1 1 says about it, computed by other means."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "friends.test")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return built.public_bytes(serialization.Encoding.PEM).decode(), hashlib.sha256(public).hexdigest()
