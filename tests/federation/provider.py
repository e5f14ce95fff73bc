# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS provider of the tests, on the name server, and the settings for it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testinfra.host import Host

PROGRAM, PORT, SECRET = "/run/dns-provider.py", 8053, "gie6AhBoh4Uu"


HERE = f"127.0.0.1:{PORT}"


@contextlib.contextmanager
def provider(names: Host, customer: Host) -> Iterator[None]:
    """It runs until the block ends, and the customer reaches it at an address of its own: credentials go nowhere else
    without TLS.
    """
    source = (Path(__file__).parent / "programs/dns_provider.py").read_bytes()
    names.check_output(f"echo {base64.b64encode(source).decode()} | base64 --decode > {PROGRAM}")
    names.check_output(f"systemd-run --quiet --collect --unit=dns-provider python3 {PROGRAM} {PORT} {SECRET}")
    # The proxy tries the first address alone, which may be one of IPv6; the program listens on IPv4.
    address = customer.check_output("getent ahostsv4 names.test").split()[0]
    proxy = f"/usr/lib/systemd/systemd-socket-proxyd {address}:{PORT}"
    customer.check_output(f"systemd-run --quiet --unit=dns-provider --socket-property=ListenStream={HERE} {proxy}")
    try:
        yield
    finally:
        customer.check_output("systemctl stop dns-provider.socket dns-provider.service")
        names.check_output(f"systemctl stop dns-provider.service; rm {PROGRAM}")


def at(name: str, **credentials: str) -> dict[str, Any]:
    """Return the settings for a provider, in the place of the name server's."""
    nothing = dict.fromkeys(("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret"), "")
    return {"xmpp_dns_provider": name, "xmpp_dns_credentials": credentials} | nothing


def ovh(secret: str = SECRET) -> dict[str, Any]:
    """Return the settings for the one whose interface can be somewhere else."""
    keys = {"OVH_APPLICATION_KEY": "conexizan", "OVH_APPLICATION_SECRET": secret, "OVH_CONSUMER_KEY": secret}
    keys["OVH_POLLING_INTERVAL"] = "1"  # knot shows a change at once
    return at("ovh", OVH_ENDPOINT=f"http://{HERE}/1.0", **keys)
