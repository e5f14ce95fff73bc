# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the metrics once, as Prometheus does."""

from __future__ import annotations

import re
import urllib.request

from ansible_collections.conexizan.xmpp.plugins.module_utils.report import FAIL, PASS, Row, row

SECONDS = 5


def judge_counters(address: str, fetched: str | OSError) -> Row:
    """Judge what the metrics address returns."""
    if isinstance(fetched, OSError):
        reason = getattr(fetched, "reason", fetched)
        found = f"cannot be read at {address} (xmpp_metrics): {getattr(reason, 'strerror', None) or reason}"
        fix = "See whether the host has this address (ip address), then run site.yml --tags metrics."
        return row("counters", FAIL, found, fix)
    if not re.search(r"^xmpp_up ", fetched, re.MULTILINE):
        fix = "systemctl start xmpp-metrics.service; systemctl status xmpp-metrics.service"
        return row("counters", FAIL, f"those at {address} have no metrics of the service", fix)
    return row("counters", PASS, f"served at {address}")


def counters(address: str) -> Row:
    """Fetch the metrics once, as Prometheus does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/metrics", timeout=SECONDS) as answer:
            return judge_counters(address, answer.read().decode("utf-8", "replace"))
    except OSError as error:
        return judge_counters(address, error)
