# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a prepared backup in place, and end a restore either way (verbs `apply`, `rollback`, `commit`)."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from . import exchange, files, paths
from .create import ejabberd_version
from .errors import INTERRUPTED, BackupError
from .prepare import check_description


def systemctl(verb: str, unit: str = "ejabberd.service") -> None:
    """Start, restart or stop a unit."""
    subprocess.run(["systemctl", verb, unit], check=True)


def apply(settings: dict[str, Any]) -> bool:
    """Put the prepared backup in place and keep the data from before; return whether there was a prepared backup."""
    if not (paths.STAGED / "about.json").exists():
        if paths.HALF.exists():
            raise BackupError(INTERRUPTED)
        return False
    about = json.loads((paths.STAGED / "about.json").read_text(encoding="utf-8"))
    check_description(about, settings["domain"])
    here = ejabberd_version()
    if subprocess.run(["dpkg", "--compare-versions", here, "lt", about["ejabberd"]], check=False).returncode == 0:
        raise BackupError(f"the backup is of ejabberd {about['ejabberd']}, newer than the {here} of this host")
    # On a new host, the role uploads creates the group after this.
    subprocess.run(["systemd-sysusers", "--inline", "g xmpp-upload -"], check=True)
    files.own(paths.STAGED / "xmpp.db", "ejabberd", "ejabberd")
    (paths.STAGED / "xmpp.db").chmod(0o640)
    uploads = paths.STAGED / "files" / str(paths.UPLOADS).lstrip("/")
    if uploads.exists():
        files.own(uploads, "www-data", "xmpp-upload")
    systemctl("stop")
    # Its sandbox lets it write to the folder of uploads that was there when it started. It starts with all services,
    # when its certificates are there.
    systemctl("stop", "nginx.service")
    exchange.put_back()  # the data from before an earlier restore that was never committed
    exchange.exchange(exchange.replaced(about))
    return True


def rollback() -> None:
    """Put back the data from before the restore, and start the service with it."""
    if not (paths.HALF.exists() or paths.LIST.exists()):
        raise BackupError(
            "there is nothing to roll back: the data from before the restore is in place. "
            "If ejabberd does not run: systemctl start ejabberd.service"
        )
    systemctl("stop")
    exchange.put_back()
    files.remove(paths.STAGED)
    if paths.DATABASE.exists():  # otherwise there was no service
        systemctl("start")
        systemctl("restart", "nginx.service")  # for the same reason as in apply


def commit() -> None:
    """Delete the data from before the restore."""
    if paths.HALF.exists():
        raise BackupError(INTERRUPTED)
    files.remove(paths.STAGED)
    exchange.delete_replaced()
