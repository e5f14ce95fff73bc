# SPDX-License-Identifier: GPL-3.0-or-later
"""What else is on a host is named, with what would pass; what is our own is no stranger."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg, neighbours, nginx_sites
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import ssh

from ..kit.footprint import footprint
from .loading import ROOT

OWN = list(footprint("package_services").values())
IN = "ino:1 sk:1 cgroup:/system.slice/{0} <->"
SS = "\n".join(
    (
        'tcp LISTEN 0 511 *:80 *:* users:(("apache2",pid=512,fd=4),("apache2",pid=513,fd=4)) '
        + IN.format("apache2.service"),
        "tcp LISTEN 0 128 0.0.0.0:5222 0.0.0.0:* uid:101 " + IN.format("prosody.service"),
        "tcp LISTEN 0 128 [::]:5222 [::]:* uid:101 " + IN.format("prosody.service") + " v6only:1",
        "tcp LISTEN 0 128 127.0.0.1%lo:5280 0.0.0.0:* uid:101 " + IN.format("prosody.service"),
        'tcp LISTEN 0 9 0.0.0.0:443 0.0.0.0:* users:(("docker-proxy",pid=99,fd=4)) ' + IN.format("docker.service"),
        'tcp LISTEN 0 9 [::]:9090 [::]:* users:(("systemd",pid=1,fd=40)) ' + IN.format("cockpit.socket"),
        'udp UNCONN 0 0 127.0.0.1:3478 0.0.0.0:* users:(("mine",pid=7,fd=1)) ' + IN.format("session-3.scope"),
        "udp UNCONN 0 0 0.0.0.0:51820 0.0.0.0:*",
        "udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:* " + IN.format("systemd-networkd.service"),
    )
)


def need(*ports: str, **options: Any) -> list[dict[str, Any]]:
    """Return ports (tcp/80 nginx) as the module has them."""
    found = []
    for one in ports:
        where, unit = one.split()
        protocol, numbers = where.split("/")
        first, _, last = numbers.partition("-")
        found.append(
            {
                "protocol": protocol,
                "first": int(first),
                "last": int(last or first),
                "unit": f"{unit}.service",
                **options,
            }
        )
    return found


def held(text: str, ports: list[dict[str, Any]]) -> str:
    """Return who has ports."""
    return "\n".join(neighbours.held_ports(neighbours.parse_sockets(text), ports, OWN))


def test_who_holds_a_port_is_named_once_with_what_frees_it() -> None:
    words = held(SS, need("tcp/5222 ejabberd", "tcp/80 nginx", "tcp/5280 ejabberd"))
    assert words.splitlines() == [
        "TCP 80: held by apache2.service (apache2, pid 512), and nginx would not start. On the host, if nobody needs "
        "it: systemctl disable --now apache2.",
        "TCP 5222, 5280: held by prosody.service, and ejabberd would not start. On the host, if nobody needs it: "
        "systemctl disable --now prosody.",
    ]


def test_container_is_not_told_to_be_the_end_of_all_containers() -> None:
    words = held(SS, need("tcp/443 nginx", setting="xmpp_https_port: 8443"))
    assert words.endswith("Either give the container another port; or xmpp_https_port: 8443.")


def test_socket_of_systemd_is_named_by_its_unit() -> None:
    assert "held by cockpit.socket, and" in held(SS, need("tcp/9090 nginx"))


def test_ssh_on_a_port_of_ours_is_not_told_to_stop() -> None:
    text = 'tcp LISTEN 0 9 0.0.0.0:443 0.0.0.0:* users:(("sshd",pid=9,fd=4)) ' + IN.format("ssh.service")
    assert held(text, need("tcp/443 nginx")).endswith("Move it to another port, or stop it.")


@pytest.mark.parametrize(
    ("address", "held_by"), [("public", False), ("*", True), ("127.0.0.1", True), ("192.0.2.1", False)]
)
def test_only_what_is_in_the_way_counts(address: str, held_by: bool) -> None:
    assert bool(held(SS, need("udp/3478 coturn", address=address))) is held_by


@pytest.mark.parametrize(
    "unit", ["coturn.service", "ejabberd.service", "nginx.service", "xmpp-x.service", "certbot.service"]
)
def test_our_own_are_no_strangers(unit: str) -> None:
    assert held("tcp LISTEN 0 128 *:5222 *:* uid:101 " + IN.format(unit), need("tcp/5222 ejabberd")) == ""


def test_relay_takes_what_is_free_of_its_range() -> None:
    assert held(SS, need("udp/49152-65535 coturn")) == ""


def test_unknown_holder_is_said_to_be_unknown() -> None:
    assert "held by a program that cannot be seen from here" in held(SS, need("udp/51820 coturn"))


@pytest.mark.parametrize(
    ("number", "words"), [(0, ""), (1, "CAP_NET_ADMIN"), (93, "has no nftables"), (95, "has no nftables")]
)
def test_host_without_a_firewall_is_told_the_setting(number: int, words: str) -> None:
    found = neighbours.refused_rules(number, "xmpp_firewall=False")
    assert words in found
    assert bool(found) is found.endswith(": xmpp_firewall=False")


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (["127.0.0.1"], ""),
        (["127.0.1.1", "127.0.0.1"], ""),
        (["10.0.0.5"], "leads to 10.0.0.5"),
        (["10.0.0.5", "127.0.0.1"], "leads to 10.0.0.5"),
        ([], "is not known"),
    ],
)
def test_localhost_leads_to_this_host(addresses: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = neighbours.missing_localhost()
    assert words in found
    assert bool(found) is found.endswith("Add to /etc/hosts: 127.0.0.1 localhost")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("80", ("*", 80)),
        ("[::]:443 ssl http2", ("[::]", 443)),
        ("*:8080", ("*", 8080)),
        ("192.0.2.1:443 ssl", ("192.0.2.1", 443)),
        ("192.0.2.1", ("192.0.2.1", 80)),
        ("[2001:db8::1]", ("[2001:db8::1]", 80)),
        ("localhost:8000", ("localhost", 8000)),
        ("unix:/run/x.sock", None),
    ],
)
def test_what_a_site_listens_on_is_read(words: str, expected: tuple[str, int] | None) -> None:
    found = nginx_sites.listens({"a": f"server {{ listen {words}; }}"})
    assert [(one.address, one.port) for one in found] == ([expected] if expected else [])


PORTS = need("tcp/80 nginx", "tcp/443 nginx", "tcp/5222 ejabberd")


@pytest.mark.parametrize(
    ("text", "stderr", "words"),
    [
        ("listen 80; server_name shop.test;", "", ""),
        ("listen 443 ssl http2; listen [::]:443 ssl ipv6only=on reuseport; listen 443 quic;", "", ""),
        ("listen 127.0.0.1:80; listen 192.0.2.1:8081; access_log /var/log/nginx/a.log;", "", ""),
        (
            "listen 192.0.2.1:443 ssl;",
            "",
            "a listens on 192.0.2.1:443 alone, and the service would not be reached there.",
        ),
        ("listen [::]:80 ipv6only=off;", "", "Remove ipv6only."),
        ("listen 127.0.0.1:5222;", "", "a listens on TCP 5222, which ejabberd needs."),
        (
            "listen 80; server_name b.test chat.test;",
            'nginx: [warn] conflicting server name "chat.test" on 0.0.0.0:80, ignored',
            "a serves chat.test on 0.0.0.0:80, a name of the service.",
        ),
        ("listen 80;", 'nginx: [warn] conflicting server name "b.test" on 0.0.0.0:80, ignored', ""),
        ("error_log /srv/log/x.log warn;", "", "ReadWritePaths=/srv/log"),
        ("proxy_cache_path /var/cache/nginx levels=1:2;", "", "a writes to /var/cache/nginx (proxy_cache_path)"),
        ("location / { alias /home/me/www/; }", "", "a shows /home/me/www/ (alias)"),
        ("# root /home/me;\n root /srv/homepage;", "", ""),
    ],
)
def test_site_that_cannot_be_beside_the_service_is_named(text: str, stderr: str, words: str) -> None:
    files = nginx_sites.sections(f"# configuration file a:\nserver {{\n{text} }}\n")
    found = nginx_sites.judge_sites(files, stderr, 443, ["chat.test"], PORTS, own_dropin=False)
    assert words in "\n".join(found)
    assert bool(found) is bool(words)


def test_operators_drop_in_is_believed() -> None:
    files = {"a": "root /home/me; access_log /srv/log;"}
    assert nginx_sites.judge_sites(files, "", 443, [], PORTS, own_dropin=True) == []


def test_servers_that_would_go_dark_are_found() -> None:
    server = "server { listen 80; }"
    places = ("nginx.conf", "sites-enabled/a", "conf.d/b.conf", "conf.d/c/d.conf", "vhosts/e.conf", "xmpp.d/f.conf")
    dump = "".join(f"# configuration file /etc/nginx/{place}:\n{server}\n" for place in places)
    dump += "# configuration file /etc/nginx/mime.types:\ntypes { }\n# server { }\n"
    assert nginx_sites.dark(dump) == [
        f"/etc/nginx/{place}" for place in ("nginx.conf", "conf.d/c/d.conf", "vhosts/e.conf")
    ]


def test_only_what_a_package_brought_is_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, status = tmp_path / "default", tmp_path / "status"
    monkeypatch.setattr(dpkg, "STATUS", status)
    file.write_text("server { }", encoding="utf-8")
    digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    status.write_text(f"Package: a\nConffiles:\n /etc/a {digest}\n /etc/b 00\n", encoding="utf-8")
    assert dpkg.untouched(file, "/etc/a")
    assert not dpkg.untouched(file, "/etc/b")
    file.write_text("server { listen 80; }", encoding="utf-8")
    assert not dpkg.untouched(file, "/etc/a")
    assert not dpkg.untouched(tmp_path / "missing", "/etc/a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port 22\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:22\n", {22}),
        ("port 22\nport 2200\nlistenaddress [::]:22\nlistenaddress [::]:2200\n", {22, 2200}),
        ("port 22\nlistenaddress 192.0.2.1:2222\n", {2222}),
        ("port 2200\n", {2200}),
        ("", set()),
    ],
)
def test_ports_of_the_next_start_of_sshd_are_read(text: str, expected: set[int]) -> None:
    assert ssh.configured_ports(text) == expected


def test_sites_are_tried_as_they_will_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what stands in nginx's folder (proxy_params, snippets), and what the service sets for all servers."""
    folder, seen = tmp_path / "nginx", {}
    (folder / "sites-enabled").mkdir(parents=True)
    (folder / "sites-enabled/shop").write_text("server { include proxy_params; }", encoding="utf-8")
    (folder / "proxy_params").write_text("proxy_buffering off;", encoding="utf-8")

    def nginx(*arguments: str) -> subprocess.CompletedProcess[str]:
        stub = Path(arguments[-1])
        seen["beside"] = stub.with_name("proxy_params").read_text(encoding="utf-8")
        seen["stub"] = stub.read_text(encoding="utf-8")
        words = f'nginx: [emerg] 1#1: cannot load "{stub.parent}/shop.pem" in {folder}/sites-enabled/shop:1'
        return subprocess.CompletedProcess(arguments, 1, "", words)

    monkeypatch.setattr(nginx_sites, "NGINX", folder)
    monkeypatch.setattr(nginx_sites, "PROGRAM", "/bin/true")
    monkeypatch.setattr(nginx_sites, "TEMPORARY", tmp_path)
    monkeypatch.setattr(nginx_sites, "nginx", nginx)
    (fault,), _ = nginx_sites.web_sites(["nginx"], 443, ["friends.example"], [])
    assert seen["beside"] == "proxy_buffering off;"
    assert f'cannot load "{folder}/shop.pem"' in fault
    assert list(tmp_path.iterdir()) == [folder]
    # Twice in http is a fault of nginx's.
    template = (ROOT / "roles/nginx/templates/etc/nginx/xmpp.conf.j2").read_text(encoding="utf-8")
    set_for_all = re.findall(r"^    (\w+) [^{\n]*;$", template.partition("http {")[2], re.MULTILINE)
    assert "keepalive_timeout" in set_for_all
    assert [name for name in set_for_all if f"\n    {name} " not in seen["stub"]] == []
    # Sites of the operator's go on taking uploads.
    assert "client_max_body_size" not in set_for_all


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ('"gzip" directive is duplicate in /etc/nginx/conf.d/a.conf:1', "Move it into the server"),
        ("a duplicate default server for 0.0.0.0:80 in /etc/nginx/sites-enabled/a:1", "Remove default_server"),
        ('unknown "zone" variable', "nginx.conf itself is no longer read"),
    ],
)
def test_what_nginx_does_not_take_is_said_with_what_passes(
    words: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/a.conf").touch()
    monkeypatch.setattr(nginx_sites, "NGINX", tmp_path)
    monkeypatch.setattr(nginx_sites, "TEMPORARY", tmp_path / "conf.d")
    monkeypatch.setattr(nginx_sites, "PROGRAM", "/bin/true")
    failed = subprocess.CompletedProcess([], 1, "", f"nginx: [emerg] 7#7: {words}")
    monkeypatch.setattr(nginx_sites, "nginx", lambda *_: failed)
    (fault,), _ = nginx_sites.web_sites(["nginx"], 443, [], [])
    assert words in fault
    assert hint in fault
