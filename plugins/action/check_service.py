# SPDX-License-Identifier: GPL-3.0-or-later
"""Use the service from the controller as its users and other servers do: ports, certificates, web, files, calls.

Argument ``service``: ``domains`` (each with domain, host, muc, upload, proxy, pubsub), ``turn_domain`` (empty without
calls), ``relays`` (of others), ``https_port``, ``single_port`` (whether streams and calls come by it, too),
``federation`` (whether other servers can connect), ``push_servers``,
``registration``, ``certificate_names`` (by domain), ``certificates`` (acme, provided, selfsigned), ``ca`` (PEM of
a further CA to trust, or empty), ``upload_days``, ``archive_days``, ``addresses`` (name to its addresses in
DNS), ``own`` (addresses of the host, used for names without any in DNS) and ``account`` (name and password of a test
account, or nothing, with ``account_trouble``).
Returns ``rows``, each with subject, status (pass, warn, fail), found and fix. Python's standard library is enough.
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.examination import examine
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.service import Service
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import places_of, written_for


class ActionModule(Action):
    """Check from the controller; needs no SSH connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("service",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the rows."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        now = datetime.datetime.now(datetime.UTC).timestamp()
        result["changed"] = False
        written = written_for(places_of(task_vars or {}, self._loader))
        result["rows"] = asyncio.run(examine(Service(self._task.args["service"], written), now))
        return result
