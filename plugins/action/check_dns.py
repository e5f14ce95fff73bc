# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare DNS with the records that the service needs; queries from the controller, changes nothing.

Arguments: ``records`` (of the filter dns_records), ``names`` (of hosts, resolved even if no record is wanted for
them because the address of the host is unknown), ``resolver`` (ADDRESS or ADDRESS:PORT; by default those of the
system), ``certificate_names`` (the names that certificates are ordered for), ``authorities`` (the names of our
CA in CAA records; empty if it is not known) and ``challenge`` (http, dns, hook; empty without an authority).
Returns ``rows``, each with subject, status (pass, warn, fail), found and fix; and ``addresses``, name to a list.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.bases import Action
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.dns_queries import Asker
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.check.dns_records import RecordCheck, plain
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import places_of, written_for


class ActionModule(Action):
    """Query from the controller; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(("records", "names", "resolver", "certificate_names", "authorities", "challenge"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the rows; raises AnsibleActionFail for an invalid resolver."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        asker = Asker(str(args.get("resolver") or ""))
        written = written_for(places_of(task_vars or {}, self._loader))
        check = RecordCheck(args["records"], asker, written, args.get("names") or [])
        rows = asyncio.run(
            check.examine(
                args.get("certificate_names") or [], args.get("authorities") or [], args.get("challenge") or ""
            )
        )
        result["changed"] = False
        result["rows"] = rows
        result["addresses"] = {plain(name): sorted(asker.addresses(name).values) for name in check.names}
        return result
