# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as no honest authority gives them, signed with the key of ours, which pebble shows to whoever asks."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from testinfra.host import Host

from ..kit.service import Service

_FETCH = """
import json, ssl, urllib.request
trust = ssl.create_default_context(cafile="/etc/pebble/directory.pem")
def fetch(what):
    with urllib.request.urlopen(f"https://localhost:15000/{what}/0", context=trust, timeout=10) as answer:
        return answer.read().decode()
print(json.dumps([fetch("intermediates"), fetch("intermediate-keys")]))
"""

Pair = tuple[bytes, bytes]
"""A chain and its key, in PEM form."""


@dataclass(frozen=True)
class Authority:
    """Who signs: the public authority, or (without a certificate) nobody but oneself."""

    certificate: x509.Certificate | None = None
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None

    @classmethod
    def of(cls, names: Host) -> Authority:
        """The public authority."""
        certificate, pem = json.loads(names.check_output(shlex.join(["python3", "-c", _FETCH])))
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        return cls(x509.load_pem_x509_certificate(certificate.encode()), key)

    def issue(self, *names: str, days: int = 1, for_clients: bool = True) -> Pair:
        """A certificate that began 30 days ago and ends in so many days (less than 0: it is over)."""
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        today = datetime.datetime.now(datetime.UTC)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if for_clients else [])]
        leaf = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject if self.certificate else subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=30))
            .not_valid_after(today + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self.key or own, hashes.SHA256())
        )
        chain = b"".join(
            one.public_bytes(serialization.Encoding.PEM) for one in (leaf, self.certificate) if one is not None
        )
        key = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return chain, key


@contextlib.contextmanager
def showing(service: Service, pair: Pair) -> Iterator[None]:
    """Lets ejabberd show these; afterwards xmpp-certificates puts right what is wrong, as it does on every run."""
    folder = f"/etc/xmpp/certificates/{service.domain}"
    try:
        for name, content in zip(("fullchain.pem", "privkey.pem"), pair, strict=True):
            encoded = base64.b64encode(content).decode()
            # ejabberd reads anew what is younger, by whole seconds.
            younger = f"touch --date=@$(($(stat --format=%Y {folder}/{name}) + 1))"
            service.host.check_output(
                f"{younger} /run/younger && echo {encoded} | base64 -d > {folder}/{name} && "
                f"touch --reference=/run/younger {folder}/{name} && rm /run/younger"
            )
        # Not systemd's reload, which waits until the domain shows what is its own.
        service.host.check_output("ejabberdctl reload_config")
        yield
    finally:
        service.host.check_output("rm /etc/xmpp/certificates/deployed && xmpp-certificates")
