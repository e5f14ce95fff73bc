# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that a CA issues by ACME to whoever can change DNS records at a provider: ordered and renewed by lego.

lego knows the interfaces of the providers. What it keeps is in a folder for each CA: accounts, certificates, keys. It
has no timer of its own: this program decides when a certificate is due.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

from credentials import without_credentials
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from . import acme, files
from .x509 import key_pem, load, load_key, names_of, public_key, remaining

# A provider may need 20 minutes until all its name servers have a record.
ORDER_SECONDS = 3600
SHOWN_MAX = 3  # names with an error


def home() -> Path:
    """Return the folder of what lego keeps."""
    return files.HOME / "lego"


def folder(directory: str) -> Path:
    """Return the folder of a CA; an account and a certificate of one are of no use with another."""
    return home() / urllib.parse.quote(directory, safe="")


def pair(domain: str, directory: str) -> tuple[Path, Path]:
    """Return where lego keeps a domain's certificate and key."""
    return folder(directory) / "certificates" / f"{domain}.crt", folder(directory) / "certificates" / f"{domain}.key"


def current(domain: str, directory: str) -> x509.Certificate | None:
    """Return the certificate that lego has, None if certificate and key are no pair, as after a power cut."""
    chain, key = pair(domain, directory)
    try:
        certificate = load(chain)
        whole = certificate is not None and public_key(certificate) == public_key(load_key(key))
    except (OSError, ValueError):
        whole = False
    return certificate if whole else None


def reason_to_order(domain: str, names: list[str], directory: str) -> str:
    """Return why a new certificate is needed, empty if none is."""
    certificate = current(domain, directory)
    if certificate is None:
        return "there is no certificate yet"
    if names_of(certificate) != set(names):
        return "the names have changed"
    if remaining(certificate) < (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / 3:
        return "it is due for renewal"
    return ""


def is_elliptic(key: Path) -> bool:
    """Return whether a file has a key that a new certificate may have."""
    try:
        return isinstance(load_key(key), ec.EllipticCurvePrivateKey)
    except ValueError:
        return False


def explain(output: str, directory: str, provider: str) -> str:
    """Return from lego's output why an order failed: for which name, or what is wrong with provider or CA."""
    lines = [re.sub(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", line).strip() for line in output.splitlines()]
    # "[name] [name] acme: reason", after a line that begins the list.
    begins = next((at for at, line in enumerate(lines) if line.startswith("Could not obtain certificates")), len(lines))
    problems = [line for line in lines[begins + 1 :] if line and not line.startswith("error: one or more domains")]
    problems = [re.sub(r"^\[(\S+)\] (?:\[\1\] )?(?:acme: )?", r"\1: ", line) for line in problems]
    # Mostly it is the same with each name.
    problems[SHOWN_MAX:] = [f"and {len(problems) - SHOWN_MAX} more"] * (len(problems) > SHOWN_MAX)
    told = problems or [line for line in lines if line and not line.startswith("[INFO]")][-2:]
    reason = "; ".join(dict.fromkeys(told)) or "lego gave no reason"
    return (
        f"no certificate could be ordered at {directory} (xmpp_acme_directory) by records at {provider} "
        f"(xmpp_dns_provider): {reason.rstrip('.')}."
    )


def order(domain: str, names: list[str], settings: dict[str, Any]) -> None:
    """Order a certificate by lego; raises CertificateError with the name that failed and why."""
    files.about_to_change()
    directory = settings["directory"]
    given = json.loads((files.HOME / "lego.json").read_text(encoding="utf-8"))
    # The command line can be read by everybody on the host, the environment by root alone.
    environment = {**os.environ, **given["credentials"], "LEGO_PATH": str(folder(directory)), "LEGO_SERVER": directory}
    if given["email"]:
        environment["LEGO_EMAIL"] = given["email"]
    if given["eab"]["kid"]:
        environment |= {
            "LEGO_EAB": "true",
            "LEGO_EAB_KID": given["eab"]["kid"],
            "LEGO_EAB_HMAC": given["eab"]["secret"].rstrip("="),
        }
    if (files.HOME / "acme-ca.pem").exists():
        environment["LEGO_CA_CERTIFICATES"] = str(files.HOME / "acme-roots.pem")
    command = ["lego", "--accept-tos", "--dns", given["provider"], "--key-type", "ec256"]
    # lego names its files after the first domain.
    command += [f"--domains={name}" for name in [domain, *(name for name in names if name != domain)]]
    command += ["run"]
    if settings["keep_key"] and (key := files.in_use(domain)[1]).exists() and is_elliptic(key):
        command += [f"--private-key={key}"]
    for path in (home(), folder(directory)):
        path.mkdir(mode=0o700, exist_ok=True)
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=ORDER_SECONDS,
            umask=0o077,
        )
    except subprocess.TimeoutExpired as error:
        raise files.CertificateError(f"lego did not get a certificate within {ORDER_SECONDS} seconds") from error
    if done.returncode:
        secrets = {**given["credentials"], "EAB_SECRET": given["eab"]["secret"].rstrip("=")}
        raise files.CertificateError(without_credentials(explain(done.stdout, directory, given["provider"]), secrets))


def update(domain: str, names: list[str], settings: dict[str, Any]) -> bool:
    """Order a certificate if one is needed, and install it; return whether that changed anything."""
    acme.write_roots()
    directory = settings["directory"]
    if reason_to_order(domain, names, directory):
        order(domain, names, settings)
    chain, key = pair(domain, directory)
    return files.install(domain, chain.read_bytes(), key_pem(load_key(key)))


def prune(domains: list[str], directory: str) -> None:
    """Remove what lego keeps of other CAs and of former domains; everything if *directory* is empty."""
    for path in home().iterdir() if home().exists() else ():
        if not directory or path != folder(directory):
            shutil.rmtree(path)
    if not directory:
        shutil.rmtree(home(), ignore_errors=True)
        return
    for path in (folder(directory) / "certificates").glob("*"):
        if re.sub(r"(\.issuer)?\.(crt|key|json)$", "", path.name) not in domains:
            path.unlink()
