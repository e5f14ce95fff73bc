# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host, its addresses, and who is told of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.notation import yaml_line
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import label
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.ip_addresses import (
    METRICS_PORT,
    is_address,
    is_private,
    split_address,
)

SINGLE_PORT = 443


def check_ports(settings: HostSettings, taken_ports: Mapping[int, str]) -> None:
    """Check that no two parts of the host listen at the same port."""
    port = settings.values.get("xmpp_https_port", 0)
    ssh = ssh_port(settings)
    if port in taken_ports:
        settings.complain(("xmpp_https_port",), port, f"is already used by the service: {taken_ports[port]}")
    elif settings.values.get("xmpp_single_port") and port and port != SINGLE_PORT:
        wrong = f"is not used, because xmpp_https_port is {port}: networks that let out one port let out {SINGLE_PORT}"
        settings.complain(("xmpp_single_port",), True, wrong, yaml_line("xmpp_single_port", False))
    elif port and port == ssh:
        settings.complain(("xmpp_https_port",), port, "is the port of SSH on this host (ansible_port)")

    metrics = settings.values.get("xmpp_metrics")
    taken = {ssh: "SSH (ansible_port)", **taken_ports, port: "the web site"}
    if metrics and (number := split_address(metrics, METRICS_PORT)[1]) in taken:
        settings.complain(
            ("xmpp_metrics",), metrics, f"has a port that is already used by the service: {taken[number]}"
        )


def ssh_port(settings: HostSettings) -> int:
    """Return the port that Ansible reaches the host at, 22 if it is not told or cannot be known."""
    raw = settings.variables.get("ansible_port", settings.variables.get("ansible_ssh_port", 22))
    try:
        return int(settings.template(raw))
    except (AnsibleError, TypeError, ValueError):
        return 22


def check_dynamic_address(settings: HostSettings) -> None:
    """Check that what a dynamic update needs is there."""
    # A provider takes the place of the name server (cross_checks/dns_provider.py).
    if settings.values.get("xmpp_dynamic_address") and settings.values.get("xmpp_dns_provider") == "":
        for name in ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret"):
            if settings.values.get(name) == "":
                other = ", nor xmpp_dns_provider" if name == "xmpp_dns_server" else ""
                settings.add((name,), f"xmpp_dynamic_address is true, but {name} is not set{other}.")


def check_relays(settings: HostSettings) -> None:
    """Check that relays of others are others, and that apps can log in there."""
    for index, relay in enumerate(settings.values.get("xmpp_relays", [])):
        if relay.get("host") in settings.own_names():
            wrong = "is this service itself: its own relay is announced with xmpp_calls, so remove the entry"
            settings.complain(("xmpp_relays", index, "host"), relay["host"], wrong)
        given = [key for key in ("secret", "username", "password") if relay.get(key)]
        if given not in (["secret"], ["username", "password"]):
            wrong = f"has {' and '.join(given)}" if given else "has neither secret nor username and password"
            way = "give secret alone, or username and password without it"
            settings.add(("xmpp_relays", index), f"{label(('xmpp_relays', index))} {wrong}: {way}.")


def check_addresses(settings: HostSettings) -> None:
    """Check the addresses that the outside knows: one of each kind, and a STUN server that is another's."""
    public = settings.values.get("xmpp_public_addresses", [])
    first: dict[int, int] = {}
    for index, address in enumerate(public):
        version = ipaddress.ip_address(address).version
        if first.setdefault(version, index) != index:
            wrong = f"is a second IPv{version} address beside entry {first[version] + 1}: apps get one of each family"
            settings.complain(("xmpp_public_addresses", index), address, wrong)
    private = [index for index, address in enumerate(public) if is_private(address)]
    if 0 < len(private) < len(public):
        wrong = "is private, but others are public: it cannot be reached from where they are, so remove it"
        settings.complain(("xmpp_public_addresses", private[0]), public[private[0]], wrong)
    server = settings.values.get("xmpp_stun_server", "")
    host = server.partition(":")[0]
    if host and (
        host in {*settings.own_names(), *public} or (is_address(host) and ipaddress.ip_address(host).is_loopback)
    ):
        wrong = "is this service itself, which cannot see its own address from outside: name another server"
        settings.complain(("xmpp_stun_server",), server, wrong)
