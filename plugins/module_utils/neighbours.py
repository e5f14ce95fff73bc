# SPDX-License-Identifier: GPL-3.0-or-later
"""Find conflicts on a host: ports in use, another TURN server, another firewall, missing requirements."""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.dpkg import untouched
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import closed_ports, host
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls.rules import PASSED, Chains

CONTAINERS = re.compile(r"docker|libpod|containerd|podman|lxc|machine-|conmon")
LOOPBACK = ("127.", "[::1]", "[::ffff:127.")
# Programs that want ports of the service as a rule.
COMMON_SERVERS = ("apache2", "caddy", "haproxy", "lighttpd", "openresty", "prosody")
WILDCARDS = ("0.0.0.0", "[::]", "*")  # noqa: S104  (to compare with)
EXPORTER = Path("/usr/bin/prometheus-node-exporter")
EXPORTER_OPTIONS = Path("/etc/default/prometheus-node-exporter")
# A port of the service, as modules take it (host_facts has what each of it means).
PORT: dict[str, dict[str, Any]] = {
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "first": {"type": "int", "required": True},
    "last": {"type": "int"},
    "unit": {"type": "str", "required": True},
    "address": {"type": "str", "default": "*"},
    "inner": {"type": "bool", "default": False},
    "setting": {"type": "str", "default": ""},
}


def whole(ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return ports with an end: of one alone, itself."""
    return [port | {"last": port["last"] or port["first"]} for port in ports]


@dataclass(frozen=True)
class Socket:
    """A listening socket, and the process that owns it."""

    protocol: str
    address: str
    port: int
    unit: str = ""
    program: str = ""
    pid: int = 0

    @property
    def loopback(self) -> bool:
        """Whether only this host can reach it."""
        return self.address.startswith(LOOPBACK)

    @property
    def holder_known(self) -> bool:
        """Whether it is of a program: the kernel's own (WireGuard) have none."""
        return bool(self.unit or self.program or self.pid)

    @property
    def holder(self) -> str:
        """The owner, as text."""
        program = f"{self.program}, pid {self.pid}" if self.program and self.pid != 1 else ""
        if self.unit.endswith((".service", ".socket")):
            return f"{self.unit} ({program})" if program else self.unit
        return program or self.unit or "a program that cannot be seen from here"

    @property
    def contained(self) -> bool:
        """Whether it is a container's."""
        return bool(CONTAINERS.search(self.unit) or self.program in ("docker-proxy", "rootlessport"))


def unit_of(path: str) -> str:
    """Return the unit in the path of a control group: the outermost, or a container in it.

    What is further in, a user or a container has named: as one of ours, or with what a terminal or a shell reads.
    """
    names = [part for part in path.split("/") if part.endswith((".service", ".socket", ".scope"))]
    found = [name for name in names[-1:] if CONTAINERS.match(name)] or names
    return found[0] if found and re.fullmatch(r"[\w.@:\\-]+", found[0], re.ASCII) else ""


def parse_sockets(text: str) -> list[Socket]:
    """Parse the output of ss -Hltunpe."""
    found = []
    for line in text.splitlines():
        match = re.match(r"(tcp|udp)\s+\S+\s+\d+\s+\d+\s+(\S+):(\d+)\s+\S+", line)
        if not match:
            continue
        users = re.search(r'users:\(\("([^"]*)",pid=(\d+)', line)
        group = re.search(r"\bcgroup:(\S+)", line)
        found.append(
            Socket(
                match[1],
                re.sub(r"%[^\]]*", "", match[2]),
                int(match[3]),
                unit_of(group[1]) if group else "",
                "".join(sign for sign in users[1] if sign.isprintable()) if users else "",
                int(users[2]) if users else 0,
            )
        )
    return found


def sockets() -> list[Socket]:
    """Return the listening sockets of this host."""
    return parse_sockets(host.output("ss", "-Hltunpe"))


def meets(one: Socket, port: dict[str, Any], own: Collection[str]) -> bool:
    """Tell whether a socket conflicts with a port of the service.

    *own* are units that the service configures, whoever started them; what they serve for others is checked elsewhere.
    """
    if one.protocol != port["protocol"] or not port["first"] <= one.port <= port["last"]:
        return False
    # The relay takes a free one of its range.
    if port["first"] != port["last"] or one.unit in own or one.unit.startswith(("xmpp-", "certbot")):
        return False
    wanted = port.get("address") or "*"
    if wanted == "public":
        return not one.loopback
    return wanted in WILDCARDS or one.address in WILDCARDS or one.address.strip("[]") == wanted.strip("[]")


def held_ports(found: list[Socket], ports: list[dict[str, Any]], own: Collection[str]) -> list[str]:
    """Return the processes, but for those of *own* units, on ports that the service needs, and how to free them."""
    holders: dict[str, list[tuple[Socket, dict[str, Any]]]] = {}
    for one in found:
        for port in ports:
            if meets(one, port, own):
                key = one.unit if one.unit.endswith((".service", ".socket")) else one.holder
                holders.setdefault(key, []).append((one, port))
    words = []
    for those in holders.values():
        # The one with a name says most.
        one = max((one for one, _ in those), key=lambda one: bool(one.program))
        pairs = sorted({(port["protocol"], port["first"]) for _, port in those})
        numbers = closed_ports.listed((protocol, str(number)) for protocol, number in pairs)
        units = sorted({port["unit"].removesuffix(".service") for _, port in those})
        words.append(
            f"{numbers}: held by {one.holder}, and {' and '.join(units)} would not start. {way_out(one, those)}"
        )
    return words


def way_out(one: Socket, those: list[tuple[Socket, dict[str, Any]]]) -> str:
    """Return how to free a port, or to do without it."""
    ways = []
    if one.contained:
        ways.append("give the container another port")
    elif one.unit.endswith((".service", ".socket")) and not one.unit.startswith("ssh"):
        ways.append(f"on the host, if nobody needs it: systemctl disable --now {one.unit.removesuffix('.service')}")
    else:
        ways.append("move it to another port, or stop it")
    names = [name for _, port in those for name in [port.get("setting", "")] if name]
    ways += list(dict.fromkeys(names))
    return f"Either {'; or '.join(ways)}." if len(ways) > 1 else f"{ways[0][0].upper()}{ways[0][1:]}."


def enabled_but_stopped(found: list[Socket], wants: Path = Path("/etc/systemd/system/multi-user.target.wants")) -> str:
    """Return which of the usual programs are stopped now and start with the host: the service may be too late then."""
    run = {one.unit for one in found}
    stopped = [
        name for name in COMMON_SERVERS if os.path.lexists(wants / f"{name}.service") and f"{name}.service" not in run
    ]
    if not stopped:
        return ""
    return (
        f"Stopped, but enabled: {', '.join(stopped)}. At the next boot, these may take a port of the service first. If "
        f"nobody needs them, on the host: systemctl disable {' '.join(stopped)}"
    )


def missing_localhost() -> str:
    """Return what is wrong with the name localhost on this host."""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo("localhost", None, socket.AF_INET)}
    except OSError:
        found = set()
    if found and all(address.startswith("127.") for address in found):
        return ""
    leads = f"leads to {', '.join(sorted(found))}" if found else "is not known"
    return f"The name localhost {leads} here, and ejabberd would not start. Add to /etc/hosts: 127.0.0.1 localhost"


def without_nftables(without: str) -> str:
    """Return why the kernel takes no firewall rules from here; asks it for the number of its rule set (netlink).

    *without* is the setting that does without a firewall, as it is written.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as asked:  # NETLINK_NETFILTER
            asked.settimeout(5)
            # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN; NLM_F_REQUEST | NLM_F_ACK (linux/netfilter/nf_tables.h)
            asked.send(struct.pack("=IHHIIBBH", 20, 10 << 8 | 16, 5, 1, 0, 0, 0, 0))
            answer = asked.recv(8192)
        kind = struct.unpack_from("=H", answer, 4)[0]
        number = -struct.unpack_from("=i", answer, 16)[0] if kind == 2 else 0  # NLMSG_ERROR
    except OSError as error:
        number = error.errno or 1
    return refused_rules(number, without)


def refused_rules(number: int, without: str) -> str:
    """Return the words for an error of the kernel's, nothing for none."""
    if not number:
        return ""
    why = (
        "no program of this host may set firewall rules (a container without CAP_NET_ADMIN)"
        if number == 1
        else f"the kernel of this host has no nftables ({os.strerror(number)})"
    )
    return (
        f"xmpp_firewall is true, but {why}. Allow it to the host, or leave the firewall to what is around it: {without}"
    )


def relay_of_others(trees: list[str], ports: list[dict[str, Any]]) -> str:
    """Return that coturn has a configuration of the operator's, which would no longer be read."""
    path = Path("/etc/turnserver.conf")
    ours = [port for port in ports if port["unit"] == "coturn.service"]
    if not ours or "coturn" in trees or not Path("/usr/bin/turnserver").exists() or not path.exists():
        return ""
    if untouched(path, str(path)):
        return ""
    realm = re.search(r"^\s*realm\s*=\s*(\S+)", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    for_whom = f" for {realm[1]}" if realm else ""
    return (
        f"coturn is already in use here: {path} was written{for_whom}, and would no longer be read. Either "
        f"{ours[0]['setting']}; or, if nobody needs it, on the host: mv {path} {path}.old"
    )


def exporter_of_others(trees: list[str], ports: list[dict[str, Any]]) -> str:
    """Return that Prometheus' node exporter has options of the operator's, which would no longer be read."""
    ours = [port for port in ports if port["unit"] == "prometheus-node-exporter.service"]
    if not ours or "metrics" in trees or not EXPORTER.exists() or not EXPORTER_OPTIONS.exists():
        return ""
    if untouched(EXPORTER_OPTIONS, str(EXPORTER_OPTIONS)):
        return ""
    return (
        f"prometheus-node-exporter is already in use here: {EXPORTER_OPTIONS} was changed, and its ARGS would no "
        f"longer be read. Either leave xmpp_metrics empty; or, if nobody needs them, on the host: mv "
        f"{EXPORTER_OPTIONS} {EXPORTER_OPTIONS}.old && apt-get install --reinstall "
        "--option Dpkg::Options::=--force-confmiss prometheus-node-exporter"
    )


def families_of(addresses: list[str]) -> list[str]:
    """Return the families of addresses, in nftables' words; both without any."""
    return [family for family, sign in (("ip", "."), ("ip6", ":")) if any(sign in one for one in addresses)] or [
        "ip",
        "ip6",
    ]


def shut_ports(
    ports: list[dict[str, Any]], addresses: list[str], chains: Chains | None = None
) -> list[closed_ports.Shut]:
    """Return other firewalls that block ports of the service."""
    found: list[closed_ports.Shut] = closed_ports.shut(
        host.read() if chains is None else chains,
        ports,
        families_of(addresses),
        host.default_interfaces(),
        frozenset(addresses),
    )
    return found


def shut_words(one: closed_ports.Shut, *, firewall: bool) -> str:
    """Return how a firewall blocks the service, and how to fix it."""
    if one.verdict == PASSED:
        return (
            f"{closed_ports.listed(one.ports)} is forwarded elsewhere by {one.owner} ({one.where}), and would "
            "not reach the service. Forward another port instead."
        )
    other = closed_ports.instead(one)
    way = f" Or let the service's own firewall take its place, on the host: {other}" if firewall and other else ""
    return (
        f"{one.owner}, a firewall of this host, blocks {closed_ports.listed(one.ports)} ({one.where}). "
        f"Open these: {closed_ports.opening(one)}.{way}"
    )
