# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the front door: the DNS provider and its credentials."""

from __future__ import annotations

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.dns_providers import PROVIDERS

from ..known import Cases

# What has a form, where others are what the provider has made.
SHAPED = {"desec": {"DESEC_POLLING_INTERVAL": "5"}, "ovh": {"OVH_ENDPOINT": "ovh-eu"}}

CASES: Cases = {
    **{
        f"order by {provider} with {', '.join(given) or 'nothing'}": (
            {
                "xmpp_acme_challenge": "dns",
                "xmpp_dns_provider": provider,
                "xmpp_dns_credentials": dict.fromkeys(given, "hunter 2") | SHAPED.get(provider, {}),
            },
            [(label, words)] if words else [],
        )
        for provider, given, label, words in (
            ("desec", ["DESEC_TOKEN"], "", ""),
            ("desec", [], "xmpp_dns_provider", 'is "desec", but xmpp_dns_credentials has no DESEC_TOKEN.'),
            ("inwx", [], "xmpp_dns_provider", 'is "inwx", but xmpp_dns_credentials has no INWX_USERNAME and INWX_PASS'),
            ("ovh", ["OVH_CLIENT_ID", "OVH_CLIENT_SECRET"], "", ""),
            ("ovh", ["OVH_CLIENT_ID"], "xmpp_dns_provider", "has no OVH_CLIENT_SECRET."),
            ("netcup", [], "xmpp_dns_provider", "has no NETCUP_CUSTOMER_NUMBER and NETCUP_API_KEY and"),
        )
    },
    "order by a provider, all wrong": (
        {
            "xmpp_acme_challenge": "dns",
            "xmpp_dns_provider": "desec",
            "xmpp_dns_credentials": {"DESEC_TOKN": "hunter 2", "DESEC_TOKEN": 7, "HETZNER_API_TOKEN": "hunter 2"},
            "xmpp_dns_server": "192.0.2.53",
            "xmpp_dns_key_name": "update",
        },
        [
            ("xmpp_dns_provider", "and xmpp_dns_server are both set"),
            ("xmpp_dns_provider", "and xmpp_dns_key_name are both set"),
            ("xmpp_dns_credentials (DESEC_TOKEN)", "which is an integer, but must be a string"),
        ],
    ),
    "provider with credentials of another": (
        {
            "xmpp_acme_challenge": "dns",
            "xmpp_dns_provider": "desec",
            "xmpp_dns_credentials": {"DESEC_TOKN": "hunter 2", "DESEC_TOKEN": "hunter 2", "HETZNER_API_TOKEN": "h"},
        },
        [
            ("xmpp_dns_credentials", 'has the unknown key "DESEC_TOKN". Did you mean DESEC_TOKEN?'),
            ("xmpp_dns_credentials", 'has the unknown key "HETZNER_API_TOKEN". desec takes DESEC_TOKEN, DESEC_PROP'),
        ],
    ),
    "credentials of another form": (
        {
            "xmpp_acme_challenge": "dns",
            "xmpp_dns_provider": "httpreq",
            "xmpp_dns_credentials": {
                "HTTPREQ_ENDPOINT": "dns.friends.test",
                "HTTPREQ_MODE": "raw",
                "HTTPREQ_POLLING_INTERVAL": "5s",
                "HTTPREQ_PASSWORD": "",
            },
        },
        [("xmpp_dns_credentials (HTTPREQ_PASSWORD)", "is empty")],
    ),
    "credentials of a form that lego would not take": (
        {
            "xmpp_acme_challenge": "dns",
            "xmpp_dns_provider": "httpreq",
            "xmpp_dns_credentials": {
                "HTTPREQ_ENDPOINT": "dns.friends.test",
                "HTTPREQ_MODE": "raw",
                "HTTPREQ_POLLING_INTERVAL": "5s",
            },
        },
        [
            (
                "xmpp_dns_credentials (HTTPREQ_ENDPOINT)",
                "is a value that is not shown, which is not a URL that begins with https://",
            ),
            ("xmpp_dns_credentials (HTTPREQ_MODE)", "is a value that is not shown, which does not match RAW"),
            ("xmpp_dns_credentials (HTTPREQ_POLLING_INTERVAL)", "which is not a number of seconds, from 1 to 9999"),
        ],
    ),
    "endpoint that the provider has not": (
        {
            "xmpp_acme_challenge": "dns",
            "xmpp_dns_provider": "ovh",
            "xmpp_dns_credentials": dict.fromkeys(["OVH_ENDPOINT", "OVH_CLIENT_ID", "OVH_CLIENT_SECRET"], "ovh-uk"),
        },
        [
            (
                "xmpp_dns_credentials (OVH_ENDPOINT)",
                "which is neither a URL that begins with https:// (http:// only for localhost) nor one of: ovh-eu, "
                "ovh-ca, ovh-us",
            )
        ],
    ),
    "unknown provider": (
        {"xmpp_acme_challenge": "dns", "xmpp_dns_provider": "deSEC", "xmpp_dns_credentials": {"DESEC_TOKEN": "h"}},
        [("xmpp_dns_provider", f"is not a DNS provider that is known here: {', '.join(PROVIDERS)}.")],
    ),
    "dynamic address at a provider": (
        {
            "xmpp_dynamic_address": True,
            "xmpp_dns_provider": "duckdns",
            "xmpp_dns_credentials": {"DUCKDNS_TOKEN": "hunter 2"},
        },
        [],
    ),
    "dynamic address at a provider that takes none": (
        {
            "xmpp_dynamic_address": True,
            "xmpp_dns_provider": "ionos",
            "xmpp_dns_credentials": {"IONOS_API_KEY": "hunter 2"},
        },
        [
            (
                "xmpp_dns_provider",
                "takes no addresses from the host (xmpp_dynamic_address); these do: cloudflare, desec, duckdns, "
                "gandiv5, hetzner, inwx, ovh.",
            )
        ],
    ),
    "provider without its challenge": (
        {"xmpp_dns_provider": "desec", "xmpp_dns_credentials": {"DESEC_TOKEN": "hunter 2"}},
        [
            (
                "xmpp_dns_provider",
                "is not used: it is for certificates by DNS (xmpp_acme_challenge) and for xmpp_dynamic_address",
            )
        ],
    ),
    "credentials without a provider": (
        {"xmpp_dns_credentials": {"DESEC_TOKEN": "hunter 2"}},
        [("xmpp_dns_credentials", "is not used, because xmpp_dns_provider is empty")],
    ),
}
