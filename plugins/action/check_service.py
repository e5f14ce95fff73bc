# SPDX-License-Identifier: GPL-3.0-or-later
"""Use the service from the controller as its users and its neighbours do: ports, certificates, web, files, calls.

Argument ``service``: ``domains`` (each with domain, host, muc, upload, proxy, pubsub), ``turn_domain`` (empty without
calls), ``https_port``, ``federation`` (whether other servers have a port to come in by), ``push_servers``,
``registration``, ``certificate_names`` (by domain), ``certificates`` (acme, provided, selfsigned), ``ca`` (PEM text of
a further authority to trust, or empty), ``upload_days``, ``archive_days``, ``addresses`` (name to what DNS says),
``own`` (addresses of the host, where DNS says nothing) and ``account`` (name and password of one that is there for
this, or nothing, with ``account_trouble``).
Returns ``rows``, each with subject, status (pass, warn, fail), found and fix. Python's standard library is enough.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.examination import examine
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service


class ActionModule(Action):
    """Look from the controller; needs no connection by ssh."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("service",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the rows."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        now = datetime.datetime.now(datetime.UTC).timestamp()
        result["changed"] = False
        result["rows"] = asyncio.run(examine(Service(self._task.args["service"]), now))
        return result
