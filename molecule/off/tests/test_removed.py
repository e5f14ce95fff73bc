# SPDX-License-Identifier: GPL-3.0-or-later
"""Last of all: the service is taken off the host, which is then as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]
LIST = ROOT / "molecule/off/list_files"
RECORD = "/var/lib/xmpp/packages.json"
BARE = ROOT / ".cache/molecule/off/bare"


def remove(*words: str) -> subprocess.CompletedProcess[str]:
    """Run playbooks/remove.yml."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.run(
        [program, "--inventory=molecule/inventory", "--limit=off", *words, "playbooks/remove.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def listing(host: Host) -> list[str]:
    """Return every file of the host, as it was listed when the host was bare."""
    return str(host.check_output("sh -c %s", LIST.read_text())).splitlines()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], 'sure is "", which is not the domain of the service.'),
        (["-e", "sure=of.test"], 'sure is "of.test", which is not the domain of the service.'),
        (["-e", "sure=off.test"], "off makes no backups, so everything would be lost."),
    ],
)
def test_nothing_is_removed_without_confirmation(host: Host, words: list[str], told: str) -> None:
    done = remove(*words)
    assert done.returncode
    assert told in " ".join(done.stdout.split())
    assert host.service("ejabberd").is_running


FOREIGN = (
    "/etc/ejabberd/own/key",
    "/srv/xmpp/own/page.html",
    "/etc/xmpp/certificates.d/own.hook",
    "/var/lib/ejabberd/export.xml",
)


def test_what_nobody_brought_is_listed_and_nothing_is_removed(host: Host) -> None:
    """Also in check mode. Debian's packages would delete it with their folders."""
    host.check_output("; ".join(f"mkdir -p $(dirname {path}) && echo mine > {path}" for path in FOREIGN))
    try:
        for words in (["--check"], []):
            done = remove("-e", "sure=off.test", "-e", "backup=false", *words)
            said = " ".join(done.stdout.split())
            assert done.returncode
            for path in FOREIGN:
                assert (str(Path(path).parent) if "/own/" in path else path) in said
            assert "-e keep=nginx" in said
            assert host.service("ejabberd").is_running
            assert all(host.file(path).exists for path in FOREIGN)
    finally:
        host.check_output(f"rm {' '.join(FOREIGN)} && rmdir /etc/ejabberd/own /srv/xmpp/own")


def test_host_without_a_record_of_its_packages(host: Host) -> None:
    """As an early version set it up: what runs is stopped, the data is gone, and what stays is named."""
    host.check_output(f"mv {RECORD} /root/")
    try:
        done = remove("-e", "sure=off.test", "-e", "backup=false")
        assert not done.returncode, done.stdout + done.stderr
        assert "stay installed, all stopped except nginx: ejabberd, nginx." in " ".join(done.stdout.split())
        assert not host.service("ejabberd").is_running
        assert not host.service("ejabberd").is_enabled
        assert not host.file("/var/lib/ejabberd/xmpp.db").exists
        assert not host.file("/srv/xmpp").exists
        assert "xmpp" not in host.check_output("cat /proc/$(systemctl show -p MainPID --value nginx)/cmdline")
    finally:
        # The rest goes as on any host.
        host.check_output(f"mkdir -p $(dirname {RECORD}) && mv /root/packages.json {RECORD}")


def test_host_is_as_it_was(host: Host) -> None:
    done = remove("-e", "sure=off.test", "-e", "backup=false")
    assert not done.returncode, done.stdout + done.stderr
    assert "off.test is removed from off." in done.stdout
    assert "The account prometheus stays: own-exporter.service uses it." in done.stdout
    before = set(BARE.read_text().splitlines())
    after = set(listing(host))
    assert sorted(after - before) == []
    assert sorted(before - after) == []
    assert host.file("/srv/backup").exists, "the backups are the operator's"


def test_nothing_of_it_runs_or_fails(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert host.check_output("systemctl list-units --all --no-legend --plain 'xmpp-*'") == ""


def test_nothing_of_it_listens(host: Host) -> None:
    """But for ssh, and the nginx that was there before: as it was."""
    listening = host.check_output("ss -Hlntup").splitlines()
    others = [line for line in listening if "sshd" not in line and "systemd" not in line]
    assert {line.split()[4].rpartition(":")[2] for line in others} == {"80", "8081"}
    assert all('"nginx"' in line for line in others)


def test_what_ran_before_runs_by_its_own_configuration(host: Host) -> None:
    assert host.service("rsyslog").is_running
    assert not host.service("nginx").is_enabled, "nor was it before"
    asked = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8081/').read().decode())"
    assert host.check_output(f'python3 -c "{asked}"') == "shop"


def test_removing_what_is_gone_changes_nothing(host: Host) -> None:
    done = remove("-e", "sure=off.test", "-e", "backup=false")
    assert not done.returncode, done.stdout + done.stderr
    assert set(listing(host)) == set(BARE.read_text().splitlines())
