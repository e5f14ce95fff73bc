# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of other servers."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.domain_names import is_below


def check_federation(settings: HostSettings) -> None:
    """Check that the lists of other servers are used, and do not contradict each other or ourselves."""
    mode = settings.values.get("xmpp_federation")
    allowed, blocked = (settings.values.get(f"xmpp_federation_{kind}", []) for kind in ("allow", "block"))
    if mode == "allowlist" and settings.values.get("xmpp_federation_allow") == []:
        wrong = 'xmpp_federation_allow is empty, but xmpp_federation is "allowlist": name the domains to talk to.'
        settings.add(("xmpp_federation_allow",), wrong)
    if mode != "allowlist" and mode is not None and allowed:
        wrong = 'is not used unless xmpp_federation is "allowlist": remove it, or set xmpp_federation'
        settings.complain(("xmpp_federation_allow",), allowed, wrong, yaml_line("xmpp_federation", "allowlist"))
    if mode in (False, "off") and blocked:
        wrong = 'is not used, because xmpp_federation is "off": remove it'
        settings.complain(("xmpp_federation_block",), blocked, wrong)
    if mode in (False, "off") and settings.values.get("xmpp_block_lists"):
        wrong = 'cannot be fetched, because xmpp_federation is "off": remove it'
        settings.complain(("xmpp_block_lists",), settings.values["xmpp_block_lists"], wrong)
    ours = settings.own_names()
    for index, name in enumerate(blocked):
        if any(is_below(own, name) for own in ours):
            wrong = "is this service's own domain, or a parent of it"
            settings.complain(("xmpp_federation_block", index), name, wrong)
    for setting in ("xmpp_federation_allow", "xmpp_block_lists"):
        for index, name in enumerate(settings.values.get(setting, [])):
            if name in settings.domains():
                settings.complain((setting, index), name, "is this service's own domain: name only other servers")
    for index, name in enumerate(allowed):
        above = next((entry for entry, other in enumerate(blocked) if is_below(name, other)), None)
        if above is not None:
            blocks = f"entry {above + 1} of xmpp_federation_block, {blocked[above]}, blocks: remove one of the two"
            settings.complain(("xmpp_federation_allow", index), name, blocks)
    for index, name in enumerate(settings.values.get("xmpp_push_servers", [])):
        if name in settings.domains():
            wrong = "is this service's own domain: push servers belong to the makers of apps"
            settings.complain(("xmpp_push_servers", index), name, wrong)
        if any(is_below(name, one) for one in blocked):
            wrong = "is blocked by xmpp_federation_block: remove it from one of the two"
            settings.complain(("xmpp_push_servers", index), name, wrong)
