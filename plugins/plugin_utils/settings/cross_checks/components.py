# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the operator that are a part of the service."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings


def check_components(settings: HostSettings) -> None:
    """Check that each has a name that is free, and that nobody else connects in its place."""
    main = settings.values.get("xmpp_domain", "")
    components, more = (settings.values.get(name, []) for name in ("xmpp_components", "xmpp_more_domains"))
    # The relay's also when there is none: calls may come back.
    taken = {*settings.names_of_parts(), settings.values.get("xmpp_turn_domain", "")}
    for index, component in enumerate(components):
        name, keys = component["name"], ("xmpp_components", index)
        if main and not name.endswith(f".{main}"):
            wrong = f"is not below {main}: apps find the parts of the service there"
            settings.complain((*keys, "name"), name, wrong)
        elif name in taken:
            wrong = "is already a name of the service: a component needs one of its own"
            settings.complain((*keys, "name"), name, wrong)
        # A server lists the parts below its own name.
        elif other := next((one for one in more if name.endswith(f".{one}")), None):
            wrong = f"is below {other} of xmpp_more_domains, where the apps of {main} do not look"
            settings.complain((*keys, "name"), name, wrong)
        if component.get("hosts") and settings.values.get("xmpp_firewall") is False:
            wrong = "needs the firewall, which keeps all other hosts away: remove xmpp_firewall: false, or run it here"
            settings.complain((*keys, "hosts"), component["hosts"], wrong)
        if component.get("public") and settings.values.get("xmpp_federation") in ("off", False):
            wrong = "has no effect with xmpp_federation: off, where no other server is reached: remove it"
            settings.complain((*keys, "public"), True, wrong)
