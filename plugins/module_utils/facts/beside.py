# SPDX-License-Identifier: GPL-3.0-or-later
"""What on the host does not go with the service, in words, and what its firewall will shut."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts.addresses import own_addresses, wrong_addresses
from ansible_collections.conexizan.xmpp.plugins.module_utils.nginx_sites import web_sites


def own_rsyslog(folder: Path = Path("/etc/rsyslog.d"), changed: str = "", owned: str = "") -> list[str]:
    """Return the files by which the operator configured rsyslog.

    *changed* is what C(dpkg --verify) says of the package, *owned* what C(dpkg-query --search) says of the folder.
    """
    files = re.findall(r"^..5\S* +c (/\S+)$", changed, re.MULTILINE)
    of_packages = {line.partition(": ")[2] for line in owned.splitlines()}
    for path in sorted(folder.glob("*.conf")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if str(path) not in of_packages and any(line.strip() and not line.strip().startswith("#") for line in lines):
            files.append(str(path))
    return files


def wrong_rsyslog() -> list[str]:
    """Return that the rsyslog of this host has a task of its own, in words: the service removes it."""

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    files = own_rsyslog(
        changed=said("dpkg", "--verify", "rsyslog"), owned=said("dpkg-query", "--search", "/etc/rsyslog.d/*")
    )
    if not files:
        return []
    return [
        f"rsyslog has configuration of yours: {', '.join(files)}. The service removes rsyslog, which would write to "
        "disk, or send to other hosts, what the journal holds in memory for a day; what you use it for would end. If "
        "it may go, remove it yourself, on the host: apt-get purge rsyslog. Else the service needs another host."
    ]


def look_around(
    asked: dict[str, Any], facts: dict[str, Any], sockets: list[neighbours.Socket]
) -> tuple[list[str], list[str]]:
    """Return what on the host does not go with the service, and what will not be reached any more from outside."""
    ports = neighbours.whole(asked["ports"])
    places = (asked["metrics"], asked["stun_server"])
    outer = [port for port in ports if not port["inner"]]
    addresses = [one for one in (facts["ipv4"], facts["ipv6"]) if one]
    sites, further = web_sites(facts["trees"], asked["https_port"], asked["names"], ports)
    faults = [
        neighbours.missing_localhost(),
        neighbours.without_nftables(asked["without_firewall"]) if asked["firewall"] else "",
        *neighbours.held_ports(sockets, ports, asked["own_units"]),
        *(neighbours.shut_words(one, firewall=asked["firewall"]) for one in neighbours.shut_ports(outer, addresses)),
        *sites,
        neighbours.relay_of_others(facts["trees"], ports),
        *(wrong_addresses(*places, own_addresses()) if any(places) else []),
        *(wrong_rsyslog() if "rsyslog" in facts["versions"] else []),
    ]
    if not asked["firewall"]:
        return list(filter(None, faults)), []
    opened = {port["first"] for port in outer} | set(facts["ssh_ports"]) | neighbours.opened_ports()
    # On the first run of everything, later of web sites alone: those the operator puts there and expects to be seen.
    others = sockets if facts["acknowledged"] < 0 else []
    return list(filter(None, faults)), neighbours.no_longer_reached(others, opened, further)
