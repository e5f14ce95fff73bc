# SPDX-License-Identifier: GPL-3.0-or-later
"""Web sites of the operator's on this host, and whether nginx serves them beside the service."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.conexizan.xmpp.plugins.module_utils.dpkg import stanza, untouched
from ansible_collections.conexizan.xmpp.plugins.module_utils.neighbours import LOOPBACK, WILDCARDS

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
        {https}
        server_name _ {names};
        ssl_reject_handshake on;
    }}
    {includes}
}}
"""
# What passes, by the words of nginx for what does not.
HINTS = {
    "default server": "Remove default_server: requests for unknown names get no response.",
    "directive is duplicate": "The service sets this for all servers. Move it into the server { … } of your site.",
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


def not_debians() -> str:
    """Return that the package nginx is of another archive: Debian's modules do not load into it."""
    package = stanza("nginx")
    if not package or re.search(r"^Provides:.*\bnginx-abi-", package, re.MULTILINE):
        return ""
    version = re.search(r"^Version: (\S+)", package, re.MULTILINE)
    return (
        f"nginx {version[1] if version else ''} is not Debian's, and the modules that the service needs do not load "
        "into it. Take its archive out of /etc/apt/sources.list.d, and install Debian's, on the host: apt-get update "
        "&& apt-get install --allow-downgrades nginx/trixie"
    )


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
    handed_over: str = "",
    ended: str = "",
) -> list[str]:
    """Return what keeps sites from being served beside the service.

    *handed_over* is the address that web servers listen at if the port of HTTPS is not theirs alone, *ended* the one
    where they did so far.
    """
    faults = []
    for name, where in re.findall(r'conflicting server name "([^"]+)" on (\S+), ignored', stderr):
        if name in names:
            files_with = [
                path for path, text in files.items() if re.search(rf"\bserver_name\s[^;]*\b{re.escape(name)}\b", text)
            ]
            faults.append(
                f"{', '.join(files_with) or 'A site'} serves {name} on {where}, a name of the service. Remove it "
                "there, or give the service another name (xmpp_domain, xmpp_host_domain)."
            )
    others = {
        port["first"]: port["unit"] for port in ports if port["protocol"] == "tcp" and port["unit"] != "nginx.service"
    }
    for one in listens(files):
        if one.port in others and "quic" not in one.options:
            faults.append(
                f"{one.file} listens on TCP {one.port}, which {others[one.port].removesuffix('.service')} needs. "
                "Move it to another port."
            )
        elif ended and one.port == int(ended.rpartition(":")[2]):
            faults.append(
                f"{one.file} listens on port {one.port}, which nobody is led to without xmpp_single_port. Write: "
                f"listen {https_port} ssl"
            )
        elif handed_over and one.port == https_port and "quic" not in one.options:
            faults.append(
                f"{one.file} listens on port {https_port}, which takes apps and calls as well (xmpp_single_port). "
                "Requests for web sites are handed over to another address, with that of the visitor. Write: "
                f"listen {handed_over} ssl"
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
                    "IPv4. Remove ipv6only."
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
                    f"{path} writes to {place} ({directive}), where nginx may no longer write. Move it to "
                    "/var/log/nginx (logs) or /var/lib/nginx, or allow it by a drop-in of yours in "
                    f"/etc/systemd/system/nginx.service.d (ReadWritePaths={place.rpartition('/')[0]})."
                )
        faults += [
            f"{path} shows {place} ({directive}), and nginx can no longer read home directories. Move it, for "
            "example to /srv, or allow it by a drop-in of yours in /etc/systemd/system/nginx.service.d "
            "(ProtectHome=read-only)."
            for directive, place in shown
            if place.startswith(HIDDEN)
        ]
    return faults


def handed_over_so_far() -> str:
    """Return the address at which the service's web servers get what comes to a port that is not theirs alone."""
    path = NGINX / "xmpp.conf"
    found = re.search(r"\blisten (127\.0\.0\.1:\d+) ssl\b", path.read_text("utf-8") if path.exists() else "")
    return found[1] if found else ""


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
    trees: list[str],
    https_port: int,
    names: list[str],
    ports: list[dict[str, Any]],
    https_listen: list[str] | None = None,
) -> tuple[list[str], dict[int, str]]:
    """Return what keeps web sites on this host from being served beside the service, and the ports that they need."""
    if not Path(PROGRAM).exists():
        return [], {}
    faults = []
    if "nginx" not in trees:
        faults += [
            f"nginx has servers in {path}, which would no longer be read. Move each into a file of its own in "
            "/etc/nginx/sites-enabled or conf.d (only HTTP), or move it to another host."
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
            https="\n        ".join(
                f"listen {address} ssl default_server;"
                for address in https_listen or [str(https_port), f"[::]:{https_port}"]
            ),
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
                "nginx.conf itself is no longer read; move its directives to /etc/nginx/conf.d.",
            )
            fault = f"nginx rejects the web sites of this host together with the service: {'; '.join(words)}. {hint}"
            return [*faults, fault], {}
    skipped = ("the service's own", "/etc/nginx/mime.types", "/etc/nginx/modules-enabled/", "/usr/share/nginx/modules")
    files = {path: text for path, text in sections(dump).items() if not path.startswith(skipped)}
    handed_over = next((address for address in https_listen or [] if address.startswith(LOOPBACK)), "")
    ended = "" if handed_over else handed_over_so_far()
    faults += judge_sites(
        files, errors, https_port, names, ports, own_dropin=own_dropin(), handed_over=handed_over, ended=ended
    )
    further = {
        one.port: one.file
        for one in listens(files)
        if one.port not in (80, https_port) and not one.address.startswith((*LOOPBACK, "localhost"))
    }
    return faults, further
