# SPDX-License-Identifier: GPL-3.0-or-later
"""What the chosen source of certificates needs."""

from __future__ import annotations

import re

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Keys

# Nobody can own a name below these, so no public authority certifies one (RFC 2606, 6761, 6762, 7686, 8375, 9476).
# ("test" is left out: whoever tests something may have reasons of their own.)
UNCERTIFIED = ("alt", "example", "home.arpa", "internal", "local", "localhost", "onion")
PUBLIC_AUTHORITY = ".letsencrypt.org"


def check_challenge(settings: HostSettings) -> None:
    """Check that what an order needs is there."""
    if settings.values.get("xmpp_certificates") != "acme":
        return
    check_authority(settings)
    challenge = settings.values.get("xmpp_acme_challenge")
    needed: dict[str, tuple[str, ...]] = {
        "dns": ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret"),
        "hook": ("xmpp_acme_hook_file",),
    }
    if settings.values.get("xmpp_dns_provider") != "":  # that one takes the place of the name server
        needed["dns"] = ()
    for name in needed.get(str(challenge), ()):
        if settings.values.get(name) == "":
            other = ", nor xmpp_dns_provider" if name == "xmpp_dns_server" else ""
            settings.add((name,), f'xmpp_acme_challenge is "{challenge}", but {name} is not set{other}.')
    pair = ("xmpp_acme_eab_kid", "xmpp_acme_eab_secret")
    values = settings.values
    if all(name in values for name in pair) and bool(values[pair[0]]) != bool(values[pair[1]]):
        missing = next(name for name in pair if not values[name])
        settings.add((missing,), f"{missing} is not set, but an external account needs both {pair[0]} and {pair[1]}.")


def check_authority(settings: HostSettings) -> None:
    """Check that the authority can certify such names: it would be found out after minutes, on the host."""
    host = re.sub(r"^https://|[:/].*", "", settings.values.get("xmpp_acme_directory", ""))
    if not f".{host}".endswith(PUBLIC_AUTHORITY):
        return
    names: list[tuple[Keys, str]] = [
        ((name,), settings.values[name]) for name in ("xmpp_domain", "xmpp_host_domain") if name in settings.values
    ]
    names += [(("xmpp_more_domains", at), one) for at, one in enumerate(settings.values.get("xmpp_more_domains", []))]
    told: set[str] = set()
    for keys, name in names:
        top = next((top for top in UNCERTIFIED if name.endswith(f".{top}")), None)
        if top and name not in told:
            told.add(name)
            wrong = (
                f"ends in .{top}, for which no public certificate authority issues certificates, but "
                'xmpp_certificates is "acme": use your own domain, or the host\'s own certificate authority'
            )
            settings.complain(keys, name, wrong, yaml_line("xmpp_certificates", "selfsigned"))


def check_provided(settings: HostSettings) -> None:
    """Check that both files of a provided certificate are named, and neither without being used."""
    source = settings.values.get("xmpp_certificates")
    for name in ("xmpp_certificate_file", "xmpp_certificate_key_file"):
        if name not in settings.values:
            continue
        if source == "provided" and not settings.values[name]:
            wrong = f'xmpp_certificates is "provided", but {name} is not set: both files are needed.'
            settings.add(("xmpp_certificates",), wrong, settings.example(name))
        elif source in ("acme", "selfsigned") and settings.values[name]:
            wrong = f'is not used, because xmpp_certificates is "{source}": remove it, or set xmpp_certificates'
            settings.complain((name,), settings.values[name], wrong, yaml_line("xmpp_certificates", "provided"))
