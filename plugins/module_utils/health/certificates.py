# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the certificates that the services read: whether they were renewed in time."""

from __future__ import annotations

import datetime
import re
import ssl
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.programs import output
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row

DAY = 86400
FOLDER = Path("/etc/xmpp/certificates")
ORDERS = {
    "provided": "Set xmpp_certificate_file to a valid certificate and run site.yml.",
    "acme": "On the host: systemctl start xmpp-certificates (and certbot, if it is there), and read their journal.",
    "selfsigned": "Run site.yml, which creates a new one.",
}


def day_of(seconds: float) -> str:
    """Return the day of a time."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")


def judge_expiry(begins: float, ends: float, now: float) -> tuple[str, str]:
    """Return the status of a certificate, and what is wrong with its age (or an empty string)."""
    # Renewal starts when a third of the lifetime is left, so with less, renewal has been failing for some time.
    left, lifetime = ends - now, ends - begins
    if left >= min(lifetime / 4, 21 * DAY):
        return PASS, ""
    status = FAIL if left < min(lifetime / 10, 7 * DAY) else WARN
    return status, f"expires on {day_of(ends)} and has not been renewed"


def judge_file(domain: str, dates: str, kind: str, now: float) -> Row:
    """Judge a certificate by its dates, as openssl shows them; *kind* is where certificates come from."""
    found = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", dates, re.MULTILINE))
    subject = f"{domain} certificate"
    if len(found) != 2:
        return row(subject, FAIL, "is missing or not readable", ORDERS[kind])
    begins, ends = (ssl.cert_time_to_seconds(found[name]) for name in ("notBefore", "notAfter"))
    status, words = judge_expiry(begins, ends, now)
    return row(subject, status, words or f"valid until {day_of(ends)}", ORDERS[kind] if words else "")


def certificates(domains: list[str], kind: str, now: float) -> list[Row]:
    """Judge the certificates of the domains, in the files."""
    shown = ("openssl", "x509", "-noout", "-startdate", "-enddate", "-in")
    return [judge_file(one, output(*shown, str(FOLDER / one / "fullchain.pem")), kind, now) for one in domains]
