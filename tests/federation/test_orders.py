# SPDX-License-Identifier: GPL-3.0-or-later
"""An order that fails says why, and everything goes on as it was; one by the operator's own program goes through."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..kit.service import Service
from .between import STATE, deploy, run_playbook
from .certificates import certificate_at, names_in

pytestmark = pytest.mark.timeout(600)

HOOK = """#!/usr/bin/python3
import sys
import dns.query, dns.tsigkeyring, dns.update

action, name, value = sys.argv[1:]
keys = dns.tsigkeyring.from_text({{"update.test": "{key}"}})
zone = ".".join(name.split(".")[-2:])
update = dns.update.Update(zone, keyring=keys, keyalgorithm="hmac-sha256")
if action == "present":
    update.add(name + ".", 1, "TXT", value)
else:
    update.delete(name + ".", "TXT", value)
answer = dns.query.tcp(update, "{server}", timeout=10)
sys.exit(answer.rcode())
"""


@pytest.fixture(scope="module", autouse=True)
def _settings_of_the_inventory() -> Iterator[None]:
    """Back to the inventory's settings afterwards."""
    yield
    done = run_playbook("site.yml", "--tags=certificates", limit="alpha,beta")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"xmpp_acme_directory": "https://names.test:14000/wrong"}, "names.test"),
        ({"xmpp_acme_directory": "https://names.test:14999/dir"}, "names.test"),
        ({"xmpp_acme_directory": "https://nowhere.test/dir"}, "nowhere.test"),
        ({"xmpp_upload_domain": "elsewhere.alpha.test"}, "elsewhere.alpha.test"),
    ],
    ids=["wrong path", "closed port", "unknown authority", "name without address"],
)
def test_failed_order_changes_nothing(alpha: Service, settings: dict[str, str], words: str) -> None:
    before = certificate_at(alpha, alpha.domain, 443)
    done = run_playbook("site.yml", "--tags=certificates", limit="alpha", settings=settings)
    assert done.returncode != 0
    complaint = (done.stdout + done.stderr).partition("No change to the certificate of alpha.test")[2]
    assert words in complaint
    assert certificate_at(alpha, alpha.domain, 443) == before


def test_order_by_a_program_of_the_operator(beta: Service, tmp_path: Path) -> None:
    """A name is added, so a certificate is due; a program of ours writes the proof into DNS, and removes it again."""
    key = base64.b64encode((STATE / "tsig").read_text(encoding="ascii").strip().encode()).decode()
    program = tmp_path / "hook"
    program.write_text(HOOK.format(key=key, server=(STATE / "names").read_text(encoding="ascii")), encoding="ascii")
    settings = {
        "xmpp_acme_challenge": "hook",
        "xmpp_acme_hook_file": str(program),
        "xmpp_pubsub_domain": "news.beta.test",
    }
    deploy(beta, "--tags=certificates", settings=settings)
    assert "news.beta.test" in names_in(certificate_at(beta, "news.beta.test", 5223))
