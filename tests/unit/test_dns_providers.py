# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of DNS providers, and the page that shows it. The scenario `federation` compares it with lego."""

from __future__ import annotations

import re

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.dns_providers import PROVIDERS

from ..kit.footprint import footprint
from .loading import ROOT


def row(name: str) -> str:
    """Return the row of a provider."""
    provider = PROVIDERS[name]
    alternatives = [" and ".join(f"`{one}`" for one in names) for names in provider.needed]
    return f"| `{name}` | {provider.title} | {', or '.join(alternatives)} |{' yes' * provider.addresses} |"


def test_page_has_the_list() -> None:
    page = (ROOT / "docs/dns-providers.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `[a-z0-9]+`.*$", page, re.MULTILINE) == [row(name) for name in PROVIDERS]
    assert list(PROVIDERS) == sorted(PROVIDERS)


@pytest.mark.parametrize("name", PROVIDERS)
def test_who_orders_is_who_must_run(name: str) -> None:
    """certbot has a timer of its own; lego has none."""
    settings = {"xmpp_certificates": "acme", "xmpp_acme_challenge": "dns", "xmpp_dns_provider": name}
    assert ("certbot.timer" in footprint("timers", settings)) == (PROVIDERS[name].client == "certbot")
    for other in ({"xmpp_acme_challenge": "http"}, {"xmpp_dns_provider": ""}):
        assert "certbot.timer" in footprint("timers", settings | other)


@pytest.mark.parametrize(
    ("name", "given", "missing"),
    [
        ("desec", [], "DESEC_TOKEN"),
        ("desec", ["DESEC_TOKEN"], ""),
        ("inwx", ["INWX_PASSWORD"], "INWX_USERNAME"),
        ("netcup", [], "NETCUP_CUSTOMER_NUMBER and NETCUP_API_KEY and NETCUP_API_PASSWORD"),
        ("ovh", ["OVH_ENDPOINT"], "OVH_CLIENT_ID and OVH_CLIENT_SECRET"),
        ("ovh", ["OVH_CONSUMER_KEY", "OVH_ENDPOINT"], "OVH_APPLICATION_KEY and OVH_APPLICATION_SECRET"),
        ("ovh", ["OVH_ENDPOINT", "OVH_CLIENT_ID", "OVH_CLIENT_SECRET"], ""),
    ],
)
def test_missing_credentials_are_those_of_the_alternative_that_was_begun(
    name: str, given: list[str], missing: str
) -> None:
    assert PROVIDERS[name].missing(given) == missing


@pytest.mark.parametrize(
    ("name", "endpoint", "accepted"),
    [
        ("httpreq", "https://dns.friends.test", True),
        ("httpreq", "https://dns.friends.test:8443/api", True),
        ("httpreq", "http://127.0.0.1:8053", True),
        ("httpreq", "http://localhost/api", True),
        ("httpreq", "http://[::1]:8053/", True),
        ("ovh", "HTTPS://api.us.ovhcloud.com/1.0", True),
        ("httpreq", "http://dns.friends.test", False),
        ("httpreq", "HTTP://dns.friends.test", False),
        ("httpreq", "http://localhost.friends.test/", False),
        ("httpreq", "http://127.0.0.1@dns.friends.test/", False),
        ("httpreq", "http://127.0.0.1.friends.test", False),
        ("ovh", "http://eu.api.ovh.com/1.0", False),
    ],
)
def test_credentials_go_nowhere_without_tls(name: str, endpoint: str, accepted: bool) -> None:
    """But to the host itself."""
    assert (PROVIDERS[name].wrong(f"{name.upper()}_ENDPOINT", endpoint) is None) == accepted
