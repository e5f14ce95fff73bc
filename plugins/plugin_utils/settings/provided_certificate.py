# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a certificate that the operator provides: what every program of the service can use, for every name."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import SHOWN_MAX, first_words

# What ejabberd, nginx, coturn and today's browsers can all use. (ejabberd passes over others without a word; browsers
# know no P-521; nginx and coturn refuse RSA below this, and certificates signed with these digests.)
RSA_BITS = 2048
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}
KEYS = f"RSA of {RSA_BITS} bits or more, {' or '.join(CURVES.values())} is needed"
WEAK_DIGESTS = ("md5", "sha1")
MARKER = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*")
# Beside certificates, and left out on the host: what programs put into the same file.
BESIDE = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "EC PARAMETERS", "DH PARAMETERS")
# What openssl writes between certificates, and comments.
REMARK = re.compile(r"\s|#|(Bag|Key) Attributes|[A-Za-z][\w .-]*[:=]")
BYTE_ORDER_MARKS = ("\ufeff", "\xff\xfe", "\xfe\xff")


def check_provided_certificate(settings: HostSettings, read: Callable[[str], bytes]) -> None:
    """Check both files, if they are used."""
    names = ("xmpp_certificate_file", "xmpp_certificate_key_file")
    if settings.values.get("xmpp_certificates") != "provided" or not all(settings.values.get(name) for name in names):
        return
    contents: dict[str, bytes] = {}
    for name in names:
        try:
            contents[name] = read(settings.values[name])
        except (AnsibleError, OSError) as error:
            reason = first_words(error) if Path(settings.values[name]).exists() else "it does not exist"
            settings.complain((name,), settings.values[name], f"cannot be read: {reason}")
    needed = settings.certificate_names()
    for name, wrong in certificate_mistakes(contents.get(names[0]), contents.get(names[1]), needed):
        settings.complain((name,), settings.values[name], wrong)


def certificate_mistakes(chain: bytes | None, key: bytes | None, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a certificate and its key, each with the setting to blame."""
    # A dependency of ansible-core, slow to load and needed here only.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file, key_file = "xmpp_certificate_file", "xmpp_certificate_key_file"
    certificates: list[Any] = []
    private = None
    if chain is not None:
        certificates, wrongs = chain_mistakes(chain)
        yield from ((file, wrong) for wrong in wrongs)
    if key is not None:
        try:
            private = load_pem_private_key(key, password=None)
        except TypeError:
            yield key_file, "is protected by a passphrase: save it without one (Ansible Vault can encrypt it)"
        except (ValueError, UnsupportedAlgorithm):
            yield key_file, "contains no private key in PEM format (-----BEGIN PRIVATE KEY-----)"
    if not certificates:
        return
    certificate = certificates[0]
    if private is not None:
        ours = [number for number, one in enumerate(certificates, 1) if public_half(one) == public_half(private)]
        if not ours:
            yield key_file, "does not belong to the first certificate in xmpp_certificate_file"
        elif ours[0] != 1:
            yield (
                file,
                f"has the certificate of the key in position {ours[0]}: it must come first, followed by its issuers",
            )
            return
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_after_utc < now:
        yield file, f"expired on {certificate.not_valid_after_utc:%d %B %Y}"
    elif certificate.not_valid_before_utc > now:
        yield file, f"is not valid before {certificate.not_valid_before_utc:%d %B %Y}"
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        written = set(alternatives.get_values_for_type(x509.DNSName))
        covered = {name.lower() for name in written}
    except x509.ExtensionNotFound:
        written = covered = set()
    # DNS knows no case, but ejabberd looks the name up as it is asked for it.
    capitals = sorted(
        name for name in names for one in (name, f"*.{name.partition('.')[2]}") if one in covered and one not in written
    )
    lower = {name for name in names if {name, f"*.{name.partition('.')[2]}"} & written}
    if capitals := [name for name in dict.fromkeys(capitals) if name not in lower]:
        yield (
            file,
            (
                f"has {', '.join(capitals)} in upper case, which ejabberd does not find: "
                "request a certificate with these names in lower case"
            ),
        )
    missing = [name for name in names if name not in covered and "*." + name.partition(".")[2] not in covered]
    if missing:
        yield file, f"is not valid for {', '.join(missing)}"


def chain_mistakes(chain: bytes) -> tuple[list[Any], list[str]]:
    """Return the certificates of a file, and what is wrong with the file; each block is looked at."""
    from cryptography import x509

    blocks, wrong = pem_blocks(chain)
    if wrong and b"-----BEGIN" in chain:
        return [], [wrong]
    certificates, wrongs = [], []
    for kind, line, block in blocks:
        if kind != "CERTIFICATE":
            if kind not in BESIDE:
                wrongs.append(f"has a {kind} block in line {line}: only certificates are allowed")
            continue
        try:
            certificate = x509.load_pem_x509_certificate(block)
        except ValueError:
            wrongs.append(f"has a CERTIFICATE block in line {line} that is not a valid certificate")
            continue
        certificates.append(certificate)
        # The kind of key of an authority is its own business: it is for those who connect to judge.
        faults = [weak_signature(certificate)] + ([unusable_key(certificate)] if len(certificates) == 1 else [])
        wrongs += [f"{fault}" if len(certificates) == 1 else f"(line {line}) {fault}" for fault in faults if fault]
    if not certificates and not wrongs:
        wrongs.append("contains no certificate in PEM format (-----BEGIN CERTIFICATE-----)")
    return certificates, wrongs


def pem_blocks(content: bytes) -> tuple[list[tuple[str, int, bytes]], str]:
    """Return the blocks of a file, each with its kind and line, and what is wrong with the file (RFC 7468)."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if text.startswith(BYTE_ORDER_MARKS):
        return (
            [],
            "begins with a byte order mark, which programs read as part of the certificate: save it without one",
        )
    found: list[tuple[str, int, bytes]] = []
    kind, start, lines = "", 0, [""]
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        marker = MARKER.fullmatch(line)
        if "-----" in line and not marker:
            return found, f"has {quoted(line)} in line {number}: BEGIN and END each need their own line"
        if marker and marker[1] == "BEGIN" and not kind:
            kind, start, lines = marker[2], number, [line]
        elif marker and marker[1] == "END" and marker[2] == kind:
            found.append((kind, start, "\n".join([*lines, line, ""]).encode()))
            kind = ""
        elif marker:
            return found, f"has {quoted(line)} in line {number}, where a block {'goes on' if kind else 'would begin'}"
        elif kind:
            lines.append(line)
        elif line and not REMARK.match(line):
            return found, f"has {quoted(line)} in line {number}, where only certificates are allowed"
    return found, f"ends within the block that begins in line {start}" if kind else ""


def quoted(line: str) -> str:
    """Return a line of a file as it can be shown."""
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in line)
    return f'"{shown}"' if len(shown) <= SHOWN_MAX else f'"{shown[:SHOWN_MAX]}…"'


def unusable_key(certificate: Any) -> str | None:
    """Return what is wrong with the kind of a certificate's key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return f"has a key of an unknown type: {KEYS}"
    # RSASSA-PSS, RSA that is good for one kind of signature only. (Older libraries do not tell.)
    kind = getattr(getattr(certificate, "public_key_algorithm_oid", None), "dotted_string", "")
    if kind == "1.2.840.113549.1.1.10":
        return f"has a key of the type RSASSA-PSS, which ejabberd cannot use: {KEYS}"
    if isinstance(key, rsa.RSAPublicKey):
        return None if key.key_size >= RSA_BITS else f"has an RSA key of {key.key_size} bits, which is too weak: {KEYS}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in CURVES else f"has a key on the curve {key.curve.name}: {KEYS}"
    name = type(key).__name__.strip("_").removesuffix("PublicKey")
    return f"has a key of the type {name}, which ejabberd cannot use: {KEYS}"


def weak_signature(certificate: Any) -> str | None:
    """Return what is wrong with the signature of a certificate that another one has signed."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if digest is None or digest.name not in WEAK_DIGESTS or certificate.issuer == certificate.subject:
        return None
    return f"is signed with {digest.name.upper()}, which is no longer accepted: request a new certificate"


def public_half(owner: Any) -> bytes | None:
    """Return the public key of a certificate or a private key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        encoded: bytes = owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (UnsupportedAlgorithm, ValueError):
        return None
    return encoded
