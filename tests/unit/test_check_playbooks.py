# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/check.yml and dns.yml on this machine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ..kit import ansible_fork
from ..kit.nameserver import NameServer
from .loading import ROOT


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server without a zone."""
    running = NameServer()
    yield running
    running.close()


def play(folder: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook for a service on this machine, without becoming root: it only reads."""
    inventory = {
        "all": {
            "hosts": {
                "here": {
                    "ansible_connection": "local",
                    "ansible_become": False,
                    "xmpp_domain": "friends.test",
                    "xmpp_certificates": "selfsigned",
                    "xmpp_public_addresses": ["192.31.196.1"],
                    "xmpp_dnssec": True,
                    "xmpp_secrets_dir": str(folder / "secrets"),
                }
                | variables
            }
        }
    }
    (folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
    environment = ansible_fork.operators()
    return ansible_fork.run("-i", folder / "hosts.yml", *arguments, folder=ROOT, environment=environment)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (
            {
                "ansible_connection": "ssh",
                "ansible_host": "127.0.0.1",
                "ansible_port": 1,
                "ansible_ssh_retries": 0,  # each later one waits longer before it tries
            },
            "cannot be reached by ssh",
        ),
        (
            {"ansible_become": True, "ansible_become_user": "nobody", "ansible_become_exe": "/bin/false"},
            "is reached by ssh, but Ansible cannot work there: ",
        ),
    ],
)
def test_without_ssh_access_the_rest_is_checked(
    tmp_path: Path, server: NameServer, settings: dict[str, Any], found: str
) -> None:
    server.load("_xmpp-client._tcp 60 IN SRV 0 1 5222 friends.test.\n@ 60 IN A 192.31.196.1", "friends.test")
    asked = ("playbooks/check.yml", "--extra-vars", f"resolver={server.address} only=dns format=json")
    done = play(tmp_path, *asked, **settings)
    assert done.returncode != 0
    rows = {row["subject"]: row for row in json.loads(done.stdout)["here"]}
    assert rows["host"]["found"].startswith(found)
    assert rows["host"]["fix"]
    assert rows["_xmpp-client._tcp.friends.test SRV"]["status"] == "pass"


def test_mistyped_inventory_is_a_failure(tmp_path: Path) -> None:
    """It is no service that is well."""
    words = ("-i", tmp_path / "mistyped", "playbooks/check.yml")
    done = ansible_fork.run(*words, folder=ROOT, environment=ansible_fork.operators())
    assert done.returncode != 0


def test_playbooks(tmp_path: Path, server: NameServer) -> None:
    """What dns.yml prints can be pasted, is what it writes, and is what check.yml looks for."""
    done = play(tmp_path, "playbooks/dns.yml", "--extra-vars", f"zone_dir={tmp_path}/new/zones")
    assert done.returncode == 0, done.stdout + done.stderr
    zone = (tmp_path / "new/zones/friends.test.zone").read_text(encoding="utf-8")
    assert f"\n{zone}" in done.stdout
    assert "; No TLSA record: the host has no certificate for friends.test yet." in zone
    server.load(zone, "friends.test")
    server.load(zone.replace("turn  ", "relay "), "friends.test")
    asked = ("playbooks/check.yml", "--extra-vars", f"resolver={server.address} only=dns format=json")
    done = play(tmp_path, *asked)
    assert done.returncode != 0, "a program wants to know without reading"
    bare, *rows = json.loads(done.stdout)["here"]
    assert (bare["subject"], bare["status"]) == ("service", "warn"), "there is none on this machine"
    assert {(row["subject"], row["fix"]) for row in rows if row["found"] == "no address"} == {
        ("turn.friends.test A", "Add: turn.friends.test. 3600 IN A 192.31.196.1")
    }
    assert {row["status"] for row in rows if "turn" not in row["found"] + row["subject"]} == {"pass"}


@pytest.mark.parametrize(("answer", "rows"), [({"msg": "the API answers 500"}, 1), ({}, 0), ({"name": "check-x"}, 0)])
def test_account_that_stays_is_a_row(answer: dict[str, str], rows: int) -> None:
    """Its deletion cannot fail the run: what was found would be lost with it."""
    playbook = str(ROOT / "playbooks/check.yml")
    tasks = [task for play in DataLoader().load_from_file(playbook, trusted_as_template=True) for task in play["tasks"]]
    (task,) = (task for task in tasks if task["name"] == "Collect the results")
    known = {"host_read": {}, "dns_checks": {"rows": []}, "ansible_facts": {"xmpp_host": {"trees": ["ejabberd"]}}}
    templar = Templar(loader=DataLoader(), variables=known | task["vars"] | {"check_account_gone": answer})
    found = templar.template(task["ansible.builtin.set_fact"]["check_rows"])
    assert [(row["subject"], row["status"]) for row in found] == [("account", "warn")] * rows
