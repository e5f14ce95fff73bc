# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the certificates that the service serves: trust, names and expiry."""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from ansible_collections.conexizan.xmpp.plugins.module_utils.health.certificates import ORDERS, day_of, judge_expiry
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, WARN, Row, row
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.ways_in import Seen


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether a certificate's names, which may begin with ``*.``, cover a name (RFC 9525)."""
    return any(pattern.lower() in (name, f"*.{name.partition('.')[2]}") for pattern in patterns)


def judge(service: Service, domain: str, seen: list[Seen], now: float) -> Row:
    """Judge the certificates that the listeners of a domain serve."""
    subject = f"{domain} certificate"
    orders = ORDERS[service.settings["certificates"]]
    doubts = sorted({one.mistrust for one in seen if one.mistrust})
    if doubts and service.settings["certificates"] == "selfsigned" and not service.settings["ca"]:
        found = "skipped: no SSH access to the host, so its own CA is not known"
        return row(subject, WARN, found, "Fix that first.")
    if doubts:
        reached = [one for one in seen if one.mistrust or one.certificate]
        ways = {doubt: [one.way for one in reached if one.mistrust == doubt] for doubt in doubts}
        # A fault of all listeners is told without listing them.
        words = "; ".join(
            doubt if 1 < len(reached) == len(ways[doubt]) else f"{', '.join(ways[doubt])}: {doubt}" for doubt in doubts
        )
        if any("issuer" in doubt for doubt in doubts) and service.settings["certificates"] == "provided":
            orders = "Append the intermediate certificates to your own in xmpp_certificate_file."
        return row(subject, FAIL, words, orders)
    shown = [one for one in seen if one.certificate]
    if not shown:
        return row(subject, WARN, "skipped: no port that serves it is open", "Fix the ports first.")
    names = service.settings["certificate_names"][domain]
    for one in shown:
        has = [value for kind, value in one.certificate.get("subjectAltName", ()) if kind == "DNS"]
        missing = [name for name in names if not matches(name, has)]
        if missing:
            return row(subject, FAIL, f"{one.way}: does not cover {', '.join(missing)}", orders)
    ends = {one.way: ssl.cert_time_to_seconds(one.certificate["notAfter"]) for one in shown}
    begins = min(ssl.cert_time_to_seconds(one.certificate["notBefore"]) for one in shown)
    first = min(ends, key=lambda way: ends[way])
    day = day_of(ends[first])
    status, aged = judge_expiry(begins, ends[first], now)
    if aged:
        return row(subject, status, aged, orders)
    if len({one.certificate["serialNumber"] for one in shown}) > 1:
        fix = "On the host: systemctl reload nginx ejabberd; systemctl restart coturn"
        return row(subject, WARN, f"{first} still serves the one that expires on {day}", fix)
    return row(subject, PASS, f"valid until {day}, covers all {len(names)} names")
