# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus reads: the machine and sums of the service, on the address that was named, and nobody by name."""

from __future__ import annotations

import re
import secrets
import time

import pytest
from testinfra.host import Host

PORT = 9100
FILE = "/run/xmpp-metrics/service.prom"
# What a label may be: parts of the machine, and the domains, which are in DNS anyway.
LABELS = {"clocksource", "collector", "cpu", "device", "device_error", "domain", "file", "fstype", "major", "minor"}
LABELS |= {"mode", "mountpoint", "rotational", "time_zone"}
# Of a disk: the files that tell are hidden.
EMPTY = {"model", "path", "revision", "serial", "wwn"}


def read(host: Host) -> str:
    """All counters, as Prometheus gets them."""
    code = (
        f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{PORT}/metrics', timeout=10).read().decode())"
    )
    return str(host.check_output(f'python3 -c "{code}"'))


def value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not among the counters"
    return float(found[1])


@pytest.fixture(scope="module")
def counters(host: Host) -> str:
    """Counted just now."""
    host.check_output("systemctl start xmpp-metrics.service")
    return read(host)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("xmpp_up", 1, 1),
        ("xmpp_uptime_seconds", 1, 1e9),
        ("xmpp_accounts", 1, 1e4),
        ("xmpp_sessions", 0, 1e4),
        ("xmpp_servers_in", 0, 1e4),
        ("xmpp_servers_out", 0, 1e4),
        ("xmpp_rooms", 0, 1e4),
        ("xmpp_database_bytes", 1e5, 1e10),
        ("xmpp_upload_bytes", 0, 1e10),
        ("xmpp_upload_files", 0, 1e6),
        ("node_textfile_scrape_error", 0, 0),
        ("node_memory_MemTotal_bytes", 1e8, 1e13),
        ("node_load1", 0, 1e4),
    ],
)
def test_counter(counters: str, name: str, least: float, most: float) -> None:
    assert least <= value(counters, name) <= most


def test_what_must_not_be_forgotten_can_be_watched(host: Host, counters: str) -> None:
    assert value(counters, "xmpp_certificate_end_seconds") > time.time()
    if host.file("/var/lib/xmpp-backup/status.json").exists:
        assert value(counters, "xmpp_backup_failed") in (0, 1)


def test_counters_follow_what_is_so(host: Host) -> None:
    """A file more, by its size; and gone again."""
    path = f"/srv/xmpp/upload/data/{secrets.token_hex(20)}"
    host.check_output("systemctl start xmpp-metrics.service")
    before = value(read(host), "xmpp_upload_bytes")
    host.check_output(f"head -c 12345 /dev/zero > {path}")
    try:
        host.check_output("systemctl start xmpp-metrics.service")
        assert value(read(host), "xmpp_upload_bytes") == before + 12345
    finally:
        host.check_output(f"rm {path}")


def test_nobody_is_named(host: Host, counters: str) -> None:
    """No account, room, address or other server; no label that could hold one."""
    used = {
        (name, value)
        for line in counters.splitlines()
        for name, value in re.findall(r'[{,]([a-z_]+)="([^"]*)"', line)
        if "_build_info" not in line
    }
    assert {name for name, value in used if value} <= LABELS
    assert {name for name, _ in used} <= LABELS | EMPTY
    assert "@" not in counters
    assert re.findall(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", counters) == []
    assert not re.search(r'mountpoint="/(home|root)', counters)
    collectors = set(re.findall(r'node_scrape_collector_success{collector="(\w+)"}', counters))
    assert not collectors & {"arp", "logind", "tcpstat", "processes", "systemd", "uname", "dmi", "wifi"}


def test_only_its_address_is_open(host: Host) -> None:
    listening = host.check_output("ss -Hltn").splitlines()
    assert [line.split()[3] for line in listening if line.split()[3].endswith(f":{PORT}")] == [f"127.0.0.1:{PORT}"]
    openings = host.check_output("ls /etc/xmpp/firewall.d").split()
    assert "nginx.nft" in openings, "the openings of others are there"
    assert "metrics.nft" not in openings


def test_runs_by_itself(host: Host) -> None:
    assert host.service("prometheus-node-exporter").is_running
    assert host.service("xmpp-metrics.timer").is_running
    assert host.file(FILE).user == "ejabberd"
