# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the roles need to know of a host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.addresses import PROBES, source_address
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import packages, service
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts.beside import look_around
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts.memory import memory_mib
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts.ssh import ssh_ports
from ansible_collections.conexizan.xmpp.plugins.module_utils.host_identity import identity
from ansible_collections.conexizan.xmpp.plugins.module_utils.nginx_sites import own_default

PACKAGES = Path("/var/lib/xmpp/packages.json")
HALF_RESTORED = Path("/var/lib/xmpp-backup/aside/half.json")
CERTIFICATES = Path("/usr/local/sbin/xmpp-certificates")
TIME_DAEMONS = ("chrony", "ntpsec", "openntpd", "systemd-timesyncd")


def os_release() -> dict[str, str]:
    """Return /etc/os-release as a dictionary (os-release(5))."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines) if value}


def ask_certificates() -> subprocess.Popen[bytes] | None:
    """Let the host's program look whether a certificate is due, while the rest is read; None on a host without it."""
    if not CERTIFICATES.exists():
        return None
    return subprocess.Popen(
        [str(CERTIFICATES), "--due"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def gather(asked: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the facts, by what the module is *asked*, and what others on the host should know."""
    certificates = ask_certificates() if asked["ports"] else None
    release = os_release()
    codename = release.get("VERSION_CODENAME", "")
    uri, keyring = packages.mirror(codename)
    roles = service.trees()
    changed = json.loads(PACKAGES.read_text(encoding="utf-8")) if PACKAGES.exists() else {}
    half_restored = HALF_RESTORED.exists()
    installed = packages.versions([*asked["packages"], *TIME_DAEMONS])
    sockets = neighbours.sockets()
    ipv4, ipv6 = (source_address(*probe) for probe in PROBES)
    facts: dict[str, Any] = {
        "name": release.get("PRETTY_NAME", ""),
        "release": codename,
        "mirror": uri,
        "signed_by": packages.backports_key(codename, uri, keyring),
        "ssh_ports": ssh_ports(sockets),
        "ipv4": ipv4,
        "ipv6": ipv6,
        "memory_mib": memory_mib(),
        "has_ipv6": Path("/proc/net/if_inet6").exists(),
        "has_backports": packages.has_backports(codename),
        "default_release": packages.default_release(),
        "versions": installed,
        "packages": changed,
        "trees": roles,
        "tree_digests": tree_files.digests(),
        "acknowledged": service.acknowledged(roles),
        "time_daemon": next((name for name in TIME_DAEMONS if name in installed), ""),
        "links": service.links(asked["folders"]),
        "inside": service.inside(asked["apart"], asked["places"]),
        "half_restored": half_restored,
        "identity": identity(roles, changed.get("added", []), asked["moderators"], half_restored=half_restored),
    }
    facts["own_default_site"] = own_default()
    facts["beside"], notes = look_around(asked, facts, sockets) if asked["ports"] else ([], [])
    # One of an earlier release does not know the question, and fails, too.
    facts["certificates_due"] = certificates is None or certificates.wait() != 0
    return facts, notes
