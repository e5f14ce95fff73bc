# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS providers whose interface the host can use: the one list of them.

A provider has lego's name, and its credentials have the names of the environment variables that lego reads. A test
compares both with the installed lego, another one the table in docs/dns-providers.md. Debian's lego was built without
a few of those that lego's own pages have.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

# No password in it, which would not be hidden. The credentials go there, so without TLS only to the host itself.
URL = re.compile(r"(?i:https)://[^\s/@]+(/\S*)?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/\S*)?")
WAITING = ("_PROPAGATION_TIMEOUT", "_POLLING_INTERVAL")
# What else lego would not refuse, or only during the order.
ONLY = {"HTTPREQ_MODE": re.compile("RAW"), "INWX_SHARED_SECRET": re.compile("[A-Za-z2-7 ]+")}


@dataclass(frozen=True)
class Provider:
    """A provider, with the credentials that it takes."""

    title: str
    # Alternatives: the credentials of one of them must be given.
    needed: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    # What may stand in the place of the address of its interface.
    endpoints: tuple[str, ...] = ()
    # What orders certificates with it: certbot has a plugin in Debian for one that Debian's lego does not know.
    client: str = "lego"
    # Whether the host can change its addresses there too: in UPDATES of roles/dynamic_dns/…/address_updates.py.
    addresses: bool = False

    @property
    def known(self) -> list[str]:
        """Return the names of everything that it takes."""
        credentials = [name for names in self.needed for name in names]
        # lego waits until all name servers of the provider have a record: so many seconds, asking every so many.
        prefix = self.needed[0][0].partition("_")[0]
        waiting = [prefix + ending for ending in WAITING] if self.client == "lego" else []
        return list(dict.fromkeys([*credentials, *self.optional, *waiting]))

    def wrong(self, key: str, value: str) -> str | None:
        """Return what is wrong with a credential, in words that do not quote it."""
        if key.endswith("_ENDPOINT") and value not in self.endpoints and not URL.fullmatch(value):
            form = "a URL that begins with https:// (http:// only for localhost)"
            return f"is neither {form} nor one of: {', '.join(self.endpoints)}" if self.endpoints else f"is not {form}"
        if key.endswith(WAITING) and not re.fullmatch("[1-9][0-9]{0,3}", value):
            return "is not a number of seconds, from 1 to 9999"
        if key in ONLY and not ONLY[key].fullmatch(value):
            return f"does not match {ONLY[key].pattern}"
        return None

    def missing(self, given: Collection[str]) -> str:
        """Return the credentials that are missing, in words: those of the alternative that was begun, or all."""
        lacking = [[name for name in names if name not in given] for names in self.needed]
        if not all(lacking):
            return ""
        begun = [absent for names, absent in zip(self.needed, lacking, strict=True) if len(absent) < len(names)]
        alternatives = [min(begun, key=len)] if begun else lacking
        return ", or ".join(" and ".join(names) for names in alternatives)


PROVIDERS: dict[str, Provider] = {
    "cloudflare": Provider(
        "Cloudflare",
        (("CF_DNS_API_TOKEN",),),
        client="certbot",
        addresses=True,
    ),
    "desec": Provider("deSEC", (("DESEC_TOKEN",),), addresses=True),
    "duckdns": Provider("Duck DNS", (("DUCKDNS_TOKEN",),), addresses=True),
    "gandiv5": Provider("Gandi", (("GANDIV5_PERSONAL_ACCESS_TOKEN",),), addresses=True),
    "hetzner": Provider("Hetzner", (("HETZNER_API_TOKEN",),), addresses=True),
    "httpreq": Provider(
        "a server of your own", (("HTTPREQ_ENDPOINT",),), ("HTTPREQ_MODE", "HTTPREQ_USERNAME", "HTTPREQ_PASSWORD")
    ),
    "infomaniak": Provider("Infomaniak", (("INFOMANIAK_ACCESS_TOKEN",),)),
    "inwx": Provider("INWX", (("INWX_USERNAME", "INWX_PASSWORD"),), ("INWX_SHARED_SECRET",), addresses=True),
    "ionos": Provider("IONOS", (("IONOS_API_KEY",),)),
    "netcup": Provider("netcup", (("NETCUP_CUSTOMER_NUMBER", "NETCUP_API_KEY", "NETCUP_API_PASSWORD"),)),
    "ovh": Provider(
        "OVHcloud",
        (
            ("OVH_ENDPOINT", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"),
            ("OVH_ENDPOINT", "OVH_CLIENT_ID", "OVH_CLIENT_SECRET"),
        ),
        endpoints=("ovh-eu", "ovh-ca", "ovh-us"),
        addresses=True,
    ),
}
