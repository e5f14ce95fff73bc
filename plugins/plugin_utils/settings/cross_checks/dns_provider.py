# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chosen DNS provider needs, and whether anything needs the provider."""

from __future__ import annotations

import difflib

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.dns_providers import PROVIDERS
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line

NAME, CREDENTIALS = "xmpp_dns_provider", "xmpp_dns_credentials"


def check_dns_provider(settings: HostSettings) -> None:
    """Check that the provider is used, alone, and has its credentials."""
    name = settings.values.get(NAME)
    if name is None:
        return
    if not name:
        if settings.values.get(CREDENTIALS):
            settings.add((CREDENTIALS,), f"{CREDENTIALS} is not used, because {NAME} is empty: remove it.")
        return
    check_credentials(settings, name)
    for other in ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret"):
        if settings.values.get(other):
            wrong = f"{NAME} and {other} are both set: the records are at one of them, so remove the other."
            settings.add((NAME,), wrong)
    users = ("xmpp_certificates", "xmpp_acme_challenge", "xmpp_dynamic_address")
    if not all(user in settings.values for user in users):
        return
    certificates, challenge, dynamic = (settings.values[user] for user in users)
    if dynamic and not PROVIDERS[name].addresses:
        known = ", ".join(key for key, provider in PROVIDERS.items() if provider.addresses)
        wrong = f"takes no addresses from the host (xmpp_dynamic_address); these do: {known}"
        settings.complain((NAME,), name, wrong)
    if not dynamic and (certificates, challenge) != ("acme", "dns"):
        wrong = "is not used: it is for certificates by DNS (xmpp_acme_challenge) and for xmpp_dynamic_address"
        settings.complain((NAME,), name, wrong, yaml_line("xmpp_acme_challenge", "dns"))


def check_credentials(settings: HostSettings, name: str) -> None:
    """Check that the provider's credentials are complete, and are the provider's."""
    given = settings.values.get(CREDENTIALS)
    if given is None:
        return
    provider = PROVIDERS[name]
    example = yaml_line(CREDENTIALS, dict.fromkeys(provider.needed[0], "…"))
    for key, value in given.items():
        if key in provider.known:
            if wrong := provider.wrong(key, value):
                settings.complain((CREDENTIALS, key), value, wrong, example, discreet=True)
        else:
            near = difflib.get_close_matches(str(key), provider.known, n=1)
            maybe = f"Did you mean {near[0]}?" if near else f"{name} takes {', '.join(provider.known)}."
            settings.add((CREDENTIALS, key), f'{CREDENTIALS} has the unknown key "{key}". {maybe}', example)
    if missing := provider.missing(given):
        settings.add((CREDENTIALS,), f'{NAME} is "{name}", but {CREDENTIALS} has no {missing}.', example)
