# SPDX-License-Identifier: GPL-3.0-or-later
"""The one run that the cases share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .cases import CASES
from .files import HOOKS, VAULT_PASSWORD, make_certificate, save_key
from .inventory import FILES
from .known import GOOD, NAMES, OPTIONS
from .playing import NOWHERE, Run, play, results, slug


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run every case of the table as one host of one inventory."""
    folder = tmp_path_factory.mktemp("front-door")
    make_certificate(folder, "good", NAMES)
    make_certificate(folder, "wildcard", ["friends.test", "*.friends.test"])
    make_certificate(folder, "quiet", [name for name in NAMES if not name.startswith("turn.")])
    make_certificate(folder, "old", ["friends.test"], first=2019, last=2020)
    make_certificate(folder, "early", NAMES, first=2199)
    save_key(
        ec.generate_private_key(ec.SECP256R1()),
        folder / "locked.key",
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (folder / "text.pem").write_text("This is no certificate.\n")
    (folder / "both.pem").write_bytes((folder / "good.pem").read_bytes() + (folder / "good.key").read_bytes())
    for name, content in HOOKS.items():
        (folder / name).write_bytes(content)

    hosts: dict[str, Any] = {}
    for name, (settings, _) in CASES.items():
        wanted = {key: value for key, value in (GOOD | settings).items() if value is not ...}
        for key, value in wanted.items():
            if isinstance(value, str) and value.startswith("DIR/"):
                wanted[key] = value.replace("DIR", str(folder))
        hosts[slug(CASES, name)] = wanted

    # What the front door offers as an example must pass it, all examples together.
    examples = {name: option["example"] for name, option in OPTIONS.items()}
    (folder / "certificates").mkdir()
    names = [value for name, value in examples.items() if name.endswith("_domain")]
    for other in examples["xmpp_more_domains"]:
        names += [other, *(f"{label}.{other}" for label in ("rooms", "files", "transfer", "news"))]
    make_certificate(folder / "certificates", "fullchain", names)
    (folder / "certificates/fullchain.key").rename(folder / "certificates/privkey.pem")
    (folder / "acme-hook").write_bytes(HOOKS["hook.sh"])
    (folder / "private-ca.pem").write_bytes((folder / "good.pem").read_bytes())
    Path(examples["xmpp_website_dir"].replace("{{ inventory_dir }}", str(folder))).mkdir()
    at_a_provider = ("xmpp_dns_provider", "xmpp_dns_credentials")
    # But for those that have no effect beside another one's.
    others_only = (
        "xmpp_acme_",
        *at_a_provider,
        "xmpp_alert_",
        "xmpp_backup_s3_",
        "xmpp_registration_",
        "xmpp_registrations_",
        "xmpp_newcomer_",
        "xmpp_single_port",  # beside another port
    )
    hosts["examples"] = {name: value for name, value in examples.items() if not name.startswith(others_only)}
    others = {
        "xmpp_acme_challenge": "hook",
        "xmpp_alerts": True,
        "xmpp_backup_repository": "s3:https://s3.test/bucket",
        "xmpp_registration": "open",
    }
    # With a domain that an authority certifies.
    certified = json.loads(json.dumps(examples).replace(".example", ".im"))
    hosts["examples-2"] = {
        name: value
        for name, value in certified.items()
        if not name.startswith(("xmpp_certificate", "xmpp_https_port", *at_a_provider))
    } | others
    hosts["examples-3"] = {name: certified[name] for name in ("xmpp_domain", "xmpp_acme_challenge", *at_a_provider)}

    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": NOWHERE}}, sort_keys=False))
    renamed = json.dumps({"__xmpp_renamed": {"xmpp_old_name": "xmpp_name"}})
    # Beside the table: an inventory of several files, and a host that is in no file.
    for file, text in FILES.items():
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).write_text(text)
    (folder / "vault").write_text(VAULT_PASSWORD)
    sources = ("-i", "hosts.yml", "-i", "inventory", "-i", "nowhere.test,")
    return Run(folder, results(play(folder, *sources, "-e", renamed, "--vault-password-file=vault")))
