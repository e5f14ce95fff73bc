# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as testssl.sh judges it, which tries what real clients and attackers do."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest

from .conftest import DOORS

pytestmark = pytest.mark.timeout(1600)

OLD = ("SSLv2", "SSLv3", "TLS1", "TLS1_1")
WEAK = ("NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "OBSOLETED", "STRONG_NOFS")
# The test's authority revokes nothing.
NOT_OURS = {"cert_revocation"}


@pytest.mark.parametrize("port", DOORS)
def test_tls_is_judged_good(judges: dict[int, Future[str]], port: int) -> None:
    findings = {finding["id"]: finding for finding in json.loads(judges[port].result())}
    said = {identity: finding["finding"] for identity, finding in findings.items()}
    assert {said[protocol] for protocol in OLD} == {"not offered"}
    assert {said[f"cipherlist_{kind}"] for kind in WEAK} == {"not offered"}
    assert said["TLS1_2"].startswith("offered")
    # Debian's coturn (4.6.1) has no TLS 1.3 yet.
    assert said["TLS1_3"].startswith("offered") or port == 5349
    bad = [one for one in findings.values() if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL")]
    assert [one for one in bad if one["id"] not in NOT_OURS] == []
    assert said["overall_grade"] in ("A", "A+")
