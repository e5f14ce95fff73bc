# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that a certificate authority (CA) issues by ACME (RFC 8555), ordered and renewed by certbot."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from . import files
from .responder import answer_challenges
from .x509 import load, names_of, remaining

LETSENCRYPT = Path("/etc/letsencrypt")
# certbot's names of our certificates start with this; others on the host are the operator's own. (No domain has a "_".)
LINEAGE = "xmpp_"
SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
ORDER_SECONDS = 300
ADVICE = "If no public CA can reach the host, as in a home network, set xmpp_certificates to selfsigned."
# Set while certbot runs for us: its deploy hook then has nothing to do.
ORDERING = "XMPP_CERTIFICATES_ORDERING"


def lineage(domain: str) -> Path:
    """Return certbot's folder of a domain's certificate."""
    return LETSENCRYPT / "live" / f"{LINEAGE}{domain}"


def renewal_options(domain: str) -> dict[str, str]:
    """Return the options with which certbot renews a domain's certificate."""
    renewal = configparser.ConfigParser(interpolation=None, strict=False)
    # The file begins with options outside of any section.
    path = LETSENCRYPT / "renewal" / f"{LINEAGE}{domain}.conf"
    renewal.read_string("[certificate]\n" + (path.read_text(encoding="utf-8") if path.exists() else ""))
    return dict(renewal["renewalparams"]) if "renewalparams" in renewal else {}


def reason_to_order(domain: str, names: list[str], settings: dict[str, Any]) -> str:
    """Return why a new certificate is needed, empty if none is: CAs limit how many they issue."""
    current = load(lineage(domain) / "fullchain.pem")
    if current is None:
        return "there is no certificate yet"
    if names_of(current) != set(names):
        return "the names have changed"
    options = renewal_options(domain)
    if options.get("server") != settings["directory"]:
        return "the CA has changed"
    if options.get("authenticator") != settings["authenticator"]:
        return "the challenge has changed"
    if settings["keep_key"] and options.get("reuse_key") != "True":
        return "renewals must keep the key"
    if not isinstance(current.public_key(), ec.EllipticCurvePublicKey):
        return "the key is not an elliptic curve key"
    if remaining(current) < (current.not_valid_after_utc - current.not_valid_before_utc) / 5:
        return "certbot has not renewed it in time"
    return ""


def check_resolves(names: list[str]) -> None:
    """Raise if a name has no address: an order would fail, and count against the CA's limits."""
    failed = []
    for name in names:
        try:
            socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            failed.append(f"{name} ({error.strerror})")
    if failed:
        raise files.CertificateError(
            f"no address is found for {', '.join(failed)}. playbooks/dns.yml prints the records that are needed, "
            f"playbooks/check.yml compares them with DNS. {ADVICE}"
        )


def explain(output: str, directory: str) -> str:
    """Return from certbot's output why an order failed: for which name, or what is wrong with the CA."""
    problems = re.findall(
        r"Domain: *(\S+)\n\s*Type: *(\S+)\n\s*Detail: *(.+(?:\n(?! *(?:Domain|Hint):|\s*\n).+)*)", output
    )
    if problems:
        return "; ".join(f"{name}: {' '.join(detail.split())} ({kind})" for name, kind, detail in problems)
    noise = ("Saving debug log", "Ask for help", "See the logfile", "Requesting a certificate", "Account registered")
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(noise)]
    reason = " ".join(lines[-4:]).removeprefix("An unexpected error occurred: ") or "certbot gave no reason"
    return f"no order could be placed at {directory} (xmpp_acme_directory): {reason.rstrip('.')}. {ADVICE}"


def order(domain: str, names: list[str], settings: dict[str, Any]) -> None:
    """Order a certificate by certbot; raises CertificateError with the name that failed and why."""
    files.about_to_change()
    by_http = settings["authenticator"] == "webroot"
    if by_http:
        check_resolves(names)
    command = ["certbot", "certonly", "--config", str(files.HOME / "certbot.ini"), "--cert-name", f"{LINEAGE}{domain}"]
    command += ["--force-renewal", *(f"--domain={name}" for name in names)]
    environment = {**os.environ, ORDERING: "1"}
    if (files.HOME / "acme-ca.pem").exists():
        environment["REQUESTS_CA_BUNDLE"] = str(files.HOME / "acme-roots.pem")
    with answer_challenges() if by_http else contextlib.nullcontext():
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=ORDER_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise files.CertificateError(
                f"the certificate authority did not answer within {ORDER_SECONDS} seconds"
            ) from error
    if done.returncode:
        raise files.CertificateError(explain(done.stdout, settings["directory"]))


def write_roots() -> None:
    """Let certbot trust a private CA and the public ones, which the operator may use for other names."""
    private, roots = files.HOME / "acme-ca.pem", files.HOME / "acme-roots.pem"
    if private.exists():
        content = SYSTEM_ROOTS.read_bytes() + private.read_bytes()
        if not roots.exists() or roots.read_bytes() != content:
            files.write(roots, content, 0o644)
    elif roots.exists():
        files.about_to_change()
        roots.unlink()


def update(domain: str, names: list[str], settings: dict[str, Any]) -> bool:
    """Order a certificate if one is needed, and install it; return whether that changed anything."""
    write_roots()
    if reason_to_order(domain, names, settings):
        order(domain, names, settings)
    folder = lineage(domain)
    return files.install(domain, (folder / "fullchain.pem").read_bytes(), (folder / "privkey.pem").read_bytes())
