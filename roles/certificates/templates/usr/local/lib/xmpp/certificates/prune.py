# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove certificates that are no longer needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from . import acme, files, lego

# Where the configuration of services names the files.
USERS = [Path("/etc/nginx"), Path("/etc/ejabberd"), Path("/etc/coturn")]


def is_used(folder: Path) -> bool:
    """Return whether a service's configuration names files in *folder*, as after an interrupted run of Ansible."""
    # The timer's sandbox cannot read files of other users, such as Debian's own ejabberd.yml: ours are root's.
    paths = (path for user in USERS for path in user.rglob("*") if path.is_file() and os.access(path, os.R_OK))
    return any(f"{folder}/".encode() in path.read_bytes() for path in paths)


def prune(domains: list[str], source: str, ordered: dict[str, Any]) -> list[str]:
    """Remove certificates of former domains, what certbot or lego has and no longer orders, and an unused local CA.

    Returns what could not be removed.
    """
    failed = []
    client = ordered["client"] if source == "acme" else ""
    lego.prune(domains, ordered["directory"] if client == "lego" else "")
    for path in sorted((acme.LETSENCRYPT / "renewal").glob(f"{acme.LINEAGE}*.conf")):
        if client != "certbot" or path.stem.removeprefix(acme.LINEAGE) not in domains:
            command = ["certbot", "delete", "--non-interactive", "--cert-name", path.stem]
            try:
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                failed.append(f"certbot's {path.stem} could not be removed: {error}")
    for fullchain in sorted(files.HOME.glob("*/fullchain.pem")):
        folder = fullchain.parent
        if folder.name not in (*domains, "provided") and not is_used(folder):
            shutil.rmtree(folder)
    if source != "selfsigned":
        for name in ("ca.crt", "ca.key"):
            (files.HOME / name).unlink(missing_ok=True)
    return failed
