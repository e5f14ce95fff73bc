# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: where they lie, how those of earlier versions get there, and what may not be in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.action.host_facts import strange
from ansible_collections.conexizan.xmpp.plugins.module_utils import host_identity as identity
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets import files

from ..kit import ansible_fork
from .loading import ROOT

NAMES = ("account-admin", "backup", "backup-ssh", "backup-ssh.pub", "coturn", "demo-alice", "upload")
# What site.yml does with secrets, without a host.
PLAYBOOK = """
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - conexizan.xmpp.secrets:
        folder: "{{ xmpp_secrets_dir }}/{{ xmpp_domain }}"
        in_use: "{{ in_use }}"
    - debug:
        msg: "{{ query('conexizan.xmpp.secret', 'coturn', 'account-admin', folder=folder) }}"
      vars:
        folder: "{{ xmpp_secrets_dir }}/{{ xmpp_domain }}"
"""


def play(folder: Path, hosts: dict[str, dict[str, Any]], *options: str) -> dict[str, list[str]]:
    """Run it, and return the secrets of each host, by its name."""
    inventory = folder / "inventory"
    inventory.mkdir(exist_ok=True)
    variables = {"xmpp_secrets_dir": "{{ inventory_dir }}/secrets", "in_use": False}
    described = {"all": {"hosts": hosts, "vars": variables}}
    (inventory / "hosts.yml").write_text(yaml.safe_dump(described), encoding="utf-8")
    (folder / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    environment = ansible_fork.operators(**ansible_fork.RESULTS)
    done = ansible_fork.run(
        *("-i", inventory), *options, folder / "play.yml", folder=folder, environment=environment, seconds=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^ok: \[(\w+)\] => (\{\n.*?^\})", done.stdout, re.MULTILINE | re.DOTALL)
    return {host: json.loads(result)["msg"] for host, result in sorted(found)}


def old_set(folder: Path) -> Path:
    """The secrets of an earlier version, and a file of the operator's beside them."""
    root = folder / "inventory/secrets"
    root.mkdir(parents=True)
    for name in (*NAMES, "mine"):
        (root / name).write_text(f"old-{name}\n", encoding="ascii")
        (root / name).chmod(0o600)
    return root


def contents(root: Path) -> dict[str, str]:
    """Every file, but for the one that others wait for."""
    return {
        str(path.relative_to(root)): path.read_text(encoding="ascii")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


ONE = {"low": {"xmpp_domain": "low.test"}}
TWO = ONE | {"club": {"xmpp_domain": "club.test"}}
MOVED = {f"{name}.txt": f"old-{name}\n" for name in NAMES}


def test_each_domain_has_secrets_of_its_own(tmp_path: Path) -> None:
    found = play(tmp_path, TWO)
    assert len({*found["low"], *found["club"]}) == 4
    assert play(tmp_path, TWO) == found
    paths = list((tmp_path / "inventory/secrets").rglob("*"))
    assert len(paths) > 4
    assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_secrets_of_one_domain_are_moved(tmp_path: Path) -> None:
    root = old_set(tmp_path)
    assert play(tmp_path, ONE) == {"low": ["old-coturn", "old-account-admin"]}
    moved = {f"low.test/{name}": text for name, text in MOVED.items()}
    assert contents(root) == moved | {"mine": "old-mine\n"}
    modes = {path.name: path.stat().st_mode & 0o777 for path in (root / "low.test").iterdir()}
    assert modes == dict.fromkeys(MOVED, 0o600)


def test_secrets_of_two_services_stay_what_they_are(tmp_path: Path) -> None:
    """Each gets its copy, also if only one of them is meant now."""
    root = old_set(tmp_path)
    hosts = {name: settings | {"in_use": True} for name, settings in TWO.items()}
    assert play(tmp_path, hosts, "--limit", "low") == {"low": ["old-coturn", "old-account-admin"]}
    assert set(contents(root)) == {f"low.test/{name}" for name in MOVED} | {*MOVED, "mine"}
    assert play(tmp_path, hosts)["club"] == ["old-coturn", "old-account-admin"]
    assert set(contents(root)) == {f"{domain}.test/{name}" for domain in ("low", "club") for name in MOVED} | {"mine"}


def test_new_host_beside_an_old_one_has_secrets_of_its_own(tmp_path: Path) -> None:
    old_set(tmp_path)
    found = play(tmp_path, TWO | {"low": {"xmpp_domain": "low.test", "in_use": True}})
    assert found["low"] == ["old-coturn", "old-account-admin"]
    assert not {*found["low"]} & {*found["club"]}


def test_interrupted_move_goes_on(tmp_path: Path) -> None:
    root = old_set(tmp_path)
    (root / "coturn").rename(root / "coturn.txt")
    (root / "low.test").mkdir()
    (root / "low.test/upload.txt").write_text("old-upload\n", encoding="ascii")
    play(tmp_path, ONE)
    assert contents(root) == {f"low.test/{name}": text for name, text in MOVED.items()} | {"mine": "old-mine\n"}


def test_secret_that_is_in_no_other_place_is_not_deleted(tmp_path: Path) -> None:
    """The domain has another one already."""
    root = old_set(tmp_path)
    (root / "low.test").mkdir()
    (root / "low.test/backup.txt").write_text("new\n", encoding="ascii")
    play(tmp_path, ONE)
    assert contents(root)["backup.txt"] == "old-backup\n"
    assert contents(root)["low.test/backup.txt"] == "new\n"


@pytest.mark.parametrize("old", [True, False])
def test_check_mode_writes_nothing(old: bool, tmp_path: Path) -> None:
    if old:
        before = contents(old_set(tmp_path))
    found = play(tmp_path, ONE, "--check")["low"]
    root = tmp_path / "inventory/secrets"
    if old:
        assert found == ["old-coturn", "old-account-admin"]
        assert contents(root) == before
    assert (root / ".lock").exists() is False
    assert root.exists() is old


@pytest.mark.parametrize("settings", ["", "[inventory]\nunparsed_is_failed = True\n"], ids=["none", "another"])
def test_secrets_are_no_inventory(settings: str, tmp_path: Path) -> None:
    """From another folder, where the ansible.cfg of the clone is not in force; what the operator has beside them is."""
    old_set(tmp_path)
    play(tmp_path, ONE)
    group = tmp_path / "inventory/group_vars/all.yml"
    group.parent.mkdir()
    group.write_text("of_the_operator: 7\n", encoding="ascii")
    (tmp_path / "inventory/secrets/mine").unlink()
    (tmp_path / "ansible.cfg").write_text(settings, encoding="ascii")
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(tmp_path / "inventory"), "--list"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    environment["ANSIBLE_CONFIG"] = str(tmp_path / "ansible.cfg")
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert set(found["_meta"]["hostvars"]) == {"low"}
    assert found["_meta"]["hostvars"]["low"]["of_the_operator"] == 7
    assert "old-" not in done.stdout + done.stderr


def test_new_ssh_key(tmp_path: Path) -> None:
    """Also the public one is nothing that Ansible takes for an inventory."""
    files.write_ssh_key(tmp_path / "low.test/backup-ssh.txt", "backup of low.test")
    assert sorted(path.name for path in (tmp_path / "low.test").iterdir()) == ["backup-ssh.pub.txt", "backup-ssh.txt"]
    assert (tmp_path / "low.test/backup-ssh.pub.txt").read_text().endswith(" backup of low.test\n")
    command = ["ssh-keygen", "-y", "-f", str(tmp_path / "low.test/backup-ssh.txt")]
    public = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (tmp_path / "low.test/backup-ssh.pub.txt").read_text() == public


# ------------------------------------------------------------------ those of the host
@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a host with three secrets says of them."""
    texts = {
        "backup": "of the backups\n",
        "coturn": "realm=turn.low.test\nstatic-auth-secret=of the relay\nfingerprint\n",
        "upload": '# managed\nset $xmpp_upload_secret "of uploads";\n',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    places = {name: (tmp_path / name, pattern) for name, (_, pattern) in identity.HOLDERS.items()}
    monkeypatch.setattr(identity, "HOLDERS", places)
    found: dict[str, str] = identity.secret_fingerprints()
    assert found.keys() == texts.keys()
    assert not any(" of " in text for text in found.values())
    return found


def test_secrets_that_are_not_the_host_s(held: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "secrets"
    for place, text in {
        "low.test/backup.txt": "of the backups\n",
        "low.test/coturn.txt": "another",
        "old.test/coturn.txt": "of the relay",
        "club.test/upload.txt": "of uploads, too",
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text, encoding="ascii")
    assert strange(held, root / "low.test") == [
        {"name": "coturn", "state": "another", "found": str(root / "old.test")},
        {"name": "upload", "state": "missing", "found": ""},
    ]


def test_secrets_of_an_earlier_version_are_the_host_s(held: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "secrets"
    root.mkdir()
    for name, text in {"backup": "of the backups", "coturn.txt": "of the relay", "upload": "of uploads"}.items():
        (root / name).write_text(text, encoding="ascii")
    assert strange(held, root / "low.test") == []


LOOK = """
import os, sys
from pathlib import Path
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets import files
os.setgroups([]), os.setgid(65534), os.setuid(65534)
root = Path(sys.argv[1])
print(files.access_mistake(root, root / "low.test", writing=sys.argv[2] == "w"))
"""


def look(root: Path, mode: str) -> str:
    """What another account is told about the folder."""
    program = [sys.executable, "-B", "-c", LOOK, str(root), mode]
    found = {**os.environ, "PYTHONPATH": str(ROOT / "collections")}
    return subprocess.run(program, env=found, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def roots() -> Iterator[Path]:
    """A folder that every account can walk to: pytest's own are shut."""
    if os.geteuid():
        pytest.skip("only root can be another account as well")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_folder_of_root(roots: Path) -> None:
    """After a run with sudo, one without; a single file, a folder that cannot be made, one behind a closed one."""
    (roots / "secrets/low.test").mkdir(parents=True)
    (roots / "secrets").chmod(0o700)
    taken = f"sudo chown -R nobody: {roots}/secrets"
    for mode in "rw":
        wrong = look(roots / "secrets", mode)
        assert wrong.startswith(f"the account nobody cannot use: {roots}/secrets is root's")
        assert wrong.endswith(taken)
    wrong = f"the account nobody cannot use: {roots}/secrets is shut. Name a folder of its own"
    assert look(roots / "secrets/deeper", "w") == wrong
    (roots / "secrets").chmod(0o755)
    assert look(roots / "secrets", "r") == "None"
    assert look(roots / "secrets", "w").startswith("the account nobody cannot use")
    (roots / "secrets/low.test/coturn.txt").touch(mode=0o600)
    assert look(roots / "secrets", "r").startswith(
        f"the account nobody cannot use: {roots}/secrets/low.test/coturn.txt is root's"
    )
    assert look(roots / "none/secrets", "w") == f"the account nobody cannot make: {roots} is root's"
    assert look(roots / "none/secrets", "r") == "None"


def test_what_root_makes_belongs_to_whose_folder_it_is_in(roots: Path) -> None:
    """So that a run with sudo leaves nothing that the next one without cannot read."""
    os.chown(roots, 65534, 65534)
    files.write(roots / "secrets/low.test/coturn.txt", "x")
    with files.locked(roots / "secrets"):
        pass
    owners = {path.stat().st_uid for path in (roots / "secrets").rglob("*")} | {(roots / "secrets").stat().st_uid}
    assert owners == {65534}
