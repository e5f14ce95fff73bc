# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a certificate for each domain of the service, with the names of all its components.

Reads /etc/xmpp/certificates/settings.json and writes DOMAIN/{fullchain,privkey}.pem beside it. Each service that uses
them installs a deploy hook, an executable /etc/xmpp/certificates.d/*.hook, which runs after a change. Prints what
changed as one line of JSON. Run by Ansible, by certbot after a renewal, and by xmpp-certificates.timer (--prune).
With --due it changes nothing, and fails if there is something to do.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from typing import Any

from . import acme, deploy, files, lego, local_ca, provided
from .prune import prune


def update(settings: dict[str, Any]) -> tuple[bool, list[str]]:
    """Update the certificate of every domain; return whether one changed, and which domain failed and why."""
    changed, failed = False, []
    wanted: dict[str, list[str]] = settings["domains"]
    for domain, names in wanted.items():
        try:
            if settings["source"] == "acme":
                client = lego if settings["acme"]["client"] == "lego" else acme
                changed |= client.update(domain, names, settings["acme"])
            elif settings["source"] == "provided":
                changed |= provided.update(domain, names)
            else:
                changed |= local_ca.update(wanted, domain)
        except (files.CertificateError, OSError, ValueError) as error:
            failed.append(f"No change to the certificate of {domain}: {error}")
    return changed, failed


def due(settings: dict[str, Any]) -> bool:
    """Return whether a run would change something, or fail."""
    domains = list(settings["domains"])
    if deploy.wrong_modes(domains) or deploy.closed_folders(domains):
        return True
    try:
        with files.looking():
            _, failed = update(settings)
            deploy.deploy(domains, {})
    except files.DueError:
        return True
    return bool(failed)


def main() -> int:
    """Update the certificates and run the deploy hooks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prune", action="store_true", help="remove certificates of domains that are no longer served")
    parser.add_argument("--due", action="store_true", help="change nothing, and fail if something is to be done")
    arguments = parser.parse_args()
    if acme.ORDERING in os.environ:
        return 0
    with (files.HOME / "settings.json").open(encoding="utf-8") as stream:
        # One at a time: the timers of certbot and of this program, and Ansible.
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (fcntl.LOCK_NB if arguments.due else 0))
        except BlockingIOError:
            return 1
        settings = json.load(stream)
        if arguments.due:
            return int(due(settings))
        domains = list(settings["domains"])
        before = deploy.snapshot(domains)
        opened = deploy.repair_modes(domains)
        if opened:
            (files.HOME / "deployed").unlink(missing_ok=True)  # services that could not read them are told
        changed, failed = update(settings)
        failed += deploy.deploy(domains, before)  # what is new, also if another domain failed
        if arguments.prune and not failed:
            failed += prune(domains, settings["source"], settings.get("acme", {}))
    print(json.dumps({"changed": changed or opened, "domains": domains}))
    if failed:
        print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0
