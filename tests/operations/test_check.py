# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/check.yml: content with a host that is well, exact about what is not, and gone without a trace."""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..kit.erlang import CLEAR_REFUSAL, refusing, run_in_erlang
from ..kit.nameserver import NameServer
from ..kit.service import UPLOADS, Service

pytestmark = pytest.mark.timeout(600)

MADE = "/var/lib/xmpp/check.json"
PROVIDER = "/srv/xmpp/website/.well-known/xmpp-provider-v2.json"
# How long it may take, in runs of playbooks/user.yml. Where nothing else runs, it takes half of that.
TIMES = 8

Rows = dict[str, dict[str, str]]


def examine(service: Service, *words: str) -> tuple[int, Rows]:
    """The exit code, and the rows by their subjects."""
    done = service.run_playbook("check", "format=json", *words)
    found: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    (rows,) = found.values()
    named = {row["subject"]: row for row in rows}
    return done.returncode, named


def accounts(service: Service) -> set[str]:
    names: list[str]
    (names,) = service.api(("registered_users", {"host": service.domain}))
    return set(names)


@contextlib.contextmanager
def broken(service: Service, *steps: tuple[str, str]) -> Iterator[None]:
    """Breaks the host, each step with what fixes it."""
    with contextlib.ExitStack() as fixing:
        for breaks, fixes in steps:
            fixing.callback(service.host.check_output, fixes)
            service.host.check_output(breaks)
        yield


@pytest.fixture(scope="module")
def resolver(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A name server that has what playbooks/dns.yml prints."""
    folder: Path = tmp_path_factory.mktemp("zones")
    done = service.run_playbook("dns", f"zone_dir={folder}", "format=json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{service.domain}." in {record["name"] for record in json.loads(done.stdout)["records"]}
    server = NameServer()
    try:
        server.load((folder / f"{service.domain}.zone").read_text(encoding="utf-8"), service.domain)
        yield server.address
    finally:
        server.close()


def test_host_that_is_well(service: Service, resolver: str) -> None:
    """All rows pass; no account stays, also of an interrupted run, and a user's is none of its business."""
    left, like = (f"check-{secrets.token_hex(16)}" for _ in range(2))
    service.api(*(("register", {"user": name, "host": service.domain}) for name in (left, like)))
    made = json.dumps({f"{left}@{service.domain}": time.time() - 3600})
    service.host.check_output("printf %%s %s > %s", made, MADE)
    service.host.check_output("systemctl start xmpp-backup.service")  # the first night is still to come
    run_in_erlang(service, CLEAR_REFUSAL)  # what a test before this one made the database refuse
    before = accounts(service)
    try:
        code, rows = examine(service, f"resolver={resolver}")
        # What Debian has published since the image was made, or we since the host was deployed, is no fault.
        news = {"security updates", "ejabberd version", "Conexizan version"}
        faults = [row for row in rows.values() if row["status"] != "pass" and row["subject"] not in news]
        assert faults == []
        assert code == 0
        assert {"login", "TURN", "STUN", "XEPs", "file upload", "push", f"{service.domain} certificate"} <= set(rows)
        assert accounts(service) == before - {left}
        assert not service.host.file(MADE).exists
    finally:
        service.api(("unregister", {"user": like, "host": service.domain}))


def test_each_fault_is_named(service: Service, resolver: str) -> None:
    """Several at once, each in a row of its own with its remedy; what works goes on being checked."""
    certificate = f"/etc/xmpp/certificates/{service.domain}"
    other = (
        f"cp -a {certificate} /root/certificate && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
        f"-nodes -days 9 -subj /CN=elsewhere.test -keyout {certificate}/privkey.pem -out {certificate}/fullchain.pem "
        "2>/dev/null && systemctl reload nginx"
    )
    own = (
        f"cp -a /root/certificate/. {certificate}/ && rm -r /root/certificate && systemctl reload nginx "
        "&& systemctl restart xmpp-certificates"
    )
    with broken(
        service,
        ("systemctl stop coturn xmpp-relay.timer", "systemctl start coturn xmpp-relay.timer"),
        ("systemctl stop xmpp-expire.timer", "systemctl start xmpp-expire.timer"),
        ("systemctl stop systemd-tmpfiles-clean.timer", "systemctl start systemd-tmpfiles-clean.timer"),
        (
            "nft insert rule inet xmpp input tcp dport 5270 drop",
            "systemctl restart xmpp-firewall",
        ),
        (f"mv {PROVIDER} /root/provider", f"mv /root/provider {PROVIDER}"),
        (f"chmod 000 {UPLOADS}/data", f"chmod 2770 {UPLOADS}/data"),
        (other, own),
    ):
        code, rows = examine(service, f"resolver={resolver}")
    assert code != 0
    expected: dict[str, tuple[str, str]] = {
        "services": ("not running: coturn.service", "systemctl restart coturn.service"),
        "timers": (
            "stopped: xmpp-expire.timer, xmpp-relay.timer, systemd-tmpfiles-clean.timer",
            "systemctl enable --now xmpp-expire.timer",
        ),
        f"ports of {service.address}": (
            "closed: TCP 3478, 5270, 5349",
            "systemctl status coturn ejabberd xmpp-firewall",
        ),
        f"{service.domain} certificate": ("self-signed certificate", "Run site.yml"),
        f"{service.domain} servers": ("port 5270 does not answer", "systemctl status ejabberd"),
        "TURN over TLS": ("port 5349 refuses connections", "systemctl status coturn"),
        "provider file": ("answers 404", "Run site.yml --tags website."),
        "STUN": ("port 3478", "systemctl status coturn"),
        "TURN": ("port 3478", "systemctl restart coturn"),
        "file upload": ("uploading a file answers", "systemd-tmpfiles --create"),
    }
    for subject, (found, fix) in expected.items():
        row = rows[subject]
        assert (row["status"], found in row["found"], fix in row["fix"]) == ("fail", True, True), row
    for subject in ("login", "XEPs", "WebSocket and BOSH", "web site", f"{service.domain} clients"):
        assert rows[subject]["status"] == "pass", rows[subject]


def test_firewall_of_somebody_else_is_the_one_cause(service: Service) -> None:
    rules = (
        "table inet stranger",
        "add chain inet stranger input { type filter hook input priority 10; policy drop; }",
        "add rule inet stranger input ct state established,related accept",
        "add rule inet stranger input iif lo accept",
        "add rule inet stranger input meta l4proto { icmp, ipv6-icmp } accept",
        "add rule inet stranger input tcp dport { 22, 80 } accept",
    )
    load = f"echo {shlex.quote(chr(10).join(rules))} | nft --file -"
    with broken(service, (load, "nft delete table inet stranger")):
        code, rows = examine(service)
    assert code
    wall = rows["other firewall"]
    assert wall["found"].startswith("nftables, a firewall of this host, blocks TCP 443, 5222")
    assert wall["found"].endswith("(table inet stranger, chain input)")
    assert "tcp dport { 443, 5222" in wall["fix"]
    assert rows["service"]["found"] == "skipped: nftables on the host blocks its ports"
    assert not {"login", "web site"} & set(rows)


def test_module_without_effect_is_named(service: Service) -> None:
    """ejabberd runs on without a module of ours that does not start, as may be after an update."""
    source, restart = "/usr/local/lib/xmpp/modules/mod_xmpp_login_throttle.erl", "systemctl restart ejabberd"
    with broken(
        service,
        (f"cp -a {source} /root/guard.erl", f"mv /root/guard.erl {source} && {restart}"),
        (f"sed -i 's/hooks(add, Host)/error(changed)/' {source} && {restart}", "true"),
    ):
        service.wait_until_ready()
        _, rows = examine(service)
    service.wait_until_ready()
    assert rows["own modules"]["found"] == "not active: mod_xmpp_login_throttle", rows["own modules"]
    assert rows["own modules"]["status"] == "fail"


def test_database_that_refuses_is_named(service: Service) -> None:
    """Whatever its reason; here it may only read."""
    with refusing(service, "PRAGMA query_only = ON", "PRAGMA query_only = OFF"):
        code, rows = examine(service)
    assert code != 0
    assert rows["database"]["status"] == "fail"
    assert rows["database"]["found"] == "refuses to write: it is read-only; messages come back to their senders"
    assert rows["own modules"]["status"] == "pass"


def test_restore_that_was_not_finished_is_named(service: Service) -> None:
    """What it has left is not encrypted. What an interrupted check has left of a former domain is harmless.

    And a backup in a repository that was given up is none in the new one. Links in folders of the service are told,
    and what was not deleted because of the clock.
    """
    left, status = "/var/lib/xmpp-backup/staged", "/var/lib/xmpp-backup/status.json"
    made = json.dumps({"check-1@gone.test": time.time() - 3600}).replace('"', '\\"')
    last = json.dumps({"repository": "/srv/old", "success": "2026-11-01T02:00:00+00:00", "error": ""})
    seen, kept = "/var/lib/xmpp/clock.json", json.dumps({"kept": {"messages": "the clock was set 9 days forward"}})
    last, kept = (text.replace('"', '\\"') for text in (last, kept))
    with broken(
        service,
        (f"mkdir --mode=0700 {left}", f"rmdir {left}"),
        (f'printf %s "{made}" > {MADE}', f"rm {MADE}"),
        (f"touch {status} && cp {status} /root/status", f"mv /root/status {status}"),
        (f'printf %s "{last}" > {status}', "true"),
        ("ln -s /mnt /srv/xmpp/linked", "rm /srv/xmpp/linked"),
        (f"cp {seen} /root/seen", f"mv /root/seen {seen}"),
        (f'printf %s "{kept}" > {seen}', "true"),
    ):
        _, rows = examine(service)
    assert rows["login"]["status"] == "pass", rows["login"]
    row = rows["restore"]
    assert (row["status"], left in row["found"], "xmpp-backup commit" in row["fix"]) == ("warn", True, True), row
    assert rows["folders"]["status"] == "fail"
    assert "/srv/xmpp/linked" in rows["folders"]["found"]
    assert '"/mnt /srv/xmpp/linked none bind 0 0"' in rows["folders"]["fix"]
    assert rows["retention"]["status"] == "fail"
    assert rows["retention"]["found"] == "expired messages are not deleted: the clock was set 9 days forward"
    assert rows["backup"]["status"] == "warn"
    assert rows["backup"]["found"] == (
        "none has been made yet in /srv/backup; the last one in /srv/old is of 2026-11-01"
    )


def test_without_the_server(service: Service) -> None:
    """Nothing hangs, and what could not be looked at is said, also without DNS."""
    with broken(service, ("systemctl stop ejabberd", "systemctl start ejabberd")):
        code, rows = examine(service)
    service.wait_until_ready()
    assert code != 0
    assert "is ejabberd.service running?" in rows["login"]["found"]
    unchecked: dict[str, Any] = {subject: rows[subject]["found"] for subject in ("TURN", "XEPs", "file upload", "push")}
    assert set(unchecked.values()) == {"skipped: no login"}
    assert "5222" in rows[f"ports of {service.address}"]["found"]
    assert "(the host's own address; DNS has none)" in rows[f"ports of {service.address}"]["found"]
    assert rows["web site"]["status"] == "pass"
    assert accounts(service) >= {"admin"}


def test_it_takes_seconds(service: Service, resolver: str) -> None:
    """Compared is a playbook that asks the host one thing, in turns: how busy the machine is concerns both."""
    took: dict[str, list[float]] = {"check": [], "user": []}
    for _ in range(2):
        for playbook, words in (("check", (f"resolver={resolver}",)), ("user", ())):
            start = time.monotonic()
            done = service.run_playbook(playbook, *words)
            took[playbook].append(time.monotonic() - start)
            assert done.returncode == 0, done.stdout
    assert min(took["check"]) < TIMES * min(took["user"]), took
