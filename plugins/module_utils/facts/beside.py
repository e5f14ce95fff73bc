# SPDX-License-Identifier: GPL-3.0-or-later
"""What on the host does not go with the service, in words, and what the service changes for others there."""

from __future__ import annotations

import subprocess
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours, nginx_sites, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import closing, removals, renewals, taken
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts.addresses import own_addresses, wrong_addresses
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import host
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import Chains

RSYSLOG = "rsyslog"


def said(*command: str) -> str:
    """Return what a program says."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def rsyslog_files() -> list[str]:
    """Return the files by which the operator configured rsyslog."""
    return removals.own_rsyslog(
        changed=said("dpkg", "--verify", RSYSLOG), owned=said("dpkg-query", "--search", "/etc/rsyslog.d/*")
    )


def look_around(
    asked: dict[str, Any], facts: dict[str, Any], sockets: list[neighbours.Socket]
) -> tuple[list[str], list[str]]:
    """Return what on the host does not go with the service, and what others there should know before it is changed."""
    ports = neighbours.whole(asked["ports"])
    places = (asked["metrics"], asked["stun_server"])
    outer = [port for port in ports if not port["inner"]]
    addresses = [one for one in (facts["ipv4"], facts["ipv6"]) if one]
    chains = host.read()
    sites, further = nginx_sites.web_sites(
        facts["trees"], asked["https_port"], asked["names"], ports, asked["https_listen"]
    )
    leaving = [name for name in asked["removes"] if name in facts["versions"]]
    written = tree_files.written()
    faults = [
        neighbours.missing_localhost(),
        neighbours.without_nftables(asked["without_firewall"]) if asked["firewall"] else "",
        *neighbours.held_ports(sockets, ports, asked["own_units"]),
        *(
            neighbours.shut_words(one, firewall=asked["firewall"])
            for one in neighbours.shut_ports(outer, addresses, chains)
        ),
        nginx_sites.not_debians(),
        *sites,
        neighbours.relay_of_others(facts["trees"], ports),
        neighbours.exporter_of_others(facts["trees"], ports),
        *(wrong_addresses(*places, own_addresses()) if any(places) else []),
        *taken.taken_names(asked["files"], written),
        *taken.replaced_units(list(dict.fromkeys(port["unit"] for port in ports)), written),
        *(renewals.lost_renewals(confined=asked["acme"]) if "certificates" not in facts["trees"] else []),
        removals.wrong_rsyslog(rsyslog_files()) if RSYSLOG in leaving else "",
        removals.dependents_fault(leaving, removals.dependents(leaving)) if leaving else "",
    ]
    first = facts["acknowledged"] < 0  # later the operator knows, and what was there is gone
    notes = [
        removals.removal_notice(leaving, removals.old_logs(asked["deletes"]) if first else []),
        neighbours.enabled_but_stopped(sockets),
        removals.jails_notice(removals.jails_without_logs(asked["deletes"])) if first else "",
        closing.sentence(unreachable(asked, facts, outer, sockets if first else [], further, chains)),
    ]
    return list(filter(None, faults)), list(filter(None, notes))


def unreachable(
    asked: dict[str, Any],
    facts: dict[str, Any],
    needed: list[dict[str, Any]],
    sockets: list[neighbours.Socket],
    further: dict[int, str],
    chains: Chains,
) -> list[closing.Closed]:
    """Return what the firewall of the service closes; web sites of the operator's in every run, which come later."""
    if not asked["firewall"]:
        return []
    if asked["mdns"]:
        sockets = [one for one in sockets if (one.protocol, one.port) != closing.MDNS]
    addresses = [one for one in (facts["ipv4"], facts["ipv6"]) if one]
    return closing.closing(
        sockets,
        needed,
        set(facts["ssh_ports"]) | closing.opened_ports(),
        further,
        passed=closing.passed_on(chains, sockets, addresses),
        any_port=closing.own_ports(),
    )
