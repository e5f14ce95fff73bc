# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/selfinstall.yml: what it writes and what it refuses. A host installs itself so in tests/contributing."""

from __future__ import annotations

import base64
import configparser
import gzip
import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.filter.terminal_qr import terminal_qr
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall import first_boot, packing, seed

from ..kit import ansible_fork
from .loading import ROOT

HOST = {"ansible_host": "192.0.2.7", "ansible_user": "root", "xmpp_domain": "friends.test"}
# As Raspberry Pi's Imager writes it for an image of release 13.
IMAGER = """\
#cloud-config
# mine
hostname: pi
users:
  - name: maria
    ssh_authorized_keys: [ssh-ed25519 AAAA maria]
runcmd:
  - [rfkill, unblock, wifi]
"""


def write(folder: Path, *options: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the playbook for an inventory in a folder, into its folder card."""
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"one": HOST | settings}}}), encoding="utf-8")
    options += (f"dir={folder}/card",)
    words = ("-i", folder / "hosts.yml", ROOT / "playbooks/selfinstall.yml")
    extra = (word for option in options for word in ("-e", option))
    return ansible_fork.run(*words, *extra, folder=folder, environment=ansible_fork.operators())


def unpacked(user_data: Path) -> dict[str, bytes]:
    """What the first boot puts onto the host, by its place."""
    (command,) = yaml.safe_load(user_data.read_text(encoding="utf-8"))["bootcmd"]
    payload = re.search(r"<<'END'.*?\n(.*?)\nEND\n", command, re.DOTALL)
    assert payload
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(payload[1]))) as archive:
        return {
            member.name: (file.read() if (file := archive.extractfile(member)) else b"")
            for member in archive.getmembers()
            if member.isreg()
        }


def test_card(tmp_path: Path) -> None:
    """What the Imager has written stays; nothing goes along but the inventory, and what belongs to it."""
    beside = ("group_vars/all/x.yml", "notices/2026-11-22-one.md", "secrets/friends.test/coturn.txt", "letters/to.txt")
    for name in beside:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("---\ntitle: one\n---\nHello.\n" if "notices" in name else "---\n", "utf-8")
    card = tmp_path / "card"
    card.mkdir()
    (card / "user-data").write_text(IMAGER, encoding="utf-8")
    (card / "meta-data").write_text("instance-id: rpios-image\n", encoding="utf-8")
    done = write(tmp_path, xmpp_certificates="selfsigned")
    assert done.returncode == 0, done.stdout
    text = (card / "user-data").read_text(encoding="utf-8")
    assert text.startswith(IMAGER)
    assert len(text) < 16384, "some providers take no more"
    assert (card / "meta-data").read_text(encoding="utf-8") == "instance-id: rpios-image\n"
    files = unpacked(card / "user-data")
    own = {name.removeprefix("root/conexizan/inventory/") for name in files if "/inventory/" in name}
    assert own == {"hosts.yml", "group_vars/all/x.yml", "notices/2026-11-22-one.md", packing.LOCAL}
    facts = json.loads(files["root/conexizan/selfinstall.json"])
    with tarfile.open(card / "conexizan.tar.gz") as archive:
        names = archive.getnames()
    assert {"playbooks/site.yml", "roles/xmpp/tasks/main.yml", "galaxy.yml"} <= set(names)
    assert not [name for name in names if name.startswith(("inventories", "tests", ".git"))]
    # Once more: the same place, only once.
    assert write(tmp_path, xmpp_certificates="selfsigned", xmpp_name="Friends").returncode == 0
    again = (card / "user-data").read_text(encoding="utf-8")
    assert again.startswith(IMAGER)
    assert again.count("bootcmd:") == 1
    assert b"Friends" in unpacked(card / "user-data")["root/conexizan/inventory/hosts.yml"]
    assert json.loads(unpacked(card / "user-data")["root/conexizan/selfinstall.json"])["sha256"] == facts["sha256"]


def test_box_of_a_provider(tmp_path: Path) -> None:
    """One file, and the address that the operator gives; nothing is asked anywhere by default."""
    done = write(tmp_path, "source=https://git.friends.example/conexizan.git", "version=1.0.0", "format=json")
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in (tmp_path / "card").iterdir()) == ["meta-data", "user-data"]
    facts = json.loads(unpacked(tmp_path / "card/user-data")["root/conexizan/selfinstall.json"])
    assert (facts["source"], facts["version"]) == ("https://git.friends.example/conexizan.git", "1.0.0")
    assert json.loads(done.stdout)["bytes"] == (tmp_path / "card/user-data").stat().st_size


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        ({"xmpp_registraton": "open"}, [], "Did you mean xmpp_registration?"),
        ({"ejabberd_small_host": "perhaps"}, [], "ejabberd_small_host"),
        ({}, ["source=http://friends.example/a.tar.gz"], 'source is "http://friends.example/a.tar.gz"'),
        ({}, ["source=https://friends.example/page"], "which ends neither in .git"),
        ({}, ["source=https://friends.example/a.tar.gz", "sha256=12"], 'sha256 is "12"'),
        ({}, ["version=1.0"], 'version is "1.0"'),
        ({}, ["surce=x"], "Did you mean source?"),
        ({}, ['{"xmpp_single_port": true}'], "xmpp_single_port: set on the command line (-e)"),
        ({"xmpp_name": "{{ lookup('file', '/etc/hostname') }}"}, [], "xmpp_name (lookup file): what is looked up"),
        ({"ansible_become_password": "pass"}, [], "ansible_become_password: secrets would be in user-data"),
        ({"xmpp_acme_ca_file": "/etc/ssl/certs/ca-certificates.crt"}, [], "the host would not have it"),
    ],
)
def test_refused(tmp_path: Path, settings: dict[str, Any], options: list[str], words: str) -> None:
    done = write(tmp_path, *options, **settings)
    assert done.returncode
    assert words in " ".join(done.stdout.split())
    assert not (tmp_path / "card").exists()


def test_variables_of_all_roles_are_checked() -> None:
    """Those of site.yml, but two that would look for what is needed on the host, not here."""
    here, there = (
        [
            role if isinstance(role, str) else role["role"]
            for role in yaml.safe_load((ROOT / name).read_text())[0]["roles"]
        ]
        for name in ("playbooks/selfinstall.yml", "site.yml")
    )
    assert here == [role for role in there if role not in ("preflight", "webchat")]


def test_secrets_go_along_if_the_operator_says_so(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "xmpp_acme_challenge": "dns",
        "xmpp_dns_provider": "desec",
        "xmpp_dns_credentials": {"DESEC_TOKEN": "mUxx7zLqDnEaNaPVDRKxPVvXPSJ2"},
    }
    done = write(tmp_path, **settings)
    assert "xmpp_dns_credentials: secrets would be in user-data" in " ".join(done.stdout.split())
    assert "mUxx7zLqDnEaNaPVDRKxPVvXPSJ2" not in done.stdout
    assert write(tmp_path, "secrets=true", **settings).returncode == 0
    hosts = unpacked(tmp_path / "card/user-data")["root/conexizan/inventory/hosts.yml"]
    assert b"mUxx7zLqDnEaNaPVDRKxPVvXPSJ2" in hosts


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("{{ lookup('ansible.builtin.pipe', 'hostname') }}", ["pipe"]),
        (["{{ query( \"env\", 'HOME') }}"], ["env"]),
        (
            {"DESEC_TOKEN": "{% set t = q('community.general.passwordstore', 'x') %}{{ t }}"},
            ["community.general.passwordstore"],
        ),
        ("{{ lookup('template', 'a.j2') }}{{ lookup('vars', 'b') }}", ["template"]),
        ("{{ xmpp_domain }}, {{ lookup('vars', 'other') }}", []),
        ("We lookup('file') nothing", []),
        (True, []),
    ],
)
def test_what_would_be_looked_up_on_the_host(value: object, found: list[str]) -> None:
    """It is on the computer of whoever writes the card."""
    assert list(packing.lookups(value)) == found


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("xmpp_dns_key_secret", True),
        ("restic_password", True),
        ("vault_desec_token", True),
        ("DESEC_TOKEN", True),
        ("ansible_ssh_pass", True),
        ("ansible_ssh_private_key_file", False),
        ("password_file", True),
        ("bypass", False),
        ("xmpp_sha1_passwords", False),
    ],
)
def test_secret_has_a_name_that_says_so(name: str, secret: bool) -> None:
    assert packing.secrets_in({"one": {name: "x"}}, {}) == [name] * secret
    assert packing.secrets_in({"one": {name: ""}}, {}) == []


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ([{"host": "turn.neighbour.test", "secret": "x"}], True),
        ([{"host": "turn.neighbour.test", "username": "friends", "password": "x"}], True),
        ({"provider": {"api_token": "x"}}, True),
        ([{"host": "turn.neighbour.test", "secret": ""}], False),
        ([{"name": "family", "members": ["password"]}], False),
    ],
)
def test_secret_within_a_value_is_one(value: Any, secret: bool) -> None:
    assert packing.secrets_in({"one": {"xmpp_relays": value}}, {}) == ["xmpp_relays"] * secret


def test_what_no_host_could_use(tmp_path: Path) -> None:
    """A password that is not there, and a program."""
    vaulted = tmp_path / "hosts.yml"
    vaulted.write_bytes(b"$ANSIBLE_VAULT;1.1;AES256\n12")
    with pytest.raises(seed.Refused, match="encrypted by Ansible Vault"):
        packing.entries({"hosts.yml": vaulted}, "one")
    vaulted.chmod(0o700)
    with pytest.raises(seed.Refused, match="is a program"):
        packing.inventory_files(str(tmp_path), (), {})
    key = {"key.pem": seed.Entry(b"-----BEGIN PRIVATE KEY-----\n")}
    assert packing.secrets_in({}, key) == ["key.pem"]


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("#!/bin/sh\n", 'begins with "#!/bin/sh"'),
        ("#cloud-config\nbootcmd: [ls]\n", "bootcmd"),
        ("#cloud-config\n- a\n", "not a mapping"),
        ("#cloud-config\na: [\n", "no YAML"),
    ],
)
def test_file_that_is_another_ones_stays(there: str, words: str) -> None:
    with pytest.raises(seed.Refused, match=re.escape(words)):
        seed.with_block(there, seed.block({}))


def test_file_of_the_image_that_nobody_has_changed() -> None:
    """It has comments alone."""
    assert seed.with_block("#cloud-config\n\n# hostname: pi\n", "added\n") == "#cloud-config\n\n# hostname: pi\nadded\n"


def test_archive_is_the_same_for_the_same_files() -> None:
    """So a second run of the playbook leaves the card's archive as it was."""
    files = {"root/conexizan/a/b": seed.Entry(b"1"), "etc/c": seed.Entry(b"2", 0o644)}
    assert seed.archive(files) == seed.archive(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(seed.archive(files)))) as archive:
        modes = {member.name: member.mode for member in archive.getmembers()}
    long = f"root/conexizan/inventory/website/static/{'ä' * 90}/{'b' * 180}.txt"
    with tarfile.open(fileobj=io.BytesIO(seed.archive({long: seed.Entry(b"1")}))) as archive:
        assert long in archive.getnames()
    assert modes == {"root/conexizan": 0o700, "root/conexizan/a": 0o700, "root/conexizan/a/b": 0o600, "etc/c": 0o644}
    assert os.sep not in packing.LOCAL


def test_host_has_what_a_machine_with_a_clone_has() -> None:
    """Said twice, since the host has no clone: how Ansible runs, its packages, how a QR code is drawn."""
    own, projects = (configparser.ConfigParser(interpolation=None) for _ in range(2))
    own.read_string(seed.CONFIGURATION)
    projects.read(ROOT / "ansible.cfg", encoding="utf-8")
    for section in own.sections():
        for option, value in own.items(section):
            if f"/{seed.PLACE}" not in value:
                assert value == projects[section][option], option
    assert f"apt install --no-install-recommends {' '.join(first_boot.PACKAGES)}`" in (ROOT / "README.md").read_text(
        encoding="utf-8"
    )
    assert first_boot.qr_code("https://friends.test/account") == terminal_qr("https://friends.test/account")
