# SPDX-License-Identifier: GPL-3.0-or-later
"""What others on a host have is not replaced, and what the firewall of the service closes is said."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils import dpkg, neighbours, nginx_sites, tree_files
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import closing, renewals, taken
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import host as firewall
from ansible_collections.conexizan.xmpp.plugins.module_utils.firewalls import iptables
from certificates import acme

from .firewall_rules import UFW

# ---------------------------------------------------------------------- files and units of others


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the root of a host, with the folders of units."""
    folders = {name: tmp_path / name for name in ("etc", "usr/local/lib", "usr/lib", "run")}
    for folder in folders.values():
        (folder / "systemd/system").mkdir(parents=True)
    monkeypatch.setattr(taken, "SYSTEMD", f"{tmp_path}/etc/systemd/system/")
    hiding = tuple(f"{folders[name]}/systemd/system/" for name in ("run", "usr/local/lib"))
    monkeypatch.setattr(taken, "HIDING", hiding)
    monkeypatch.setattr(taken, "ELSEWHERE", (*hiding, f"{folders['usr/lib']}/systemd/system/"))
    return tmp_path


def test_unit_of_the_operators_is_not_replaced(host: Path) -> None:
    unit = host / "etc/systemd/system/xmpp-backup.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    (fault,) = taken.taken_names([str(unit), f"{host}/etc/systemd/system/xmpp-backup.timer"], set())
    assert fault.startswith(f"{unit} is a unit of yours, and the service has one of the same name.")
    assert f"mv {unit} {host}/etc/systemd/system/my-xmpp-backup.service;" in fault


@pytest.mark.parametrize("folder", ["usr/local/lib", "usr/lib", "run"])
def test_unit_that_ours_would_hide_is_seen(host: Path, folder: str) -> None:
    (host / folder / "systemd/system/xmpp-backup.timer").touch()
    (fault,) = taken.taken_names([f"{host}/etc/systemd/system/xmpp-backup.timer"], set())
    assert fault.startswith(f"{host}/{folder}/systemd/system/xmpp-backup.timer is a unit of yours")


def test_masked_unit_is_said_to_be(host: Path) -> None:
    for name in ("xmpp-backup.timer", "coturn.service"):
        (host / "etc/systemd/system" / name).symlink_to("/dev/null")
    (ours,) = taken.taken_names([f"{host}/etc/systemd/system/xmpp-backup.timer"], set())
    assert ours.endswith("and the service needs it: systemctl unmask xmpp-backup.timer")
    (host / "run/systemd/system/ejabberd.service").symlink_to("/dev/null")
    faults = taken.replaced_units(["nginx.service", "coturn.service", "ejabberd.service"], set())
    assert [fault.partition("needs it: ")[2] for fault in faults] == [
        "systemctl unmask coturn.service",
        "systemctl unmask --runtime ejabberd.service",
    ]


def test_files_of_the_operators_are_named_together(host: Path) -> None:
    paths = [host / name for name in ("sudoers", "dropin.conf", "ours", "interrupted", "link", "missing")]
    for path in paths[:4]:
        path.write_text("mine, with an SPDX-License-Identifier: GPL-3.0-or-later")
    paths[3].write_text(f"# {tree_files.MANAGED}\n")
    paths[4].symlink_to("missing")
    (fault,) = taken.taken_names([str(path) for path in paths], {str(paths[2])})
    assert fault.startswith(f"The service would replace {paths[0]}, {paths[1]}, {paths[4]}, which it has not written.")


@pytest.mark.parametrize(
    ("deployed", "target", "found"),
    [(False, "", True), (True, "", False), (False, "/usr/lib/systemd/system/nginx.service", False)],
)
def test_units_in_the_place_of_debians(host: Path, deployed: bool, target: str, found: bool) -> None:
    """A program of the operator's own in nginx.service; not a link to Debian's, nor what came after us."""
    unit = host / "etc/systemd/system/nginx.service"
    if target:
        unit.symlink_to(target)
    else:
        unit.write_text("[Service]\nExecStart=/opt/nginx/nginx\n")
    written = {f"{host}/etc/systemd/system/nginx.service.d/xmpp.conf"} if deployed else set()
    faults = taken.replaced_units(["nginx.service"], written)
    assert [fault.startswith(f"{unit} is a unit of yours in the place of Debian's") for fault in faults] == [
        True
    ] * found


def test_what_an_interrupted_run_has_begun_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_files, "MANIFESTS", tmp_path)
    (tmp_path / "base.json").write_text(json.dumps({"files": {"/etc/a": "00"}}))
    (tmp_path / "nginx.before").write_text(json.dumps({"manifest": None, "files": {"/etc/b": None}}))
    (tmp_path / "coturn.json").touch()  # what a power cut left
    assert tree_files.written() == {"/etc/a", "/etc/b"}


# ---------------------------------------------------------------------- certificates of others


def test_our_certificates_are_known_by_their_names() -> None:
    assert renewals.LINEAGE == acme.LINEAGE


RENEWAL = """version = 4.0.0
archive_dir = /etc/letsencrypt/archive/{name}
[renewalparams]
account = 0123
authenticator = {way}
server =
webroot_path = /var/www/shop,
[[webroot_map]]
shop.test = /var/www/shop
"""


@pytest.mark.parametrize(
    ("name", "way", "confined", "words"),
    [
        ("xmpp_friends.test", "standalone", True, ""),
        ("shop.test", "standalone", False, "by its plugin standalone, which does not work beside the web server"),
        ("shop.test", "nginx", True, "certbot reconfigure --cert-name shop.test --webroot"),
        ("shop.test", "webroot", True, "ReadWritePaths=/var/www/shop"),
        ("shop.test", "webroot", False, ""),
        ("shop.test", "dns-rfc2136", True, ""),
    ],
)
def test_certificates_of_others_go_on_being_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str, confined: bool, words: str
) -> None:
    monkeypatch.setattr(renewals, "LETSENCRYPT", tmp_path)
    monkeypatch.setattr(renewals, "DROPINS", tmp_path / "certbot.service.d")
    (tmp_path / "renewal").mkdir()
    (tmp_path / f"renewal/{name}.conf").write_text(RENEWAL.format(name=name, way=way))
    found = renewals.lost_renewals(confined=confined)
    assert [words in fault for fault in found] == [True] * bool(words)
    if way == "webroot":
        (tmp_path / "certbot.service.d").mkdir()
        (tmp_path / "certbot.service.d/own.conf").touch()
        assert renewals.lost_renewals(confined=confined) == []


@pytest.mark.parametrize(
    ("stanza", "fault"),
    [
        ("Status: install ok installed\nVersion: 1.26.3-3\nProvides: httpd, nginx-abi-1.26.3-1", False),
        ("Status: install ok installed\nVersion: 1.29.3-1~trixie\nProvides: httpd, nginx, nginx-r1.29", True),
        ("Status: deinstall ok config-files\nVersion: 1.29.3-1~trixie", False),
    ],
)
def test_nginx_of_another_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stanza: str, fault: bool) -> None:
    monkeypatch.setattr(dpkg, "STATUS", tmp_path / "status")
    around = "Package: nginx-common\nStatus: install ok installed\nVersion: 1\n\n"
    (tmp_path / "status").write_text(f"{around}Package: nginx\n{stanza}\n\n{around}")
    words = nginx_sites.not_debians()
    assert words.startswith("nginx 1.29.3-1~trixie is not Debian's") if fault else words == ""


EXPORTER = "ARGS=''\n"


@pytest.mark.parametrize(
    ("text", "trees", "unit", "refused"),
    [
        ("ARGS='--collector.systemd'\n", [], "prometheus-node-exporter", True),
        ("", [], "prometheus-node-exporter", True),
        (EXPORTER, [], "prometheus-node-exporter", False),  # as Debian brings it
        ("ARGS='--collector.systemd'\n", ["metrics"], "prometheus-node-exporter", False),  # ours by now
        ("ARGS='--collector.systemd'\n", [], "nginx", False),  # no counters are wanted
        (None, [], "prometheus-node-exporter", False),
    ],
)
def test_exporter_that_somebody_configured_is_not_taken_over(
    text: str | None, trees: list[str], unit: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, options, status = tmp_path / "program", tmp_path / "options", tmp_path / "status"
    for name, path in {"EXPORTER": program, "EXPORTER_OPTIONS": options}.items():
        monkeypatch.setattr(neighbours, name, path)
    monkeypatch.setattr(dpkg, "STATUS", status)
    digest = hashlib.md5(EXPORTER.encode(), usedforsecurity=False).hexdigest()
    status.write_text(f"Package: prometheus-node-exporter\nConffiles:\n {options} {digest}\n", encoding="utf-8")
    if text is not None:
        options.write_text(text, encoding="utf-8")
    assert neighbours.exporter_of_others(trees, [{"unit": f"{unit}.service"}]) == "", "there is only a configuration"
    program.touch()
    words = neighbours.exporter_of_others(trees, [{"unit": f"{unit}.service"}])
    assert words.startswith(f"prometheus-node-exporter is already in use here: {options} was changed") == refused
    assert (f"mv {options} {options}.old && apt-get install" in words) == refused
    assert bool(words) == refused


# ---------------------------------------------------------------------- what the firewall closes


def listening(protocol: str, where: str, unit: str = "") -> str:
    """Return a socket in the words of ss."""
    group = f" ino:1 sk:1 cgroup:/system.slice/{unit} <->" if unit else " ino:1 sk:1 <->"
    return f"{protocol} {'LISTEN' if protocol == 'tcp' else 'UNCONN'} 0 9 {where} 0.0.0.0:*{group}"


SOCKETS = "\n".join(
    (
        listening("tcp", "*:80", "apache2.service"),
        listening("tcp", "0.0.0.0:25", "exim4.service"),
        listening("tcp", "127.0.0.1:631", "cups.service"),
        listening("tcp", "[::]:9090", "cockpit.socket"),
        listening("tcp", "0.0.0.0:8080", "docker.service"),
        listening("udp", "10.89.0.1%podman1:53", "run-1.scope"),
        listening("udp", "0.0.0.0:68", "ifup@eth0.service"),
        listening("udp", "0.0.0.0:5353", "avahi-daemon.service"),
        listening("udp", "0.0.0.0:40123", "avahi-daemon.service"),
        listening("udp", "0.0.0.0:40124"),
        listening("udp", "0.0.0.0:51820"),
    )
)
NEEDED = [
    {"protocol": "tcp", "first": 80, "last": 80},
    {"protocol": "udp", "first": 49152, "last": 65535},
]


def test_what_the_firewall_closes_is_said() -> None:
    """Programs, containers and tunnels of the kernel; no clients, nothing of this host alone, nothing that is open."""
    found = neighbours.parse_sockets(SOCKETS)
    closed = closing.closing(
        found, NEEDED, {22, 9090}, {8081: "/etc/nginx/sites-enabled/a"}, any_port=range(32768, 61000)
    )
    assert closed == [
        ("tcp", 25, "exim4.service"),
        ("tcp", 8080, "docker.service"),
        ("tcp", 8081, "/etc/nginx/sites-enabled/a"),
        ("udp", 53, "run-1.scope"),
        ("udp", 5353, "avahi-daemon.service"),
        ("udp", 40124, closing.KERNEL),
    ]
    words = closing.sentence(closed)
    assert "closes TCP 25 (exim4.service), 8080 (docker.service), 8081 (" in words
    assert " and UDP 53 (run-1.scope), 5353 " in words
    assert words.endswith(": tcp dport 25 accept")
    assert closing.sentence([]) == ""


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/exim4.service", "exim4.service"),
        ("/system.slice/system-postgresql.slice/postgresql@15-main.service", "postgresql@15-main.service"),
        ("/user.slice/user-1000.slice/session-2.scope", "session-2.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", "user@1000.service"),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-0a.scope", "libpod-0a.scope"),
        ("/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service", "systemd-nspawn@web.service"),
        ("/system.slice/a$(reboot).service", ""),
        ("/system.slice/\x1b[31m.service", ""),
    ],
)
def test_unit_is_named_by_the_host_alone(path: str, unit: str) -> None:
    """What a user or a container calls its own is printed in a command for root, and could be called as one of ours."""
    assert neighbours.unit_of(path) == unit


def test_ports_of_containers_stay_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker passes them on before they come to the firewall of the service; its own proxy listens all the same."""
    monkeypatch.setattr(firewall, "default_interfaces", lambda: frozenset({"eth0"}))
    chains = iptables.from_iptables(UFW, "ip", "iptables")
    found = neighbours.parse_sockets(
        listening("tcp", "*:443", "docker.service") + "\n" + listening("tcp", "*:25", "a.service")
    )
    passed = closing.passed_on(chains, found, ["192.0.2.1"])
    assert passed == {("tcp", 443)}
    assert [port for _, port, _ in closing.closing(found, [], set(), {}, passed=passed)] == [25]


def test_program_that_comes_back_with_the_next_boot_is_named(tmp_path: Path) -> None:
    """Stopped for the run, and forgotten; one that runs has other ports, or is refused."""
    for name in ("apache2.service", "prosody.service", "cron.service"):
        (tmp_path / name).symlink_to("nowhere")
    found = neighbours.parse_sockets(listening("tcp", "*:8080", "apache2.service"))
    assert neighbours.enabled_but_stopped(found, tmp_path).startswith("Stopped, but enabled: prosody. At the next boot")
    assert neighbours.enabled_but_stopped(found, tmp_path / "missing") == ""


def test_ports_that_programs_get_unasked(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("32768\t60999\n")
    assert closing.own_ports(tmp_path / "range") == range(32768, 61000)
