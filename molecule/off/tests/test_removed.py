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
        timeout=300,
    )


def listing(host: Host) -> list[str]:
    """Return every file of the host, as it was listed when the host was bare."""
    return str(host.check_output("sh -c %s", LIST.read_text())).splitlines()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], 'sure is "", which is not the service to remove.'),
        (["-e", "sure=of.test"], 'sure is "of.test", which is not the service to remove.'),
        (["-e", "sure=off.test"], "off makes no backups, so nothing of the service would be left."),
    ],
)
def test_nothing_is_removed_by_a_slip_of_the_finger(host: Host, words: list[str], told: str) -> None:
    done = remove(*words)
    assert done.returncode
    assert told in " ".join(done.stdout.split())
    assert host.service("ejabberd").is_running


def test_host_is_as_it_was(host: Host) -> None:
    done = remove("-e", "sure=off.test", "-e", "backup=false")
    assert not done.returncode, done.stdout + done.stderr
    assert "off.test is gone from off." in done.stdout
    before = set(BARE.read_text().splitlines())
    after = set(listing(host))
    assert sorted(after - before) == []
    assert sorted(before - after) == []
    assert host.file("/srv/backup").exists, "the backups are the operator's"


def test_nothing_of_it_runs_or_fails(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert host.check_output("systemctl list-units --all --no-legend --plain 'xmpp-*'") == ""


def test_nothing_of_it_listens(host: Host) -> None:
    """But for ssh, nobody does: as it was."""
    listening = host.check_output("ss -Hlntup").splitlines()
    assert [line for line in listening if "sshd" not in line and "systemd" not in line] == []


def test_removing_what_is_gone_changes_nothing(host: Host) -> None:
    done = remove("-e", "sure=off.test", "-e", "backup=false")
    assert not done.returncode, done.stdout + done.stderr
    assert set(listing(host)) == set(BARE.read_text().splitlines())
