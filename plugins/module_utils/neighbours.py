# SPDX-License-Identifier: GPL-3.0-or-later
"""What else is on a host, and would not go with the service: ports, web sites, a relay, what is missing."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils import firewalls

# Units that this service configures, whoever started them; what they would serve for others is looked for by itself.
OWN = ("coturn.service", "ejabberd.service", "nginx.service", "prometheus-node-exporter.service")
CONTAINERS = re.compile(r"docker|libpod|containerd|podman|lxc|machine-|conmon")
LOOPBACK = ("127.", "[::1]", "[::ffff:127.")
WILDCARDS = ("0.0.0.0", "[::]", "*")  # noqa: S104  (to compare with)
STATUS = Path("/var/lib/dpkg/status")
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
    """A socket that waits for others, and who has it."""

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
    def holder(self) -> str:
        """Who has it, for people to read."""
        program = f"{self.program}, pid {self.pid}" if self.program and self.pid != 1 else ""
        if self.unit.endswith((".service", ".socket")):
            return f"{self.unit} ({program})" if program else self.unit
        return program or self.unit or "a program that cannot be seen from here"

    @property
    def contained(self) -> bool:
        """Whether it is a container's."""
        return bool(CONTAINERS.search(self.unit) or self.program in ("docker-proxy", "rootlessport"))


def unit_of(path: str) -> str:
    """Return the unit in the path of a control group."""
    names = [part for part in path.split("/") if part.endswith((".service", ".socket", ".scope"))]
    return names[-1] if names else ""


def parse_sockets(text: str) -> list[Socket]:
    """Return the sockets in the words of ss -Hltunpe."""
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
    """Return the sockets of this host that wait for others."""
    return parse_sockets(firewalls.output("ss", "-Hltunpe"))


def meets(one: Socket, port: dict[str, Any]) -> bool:
    """Tell whether a socket is in the way of what the service needs at a port."""
    if one.protocol != port["protocol"] or not port["first"] <= one.port <= port["last"]:
        return False
    # The relay takes a free one of its range.
    if port["first"] != port["last"] or one.unit in OWN or one.unit.startswith(("xmpp-", "certbot")):
        return False
    wanted = port.get("address") or "*"
    if wanted == "public":
        return not one.loopback
    return wanted in WILDCARDS or one.address in WILDCARDS or one.address.strip("[]") == wanted.strip("[]")


def held_ports(found: list[Socket], ports: list[dict[str, Any]]) -> list[str]:
    """Return who has ports that the service needs, and how they become free."""
    holders: dict[str, list[tuple[Socket, dict[str, Any]]]] = {}
    for one in found:
        for port in ports:
            if meets(one, port):
                key = one.unit if one.unit.endswith((".service", ".socket")) else one.holder
                holders.setdefault(key, []).append((one, port))
    words = []
    for those in holders.values():
        # The one with a name says most.
        one = max((one for one, _ in those), key=lambda one: bool(one.program))
        pairs = sorted({(port["protocol"], port["first"]) for _, port in those})
        numbers = firewalls.listed((protocol, str(number)) for protocol, number in pairs)
        units = sorted({port["unit"].removesuffix(".service") for _, port in those})
        words.append(
            f"{numbers}: held by {one.holder}, and {' and '.join(units)} would not start. {way_out(one, those)}"
        )
    return words


def way_out(one: Socket, those: list[tuple[Socket, dict[str, Any]]]) -> str:
    """Return how a port becomes free, or is not needed."""
    ways = []
    if one.contained:
        ways.append("let the container have another port")
    elif one.unit.endswith((".service", ".socket")) and not one.unit.startswith("ssh"):
        ways.append(f"on the host, if nobody needs it: systemctl disable --now {one.unit.removesuffix('.service')}")
    else:
        ways.append("let it have another port, or end it")
    names = [name for _, port in those for name in [port.get("setting", "")] if name]
    ways += list(dict.fromkeys(names))
    return f"Either {'; or '.join(ways)}." if len(ways) > 1 else f"{ways[0][0].upper()}{ways[0][1:]}."


def missing_localhost() -> str:
    """Return what is wrong with the name that programs of one host call each other by."""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo("localhost", None, socket.AF_INET)}
    except OSError:
        found = set()
    if found and all(address.startswith("127.") for address in found):
        return ""
    leads = f"leads to {', '.join(sorted(found))}" if found else "is not known"
    return f"The name localhost {leads} here, and ejabberd would not start. Put into /etc/hosts: 127.0.0.1 localhost"


def without_nftables() -> str:
    """Return why the kernel takes no firewall rules from here; asks it for the number of its rule set (netlink)."""
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
    return refused_rules(number)


def refused_rules(number: int) -> str:
    """Return the words for an error of the kernel's, nothing for none."""
    if not number:
        return ""
    why = (
        "no program of this host may set firewall rules (a container without CAP_NET_ADMIN)"
        if number == 1
        else f"the kernel of this host has no nftables ({os.strerror(number)})"
    )
    return (
        f"xmpp_firewall is true, but {why}. Allow it to the host, or leave the firewall to what is around it: "
        "xmpp_firewall: false"
    )


# ---------------------------------------------------------------------- what packages have brought
def untouched(path: Path, package_name: str) -> bool:
    """Tell whether a configuration file is as its package brought it, by a name that the package knows."""
    try:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError:
        return False
    return f"\n {package_name} {digest}" in STATUS.read_text(encoding="utf-8", errors="replace")


def relay_of_others(trees: list[str]) -> str:
    """Return that coturn has a configuration that somebody made, which would not be read any more."""
    path = Path("/etc/turnserver.conf")
    if "coturn" in trees or not Path("/usr/bin/turnserver").exists() or not path.exists():
        return ""
    if untouched(path, str(path)):
        return ""
    realm = re.search(r"^\s*realm\s*=\s*(\S+)", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    for_whom = f" for {realm[1]}" if realm else ""
    return (
        f"coturn serves somebody else here: {path} was made{for_whom}, and would not be read any more. Either leave "
        f"calls to it (xmpp_calls: false); or, if nobody needs it, on the host: mv {path} {path}.old"
    )


# ---------------------------------------------------------------------- nginx
NGINX = Path("/etc/nginx")
TEMPORARY = Path("/run")
PROGRAM = "/usr/sbin/nginx"
DEFAULT = NGINX / "sites-enabled/default"
# Where nginx may write (nginx.service.d/xmpp.conf), and what it does not see.
WRITABLE = ("/var/log/nginx/", "/var/lib/nginx/", "/dev/", "/run/nginx/")
HIDDEN = ("/home/", "/root/", "/run/user/")
STUB = """user www-data;
pid {stub}.pid;
error_log stderr warn;
include /etc/nginx/modules-enabled/*.conf;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    # What the service sets for all servers: none of it can stand in conf.d a second time.
    access_log off;
    server_tokens off;
    default_type application/octet-stream;
    charset utf-8;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 30s;
    client_header_timeout 15s;
    client_body_timeout 15s;
    send_timeout 60s;
    reset_timedout_connection on;
    large_client_header_buffers 4 8k;
    gzip on;
    gzip_types text/css;
    gzip_min_length 512;
    gzip_vary on;
    server {{
        listen 80 default_server;
        listen [::]:80 default_server;
        listen {port} ssl default_server;
        listen [::]:{port} ssl default_server;
        server_name _ {names};
        ssl_reject_handshake on;
    }}
    {includes}
}}
"""


# What passes, by the words of nginx for what does not.
HINTS = {
    "default server": "Take default_server out: who asks for no name that is known here gets no answer.",
    "directive is duplicate": "The service sets this for all servers. Write it into the server { … } of your site.",
}


@dataclass(frozen=True)
class Listen:
    """What a site listens on."""

    file: str
    address: str
    port: int
    options: tuple[str, ...]


def own_default() -> bool:
    """Tell whether the site that Debian brings with nginx is somebody's own by now."""
    return DEFAULT.exists() and not untouched(DEFAULT, "/etc/nginx/sites-available/default")


def sites() -> list[str]:
    """Return the files with web sites of the operator's."""
    found = sorted((NGINX / "conf.d").glob("*.conf"))
    found += [path for path in sorted((NGINX / "sites-enabled").glob("[!.]*")) if path != DEFAULT or own_default()]
    return [str(path) for path in found if path.exists()]


def sections(dump: str) -> dict[str, str]:
    """Return the files in the words of nginx -T, without comments."""
    parts = re.split(r"^# configuration file (.+):$", dump, flags=re.MULTILINE)
    return {
        path: re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
        for path, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def dark(dump: str) -> list[str]:
    """Return the files with servers that nginx has read so far and would not read any more."""
    return [
        path
        for path, text in sections(dump).items()
        if re.search(r"\bserver\s*\{", text)
        and not re.match(rf"{NGINX}/(sites-enabled/[^/]+|conf\.d/[^/]+\.conf|xmpp\..*)$", path)
    ]


def listens(files: dict[str, str]) -> list[Listen]:
    """Return what the sites listen on."""
    found = []
    for path, text in files.items():
        for words in re.findall(r"(?:^|[;{\s])listen\s+([^;]+);", text):
            where, *options = words.split()
            match = re.fullmatch(r"(?:(\[[^]]*\]|[^:\[\]]*[^:\[\]\d][^:\[\]]*|\*):)?(\d+)|(\[[^]]*\]|[^:\[\]]+)", where)
            if match:  # else a socket of this host alone (unix:)
                found.append(Listen(path, match[1] or match[3] or "*", int(match[2] or 80), tuple(options)))
    return found


def judge_sites(
    files: dict[str, str],
    stderr: str,
    https_port: int,
    names: list[str],
    ports: list[dict[str, Any]],
    *,
    own_dropin: bool,
) -> list[str]:
    """Return what keeps sites from being served beside the service."""
    faults = []
    for name, where in re.findall(r'conflicting server name "([^"]+)" on (\S+), ignored', stderr):
        if name in names:
            files_with = [
                path for path, text in files.items() if re.search(rf"\bserver_name\s[^;]*\b{re.escape(name)}\b", text)
            ]
            faults.append(
                f"{', '.join(files_with) or 'A site'} serves {name} on {where}, a name of the service. Take it out "
                "there, or give the service another name (xmpp_domain, xmpp_host_domain)."
            )
    others = {
        port["first"]: port["unit"] for port in ports if port["protocol"] == "tcp" and port["unit"] != "nginx.service"
    }
    for one in listens(files):
        if one.port in others and "quic" not in one.options:
            faults.append(
                f"{one.file} listens on TCP {one.port}, which {others[one.port].removesuffix('.service')} needs. "
                "Let it listen on another port."
            )
        elif one.port in (80, https_port) and "quic" not in one.options:
            wildcard = one.address in WILDCARDS
            if not wildcard and not one.address.startswith(LOOPBACK) and one.address != "localhost":
                faults.append(
                    f"{one.file} listens on {one.address}:{one.port} alone, and the service would not be reached "
                    f"there. Write: listen {one.port}{' ssl' if 'ssl' in one.options else ''}"
                )
            if "ipv6only=off" in one.options:
                faults.append(
                    f"{one.file} listens on port {one.port} with ipv6only=off, and the service on the same port for "
                    "IPv4. Take ipv6only out."
                )
    if not own_dropin:
        faults += places(files)
    return list(dict.fromkeys(faults))


def places(files: dict[str, str]) -> list[str]:
    """Return what sites read and write where nginx's sandbox does not let it."""
    faults = []
    for path, text in files.items():
        written = re.findall(r"\b((?:access|error)_log|\w+_cache_path|\w+_temp_path)\s+(/[^\s;]+)", text)
        shown = re.findall(r"\b(root|alias)\s+\"?(/[^\s;\"]+)", text)
        for directive, place in written:
            if not place.startswith(WRITABLE):
                faults.append(
                    f"{path} writes to {place} ({directive}), where nginx may not write any more. Let it be in "
                    "/var/log/nginx (logs) or /var/lib/nginx, or allow it by a drop-in of yours in "
                    f"/etc/systemd/system/nginx.service.d (ReadWritePaths={place.rpartition('/')[0]})."
                )
        faults += [
            f"{path} shows {place} ({directive}), and nginx sees no homes any more. Move it, for example to /srv, or "
            "allow it by a drop-in of yours in /etc/systemd/system/nginx.service.d (ProtectHome=read-only)."
            for directive, place in shown
            if place.startswith(HIDDEN)
        ]
    return faults


def own_dropin() -> bool:
    """Tell whether the operator has a drop-in for nginx, which may allow it more."""
    folder = Path("/etc/systemd/system/nginx.service.d")
    return any(path.name not in ("xmpp.conf", "sandbox.conf") for path in folder.glob("*.conf"))


def nginx(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run nginx for a test."""
    return subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60, errors="replace"
    )


def web_sites(
    trees: list[str], https_port: int, names: list[str], ports: list[dict[str, Any]]
) -> tuple[list[str], dict[int, str]]:
    """Return what keeps web sites on this host from being served beside the service, and the ports that they need."""
    if not Path(PROGRAM).exists():
        return [], {}
    faults = []
    if "nginx" not in trees:
        faults += [
            f"nginx has servers in {path}, which would not be read any more. Move each into a file of its own in "
            "/etc/nginx/sites-enabled or conf.d (nothing but HTTP), or let it be on another host."
            for path in dark(nginx("-T").stdout)
        ]
    mine = sites()
    if not mine:
        return faults, {}
    with tempfile.TemporaryDirectory(dir=TEMPORARY, prefix="xmpp-nginx-") as folder:
        # nginx looks beside its configuration for what is named without a folder: proxy_params, fastcgi.conf …
        for path in NGINX.iterdir():
            Path(folder, path.name).symlink_to(path)
        stub = Path(folder, Path(folder).name)  # a name that is not there already
        text = STUB.format(
            stub=stub,
            port=https_port,
            names=" ".join(names),
            includes="\n".join(f"include {path};" for path in mine),
        )
        stub.write_text(text, encoding="utf-8")
        done = nginx("-T", "-c", str(stub))
        dump, errors = (
            text.replace(str(stub), "the service's own").replace(folder, str(NGINX))
            for text in (done.stdout, done.stderr)
        )
        if done.returncode:
            words = re.findall(r"\[(?:emerg|crit)\] (?:\d+#\d+: )?(.+)", errors)
            hint = next(
                (hint for sign, hint in HINTS.items() if sign in errors),
                "What stands in nginx.conf alone is not read any more; it can stand in /etc/nginx/conf.d.",
            )
            fault = f"nginx does not take the web sites of this host beside the service: {'; '.join(words)}. {hint}"
            return [*faults, fault], {}
    skipped = ("the service's own", "/etc/nginx/mime.types", "/etc/nginx/modules-enabled/", "/usr/share/nginx/modules")
    files = {path: text for path, text in sections(dump).items() if not path.startswith(skipped)}
    faults += judge_sites(files, errors, https_port, names, ports, own_dropin=own_dropin())
    further = {
        one.port: one.file
        for one in listens(files)
        if one.port not in (80, https_port) and not one.address.startswith((*LOOPBACK, "localhost"))
    }
    return faults, further


# ---------------------------------------------------------------------- the whole
def shut_ports(ports: list[dict[str, Any]], addresses: list[str]) -> list[firewalls.Shut]:
    """Return the firewalls of others that keep ports of the service shut."""
    families = [family for family, sign in (("ip", "."), ("ip6", ":")) if any(sign in one for one in addresses)]
    found: list[firewalls.Shut] = firewalls.shut(
        firewalls.read(), ports, families or ["ip", "ip6"], firewalls.default_interfaces(), frozenset(addresses)
    )
    return found


def shut_words(one: firewalls.Shut, *, firewall: bool) -> str:
    """Return what a firewall does to the service, and how it is mended."""
    if one.verdict == firewalls.PASSED:
        return (
            f"{firewalls.listed(one.ports)} is passed on to somebody else by {one.owner} ({one.where}), and would "
            "never reach the service. Let that have another port."
        )
    other = firewalls.instead(one)
    way = f" Or let the service's own firewall take its place, on the host: {other}" if firewall and other else ""
    return (
        f"{one.owner}, a firewall of this host, lets nobody in to {firewalls.listed(one.ports)} ({one.where}). "
        f"Open these: {firewalls.opening(one)}.{way}"
    )


def no_longer_reached(found: list[Socket], open_ports: set[int], further: dict[int, str]) -> list[str]:
    """Return what others can reach today and our firewall will shut: programs, and web sites by their files."""
    those = {
        one.port: further.get(one.port) or one.unit or one.program or "?"
        for one in found
        if one.protocol == "tcp" and not one.loopback
    }
    return [f"{port} ({who})" for port, who in sorted((those | further).items()) if port not in open_ports]


def opened_ports() -> set[int]:
    """Return the numbers in what is opened by files in the folder of our firewall, the operator's among them."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(Path("/etc/xmpp/firewall.d").glob("*.nft"))]
    return {int(number) for text in texts for number in re.findall(r"(?<![\d.:])\d{1,5}(?![\d.:])", text)}
