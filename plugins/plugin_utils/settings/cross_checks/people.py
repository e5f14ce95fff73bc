# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that are in more than one setting."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings


def check_people(settings: HostSettings) -> None:
    """Check that nobody is in a circle and out of it, and that who is limited has an account here and runs nothing."""
    for index, circle in enumerate(settings.values.get("xmpp_circles", [])):
        for place, name in enumerate(circle.get("former", [])):
            if name in circle.get("members", []):
                wrong = "is also in members of this circle: remove it from one of the two"
                settings.complain(("xmpp_circles", index, "former", place), name, wrong)
    main, seen = settings.values.get("xmpp_domain"), dict[tuple[str, str], int]()
    for index, entry in enumerate(settings.values.get("xmpp_limited", [])):
        name, _, domain = entry.partition("@")
        if domain and settings.domains() and domain not in settings.domains():
            domains = ", ".join(settings.domains())
            way = f"give the local part of an account of {main}, or an address at one of these"
            wrong = f"is no account of this service, whose domains are {domains}: {way}"
            settings.complain(("xmpp_limited", index), entry, wrong)
        elif domain in ("", main) and name in settings.values.get("xmpp_admins", []):
            wrong = (
                "is in xmpp_admins: people of other servers must be able to reach an administrator: remove it from one "
                "of the two settings"
            )
            settings.complain(("xmpp_limited", index), entry, wrong)
        elif (first := seen.setdefault((name, domain or str(main)), index)) != index:
            settings.complain(
                ("xmpp_limited", index), entry, f"is the account of entry {first + 1}: remove one of the two"
            )
