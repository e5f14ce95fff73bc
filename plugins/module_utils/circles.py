# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in a circle (xmpp_circles): for modules that run on the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import Api

SHOWN = "circle:"  # before the name of a circle, as mod_xmpp_circles calls its group


def members(api: Api, domain: str, settings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return who is in the circles of *domain*, as the server has them, and who is listed without an account.

    Each with C(circle), C(address), C(invited), in it without being listed, and C(missing), without an account.
    """
    listed = {circle["name"]: {f"{name}@{domain}" for name in circle["members"]} for circle in settings}
    rows = []
    for group in sorted(api.call("srg_list", host=domain)):
        if group.startswith(SHOWN):
            circle = group.removeprefix(SHOWN)
            there = set(api.call("srg_get_members", group=group, host=domain))
            for address in sorted(there | listed.get(circle, set())):
                state = {"invited": address not in listed.get(circle, set()), "missing": address not in there}
                rows.append({"circle": circle, "address": address} | state)
    return rows
