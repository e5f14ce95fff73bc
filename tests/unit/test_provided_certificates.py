# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of xmpp_certificates: provided, as authorities, editors and `cat` make them: every block is looked at."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.provided_certificate import certificate_mistakes
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NAMES = ["friends.test", "muc.friends.test"]
FILE, KEY_FILE = "xmpp_certificate_file", "xmpp_certificate_key_file"
NEEDED = "RSA of 2048 bits or more, P-256 or P-384 is needed"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: bytes
    key: bytes


def make(key: Any = None, issuer_key: Any = None, names: list[str] = NAMES) -> Pair:
    """A certificate, signed by itself or by another key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = issuer_key or key
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("leaf", "authority"))
    today = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer if issuer_key else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    )
    certificate = builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        if not isinstance(key, ed25519.Ed25519PrivateKey)
        else key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


LEAF, OTHER = make(), make()
BAG = b"Bag Attributes\r\n    localKeyID: 01 02\r\nsubject=CN = leaf\r\nissuer=CN = leaf\r\n"
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


def mistakes(chain: bytes, key: bytes = LEAF.key, names: list[str] = NAMES) -> list[tuple[str, str]]:
    return list(certificate_mistakes(chain, key, names))


@pytest.mark.parametrize(
    ("chain", "key"),
    [
        (LEAF.certificate, LEAF.key),
        (LEAF.certificate + OTHER.certificate, LEAF.key),
        (LEAF.certificate.rstrip(b"\n"), LEAF.key),
        (LEAF.certificate.replace(b"\n", b"\r\n") + OTHER.certificate, LEAF.key),
        (BAG + LEAF.certificate + b"\n\n" + BAG + OTHER.certificate, LEAF.key),
        (b"# of our authority\n" + LEAF.certificate, PARAMETERS + LEAF.key),
        (LEAF.certificate + PARAMETERS + LEAF.key, LEAF.key),
        (LEAF.certificate.replace(b"-----\n", b"----- \n"), LEAF.key),
        (LEAF.certificate, b"\xef\xbb\xbf" + LEAF.key),
    ],
    ids=[
        "one",
        "chain",
        "no last line break",
        "CRLF",
        "bag",
        "parameters",
        "combined",
        "blank at the end",
        "key's mark",
    ],
)
def test_file_that_is_right(chain: bytes, key: bytes) -> None:
    assert mistakes(chain, key) == []


@pytest.mark.parametrize(
    ("chain", "wrong"),
    [
        (b"\xef\xbb\xbf" + LEAF.certificate, "begins with a byte order mark"),
        (LEAF.certificate.decode().encode("utf-16"), "contains no certificate in PEM format"),
        (
            LEAF.certificate[:-1] + OTHER.certificate,
            r"has \"-----END CERTIFICATE-----+BEGIN CERTIFICATE-----\" in line",
        ),
        (
            b"x" + LEAF.certificate,
            r"has \"x-----BEGIN CERTIFICATE-----\" in line 1: BEGIN and END each need their own line",
        ),
        (b"<html>\n" + LEAF.certificate, r"has \"<html>\" in line 1, where only certificates are allowed"),
        (LEAF.certificate + b"$ cat chain\n" + OTHER.certificate, r"has \"\$ cat chain\" in line"),
        (LEAF.certificate + b"\xef\xbb\xbf" + OTHER.certificate, r"has \"\\ufeff-----BEGIN CERTIFICATE-----\" in line"),
        (LEAF.certificate[:-30], "ends within the block that begins in line 1|BEGIN and END each need their own line"),
        (LEAF.certificate + LEAF.certificate[:200], "ends within the block that begins in line"),
        (LEAF.certificate + b"-----END CERTIFICATE-----\n", "where a block would begin"),
        (
            LEAF.certificate + b"-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n",
            "that is not a valid certificate",
        ),
        (
            LEAF.certificate + re.sub(rb" CERTIFICATE", b" TRUSTED CERTIFICATE", OTHER.certificate),
            "has a TRUSTED CERTIFICATE block in line",
        ),
        (
            re.sub(rb" CERTIFICATE", b" CERTIFICATE REQUEST", LEAF.certificate),
            "has a CERTIFICATE REQUEST block in line 1",
        ),
        (OTHER.certificate + LEAF.certificate, "has the certificate of the key in position 2: it must come first"),
        (b"", "contains no certificate in PEM format"),
    ],
)
def test_file_that_is_wrong(chain: bytes, wrong: str) -> None:
    """One mistake, one message, about the file of the certificates."""
    found = mistakes(chain)
    assert len(found) == 1, found
    assert found[0][0] == FILE
    assert re.search(wrong, found[0][1]), found


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        (rsa.generate_private_key(65537, 2048), None),
        (ec.generate_private_key(ec.SECP384R1()), None),
        (rsa.generate_private_key(65537, 1024), f"has an RSA key of 1024 bits, which is too weak: {NEEDED}"),
        (ec.generate_private_key(ec.SECP256K1()), f"has a key on the curve secp256k1: {NEEDED}"),
        (ec.generate_private_key(ec.SECP521R1()), f"has a key on the curve secp521r1: {NEEDED}"),
        (ec.generate_private_key(ec.BrainpoolP256R1()), f"has a key on the curve brainpoolP256r1: {NEEDED}"),
        (
            ed25519.Ed25519PrivateKey.generate(),
            f"has a key of the type Ed25519, which ejabberd cannot use: {NEEDED}",
        ),
        (dsa.generate_private_key(2048), f"has a key of the type DSA, which ejabberd cannot use: {NEEDED}"),
    ],
    ids=["RSA", "P-384", "RSA 1024", "secp256k1", "P-521", "brainpool", "Ed25519", "DSA"],
)
def test_kinds_of_keys(key: Any, wrong: str | None) -> None:
    """What one of ejabberd, nginx, coturn and the browsers cannot use is refused."""
    pair = make(key)
    assert mistakes(pair.certificate, pair.key) == ([(FILE, wrong)] if wrong else [])


def test_key_of_an_authority_is_its_own_business() -> None:
    """A private one may have chosen Ed25519; the server shows its certificate, and uses its own key."""
    authority = ed25519.Ed25519PrivateKey.generate()
    leaf, above = make(issuer_key=authority), make(authority)
    assert mistakes(leaf.certificate + above.certificate, leaf.key) == []


@pytest.mark.parametrize(
    ("names", "capitals"),
    [
        (["Friends.TEST", "muc.friends.test"], "friends.test"),
        (["FRIENDS.test", "*.Friends.Test"], "friends.test, muc.friends.test"),
        (["FRIENDS.test", "friends.test", "*.friends.test", "Muc.friends.test"], ""),
    ],
)
def test_names_in_capitals(names: list[str], capitals: str) -> None:
    """DNS knows no case, but ejabberd does not find such a certificate."""
    pair = make(names=names)
    wrong = (
        f"has {capitals} in upper case, which ejabberd does not find: "
        "request a certificate with these names in lower case"
    )
    assert mistakes(pair.certificate, pair.key) == ([(FILE, wrong)] if capitals else [])


def test_names_that_are_missing() -> None:
    assert mistakes(LEAF.certificate, names=[*NAMES, "Upload.friends.test"]) == [
        (FILE, "is not valid for Upload.friends.test")
    ]
