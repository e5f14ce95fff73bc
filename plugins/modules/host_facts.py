#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read everything the roles need to know of a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_facts
short_description: What the roles need to know of a host, in one round trip
description:
  - Reads the Debian release, the mirror the host installs from, the ports sshd listens on, the host's addresses and the
    installed versions of some packages. M(ansible.builtin.setup) knows neither mirror nor sshd and takes much longer.
  - Changes nothing. Returns C(ansible_facts.xmpp_host).
options:
  packages:
    description: Packages whose installed version is wanted.
    type: list
    elements: str
    default: []
  ports:
    description: >-
      Ports that the service needs. With any, what else is on the host is looked at too: who has them, whose firewall
      shuts them, which web sites and whose relay are there.
    type: list
    elements: dict
    default: []
    suboptions:
      protocol: {description: Of IP., type: str, choices: [tcp, udp], default: tcp}
      first: {description: The port., type: int, required: true}
      last: {description: The last one, if a free one is taken of several; else the same., type: int}
      unit: {description: What listens there., type: str, required: true}
      address: {description: Where; C(public) is everywhere but on loopback., type: str, default: "*"}
      inner: {description: Whether nobody outside of the host is to reach it., type: bool, default: false}
      setting: {description: What the operator can do instead., type: str, default: ""}
  names:
    description: Names that the web server of the service answers to.
    type: list
    elements: str
    default: []
  https_port:
    description: Port of HTTPS.
    type: int
    default: 443
  firewall:
    description: Whether the service brings a firewall of its own.
    type: bool
    default: false
  folders:
    description: Folders of the service, in which nothing may be a symbolic link.
    type: list
    elements: str
    default: []
  apart:
    description: A folder that must not be in one of I(places).
    type: str
    default: ""
  places:
    description: What goes with the service.
    type: list
    elements: str
    default: []
  secrets:
    description:
      - C(folder), where the service's secrets are on the controller, and C(accounts), the addresses of administrators.
      - If given, those on the host are compared with these, see C(identity.strange_secrets).
    type: dict
  metrics:
    description: The address where the host's counters are to be read, with or without a port; empty without counters.
    type: str
    default: ""
  stun_server:
    description: Who tells the host its public address, with or without a port.
    type: str
    default: ""
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Read what the host is
  host_facts:
    packages: [nginx]
"""

RETURN = r"""
ansible_facts:
  description:
    - "C(xmpp_host) with C(release) (codename), C(name), C(mirror) (URI of the Debian archive in use), C(signed_by) (the
      keyring for backports from there), C(has_backports) (the operator has added them),
      C(default_release) (of apt), C(ssh_ports), C(ipv4) and C(ipv6) (source addresses of
      the default routes, of IPv6 the lasting one, or empty), C(has_ipv6), C(versions) (package to installed
      version), C(trees) (the roles that have files on the host, by M(tree)), C(acknowledged) (number of the last change
      that the operator has acknowledged; 0 before there were any, -1 on a host without the service),
      C(packages) (those that the service has C(added), those that are C(gone) for it, and those that have C(been)),
      C(time_daemon) (installed package, if any), C(links) (symbolic links that are, or
      are in, one of I(folders), with the folder that they lead to; empty for a file), C(inside) (which of I(places) the
      folder I(apart) is really in, or empty), C(half_restored) (a restore was cut off in its middle), C(beside) (in
      words, what on the host does not go with the service), C(own_default_site) (nginx's is the operator's by now) and
      C(identity): C(foreign) (folders with data of an ejabberd that is not this service's), C(served) (the domains
      that ejabberd was configured for last, by what people have there: C(accounts), C(rooms), C(nodes), C(uploads)) and
      C(population) (how many there are, by domain and kind), C(known_secrets) (names of the secrets on the host) and
      C(strange_secrets) (those of which the folder has none, or others: C(name), C(state), and the folder where they
      were C(found))."
  type: dict
  returned: always
"""

import ipaddress
import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.host_identity import identity

APT = Path("/etc/apt")
ACKNOWLEDGED = Path("/etc/xmpp/acknowledged")
PACKAGES = Path("/var/lib/xmpp/packages.json")
HALF_RESTORED = Path("/var/lib/xmpp-backup/aside/half.json")
TIME_DAEMONS = ("chrony", "ntpsec", "openntpd", "systemd-timesyncd")
SSH_SERVERS = ("/usr/sbin/sshd", "/usr/sbin/dropbear")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
OUR_SOURCE = "xmpp-backports.sources"
# linux/in6.h
IPV6_ADDR_PREFERENCES, IPV6_PREFER_SRC_PUBLIC = 72, 2
# What apt takes for no (apt's StringToBool).
DISABLED = ("no", "false", "0", "off", "without", "disable")
# Packages that a role removes or configures, and none installs.
LOOKED_FOR = ("coturn", "rsyslog", "openssh-server", "sudo", "wtmpdb", "libpam-wtmpdb", "lastlog2", "libpam-lastlog2")


def os_release() -> dict[str, str]:
    """Return /etc/os-release as a dictionary (os-release(5))."""
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    return {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines) if value}


def apt_sources() -> list[dict[str, str]]:
    """Return every active binary source as uris, suites, components, signed-by (sources.list(5), both formats)."""
    sources = []
    for path in [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*.list"))]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for match in re.finditer(r"^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#\n]*)", text, re.MULTILINE):
            options = dict(item.split("=", 1) for item in (match[1] or "").split() if "=" in item)
            sources.append(
                {
                    "uris": match[2],
                    "suites": match[3],
                    "components": match[4],
                    "signed-by": options.get("signed-by", ""),
                }
            )
    for path in sorted(set((APT / "sources.list.d").glob("*.sources")) - {APT / "sources.list.d" / OUR_SOURCE}):
        text = re.sub(r"^#.*\n?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for stanza in re.split(r"\n\s*\n", text):
            fields = {
                key.lower(): " ".join(value.split())
                for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
            }
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in DISABLED:
                sources.append({key: fields.get(key, "") for key in ("uris", "suites", "components", "signed-by")})
    return sources


def mirror(release: str) -> tuple[str, str]:
    """Return URI and keyring of the Debian archive that the host uses for its release; empty if it has none.

    Other archives (a Raspberry Pi's own, a vendor's) use the same suite names, Debian's is the one that has
    updates or backports of the suite too, or that is signed with Debian's keyring.
    """
    best: tuple[int, str, str] = (-1, "", "")
    sources = apt_sources()
    for source in sources:
        suites = source["suites"].split()
        if release not in suites or "main" not in source["components"].split():
            continue
        for uri in source["uris"].split():
            beside = {suite for other in sources if uri in other["uris"].split() for suite in other["suites"].split()}
            score = 2 * bool(beside & {f"{release}-updates", f"{release}-backports"})
            score += "debian-archive" in source["signed-by"]
            if score > best[0]:
                keyring = source["signed-by"] if source["signed-by"].startswith("/") else ""  # else the key itself
                best = (score, uri.rstrip("/"), keyring)
    return best[1], best[2]


def backports(release: str) -> list[dict[str, str]]:
    """Return what the operator has added of backports."""
    return [source for source in apt_sources() if f"{release}-backports" in source["suites"].split()]


def has_backports(release: str) -> bool:
    """Tell whether the operator has added backports with the part that the service comes from."""
    return any("main" in source["components"].split() for source in backports(release))


def backports_key(release: str, uri: str, keyring: str) -> str:
    """Return the keyring of backports at *uri*: the operator's, even if none; two stop apt."""
    for source in backports(release):
        if uri in [one.rstrip("/") for one in source["uris"].split()]:
            return source["signed-by"]
    return keyring or KEYRING


def default_release() -> str:
    """Return APT::Default-Release, which puts that release before all others, security updates included."""
    words = subprocess.run(
        ["apt-config", "dump", "APT::Default-Release"], capture_output=True, text=True, check=False
    ).stdout
    match = re.search(r'^APT::Default-Release "(.+)";$', words, re.MULTILINE)
    return match[1] if match else ""


def executable(pid: str) -> str:
    """Return the file a process runs; its name would be the process's own choice."""
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def configured_ports(text: str) -> set[int]:
    """Return the ports in sshd's configuration, in the words of sshd -T: those of its next start."""
    addresses = [int(port) for port in re.findall(r"^listenaddress .*:(\d+)$", text, re.MULTILINE)]
    return set(addresses or [int(port) for port in re.findall(r"^port (\d+)$", text, re.MULTILINE)])


def ssh_ports(sockets: list[neighbours.Socket]) -> list[int]:
    """Return the ports where sshd is reached, now and after its next start, by itself or by systemd."""
    ports = set()
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) == 4:
        ports.add(int(connection[3]))
    ports |= {
        one.port
        for one in sockets
        if one.protocol == "tcp" and one.pid and not one.loopback and executable(str(one.pid)) in SSH_SERVERS
    }
    if os.path.exists(SSH_SERVERS[0]):
        ports |= configured_ports(
            subprocess.run([SSH_SERVERS[0], "-T"], capture_output=True, text=True, check=False).stdout
        )
    activated = subprocess.run(
        ["systemctl", "show", "--property=Listen", "--value", "ssh.socket"], capture_output=True, text=True, check=False
    ).stdout
    active = subprocess.run(["systemctl", "is-active", "--quiet", "ssh.socket"], check=False).returncode == 0
    if active:
        ports |= {int(port) for port in re.findall(r":(\d+) \(Stream\)", activated)}
    return sorted(ports)


def source_address(family: socket.AddressFamily, probe: str) -> str:
    """Return the address this host speaks from towards the outside; connecting a UDP socket sends nothing."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            if family == socket.AF_INET6:  # the lasting address, not the temporary one of today (RFC 5014, RFC 8981)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, IPV6_PREFER_SRC_PUBLIC)
            sock.connect((probe, 9))
            address = str(sock.getsockname()[0])
    except OSError:  # no route, or a kernel without IPv6
        return ""
    # Of an interface that has a route and no address of its own yet.
    return "" if address == "::1" or address.startswith("fe80:") else address


def versions(packages: list[str]) -> dict[str, str]:
    """Return the installed ones of *packages* with their versions, from dpkg's database."""
    wanted = set(packages)
    found = {}
    for stanza in Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
        name = stanza.partition("\n")[0].removeprefix("Package: ")
        if name in wanted and "\nStatus: install ok installed" in stanza:
            match = re.search(r"^Version: (\S+)", stanza, re.MULTILINE)
            if match:
                found[name] = match[1]
    return found


def trees() -> list[str]:
    """Return the roles that have files on this host, or had when a power cut left nothing of what they wrote down."""
    found = {path.stem: tree_files.read_json(path) for path in tree_files.MANIFESTS.glob("*.json")}
    return sorted(role for role, manifest in found.items() if manifest is None or manifest["files"])


def links(folders: list[str]) -> dict[str, str]:
    """Return the symbolic links among *folders* and up to two levels below them, with the folder they lead to."""
    found = {}
    for folder in map(Path, folders):
        # Not all that people have sent, which nobody but the service writes.
        for path in [folder, *folder.glob("*"), *folder.glob("*/*")]:
            if path.is_symlink():
                found[str(path)] = "" if path.is_file() else os.readlink(path)
    return found


def inside(folder: str, places: list[str]) -> str:
    """Return which of *places* a folder is in, or is, wherever links lead; empty if in none."""
    real = Path(folder).resolve()
    return next((place for place in places if real.is_relative_to(Path(place).resolve())), "") if folder else ""


def own_addresses() -> set[str]:
    """Return all addresses of this host, in their short form."""
    done = subprocess.run(["ip", "-json", "address", "show"], capture_output=True, text=True, check=False)
    links = json.loads(done.stdout or "[]")
    return {str(ipaddress.ip_address(one["local"])) for link in links for one in link["addr_info"] if "local" in one}


def address_in(place: str) -> str:
    """Return the address of ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT in its short form, or nothing if it is a name."""
    found = re.fullmatch(r"\[(.+)\](?::\d+)?|([^:]+):\d+", place)
    try:
        return str(ipaddress.ip_address((found[1] or found[2]) if found else place))
    except ValueError:
        return ""


def wrong_addresses(metrics: str, stun_server: str, own: set[str]) -> list[str]:
    """Return what does not fit this host's addresses, in words."""
    wrong = []
    others = [one for one in map(ipaddress.ip_address, own) if not one.is_loopback and not one.is_link_local]
    listed = ", ".join(sorted(map(str, others))) or "none but loopback"
    counted = address_in(metrics)
    if counted and not ipaddress.ip_address(counted).is_loopback and counted not in own:
        wrong.append(
            f"xmpp_metrics is {metrics}, which is no address of this host (it has {listed}): nothing could be read "
            "there. Name one of its own, or 127.0.0.1; if it is the one of a VPN, start that first."
        )
    if address_in(stun_server) in own:
        wrong.append(
            f"xmpp_stun_server is {stun_server}, which is this host itself: it does not see from outside which address "
            "it has. Name a server of others."
        )
    return wrong


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


def acknowledged(roles: list[str]) -> int:
    """Return the number of the last change of the project that the operator has acknowledged on this host."""
    if not ACKNOWLEDGED.exists():
        return 0 if roles else -1
    return int(ACKNOWLEDGED.read_text(encoding="utf-8").splitlines()[-1])


def look_around(
    asked: dict[str, Any], facts: dict[str, Any], sockets: list[neighbours.Socket]
) -> tuple[list[str], list[str]]:
    """Return what on the host does not go with the service, and what will not be reached any more from outside."""
    ports = neighbours.whole(asked["ports"])
    places = (asked["metrics"], asked["stun_server"])
    outer = [port for port in ports if not port["inner"]]
    addresses = [one for one in (facts["ipv4"], facts["ipv6"]) if one]
    sites, further = neighbours.web_sites(facts["trees"], asked["https_port"], asked["names"], ports)
    faults = [
        neighbours.missing_localhost(),
        neighbours.without_nftables() if asked["firewall"] else "",
        *neighbours.held_ports(sockets, ports),
        *(neighbours.shut_words(one, firewall=asked["firewall"]) for one in neighbours.shut_ports(outer, addresses)),
        *sites,
        neighbours.relay_of_others(facts["trees"]) if any(port["unit"] == "coturn.service" for port in ports) else "",
        *(wrong_addresses(*places, own_addresses()) if any(places) else []),
        *(wrong_rsyslog() if "rsyslog" in facts["versions"] else []),
    ]
    if not asked["firewall"]:
        return list(filter(None, faults)), []
    opened = {port["first"] for port in outer} | set(facts["ssh_ports"]) | neighbours.opened_ports()
    # On the first run of everything, later of web sites alone: those the operator puts there and expects to be seen.
    others = sockets if facts["acknowledged"] < 0 else []
    return list(filter(None, faults)), neighbours.no_longer_reached(others, opened, further)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "list", "elements": "str", "default": []} for name in ("packages", "folders", "places")},
            "apart": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "dict", "default": [], "options": neighbours.PORT},
            "names": {"type": "list", "elements": "str", "default": []},
            "https_port": {"type": "int", "default": 443},
            "firewall": {"type": "bool", "default": False},
            "secrets": {"type": "dict", "no_log": False},
            "metrics": {"type": "str", "default": ""},
            "stun_server": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    release = os_release()
    codename = release.get("VERSION_CODENAME", "")
    uri, keyring = mirror(codename)
    roles = trees()
    packages = json.loads(PACKAGES.read_text(encoding="utf-8")) if PACKAGES.exists() else {}
    half_restored = HALF_RESTORED.exists()
    installed = versions([*module.params["packages"], *LOOKED_FOR, *TIME_DAEMONS])
    sockets = neighbours.sockets()
    facts: dict[str, Any] = {
        "name": release.get("PRETTY_NAME", ""),
        "release": codename,
        "mirror": uri,
        "signed_by": backports_key(codename, uri, keyring),
        "ssh_ports": ssh_ports(sockets),
        # Documentation addresses (RFC 5737, RFC 3849): never a real destination.
        "ipv4": source_address(socket.AF_INET, "192.0.2.1"),
        "ipv6": source_address(socket.AF_INET6, "2001:db8::1"),
        "has_ipv6": Path("/proc/net/if_inet6").exists(),
        "has_backports": has_backports(codename),
        "default_release": default_release(),
        "versions": installed,
        "packages": packages,
        "trees": roles,
        "acknowledged": acknowledged(roles),
        "time_daemon": next((name for name in TIME_DAEMONS if name in installed), ""),
        "links": links(module.params["folders"]),
        "inside": inside(module.params["apart"], module.params["places"]),
        "half_restored": half_restored,
        "identity": identity(roles, packages.get("added", []), half_restored=half_restored),
    }
    facts["own_default_site"] = neighbours.own_default()
    facts["beside"], shut = look_around(module.params, facts, sockets) if module.params["ports"] else ([], [])
    if shut and not facts["beside"]:
        module.warn(
            f"The firewall of the service shuts TCP {', '.join(shut)} for everybody outside. To open a "
            "port, put a line like this one into /etc/xmpp/firewall.d/own.nft, and run systemctl reload xmpp-firewall: "
            f"tcp dport {shut[0].split()[0]} accept"
        )
    module.exit_json(changed=False, ansible_facts={"xmpp_host": facts})


if __name__ == "__main__":
    main()
