# SPDX-License-Identifier: GPL-3.0-or-later
"""What messages beyond the front door advise can be pasted where the operator has their settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.as_written import written_for
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import Places

from ..kit import ansible_fork
from .loading import ROOT
from .role_files import rendered

REPOSITORY = "sftp:backup@nas.friends.example:/srv/xmpp"
ADVICE: dict[str, Any] = {"xmpp_calls": False, "xmpp_public_addresses": ["192.0.2.1"], "xmpp_registration": "invite"}
YAML = ["xmpp_calls: false", 'xmpp_public_addresses: ["192.0.2.1"]', "xmpp_registration: invite"]
INI = ["xmpp_calls=False", "xmpp_public_addresses=['192.0.2.1']", "xmpp_registration=invite"]
HOST_LINE = ["xmpp_calls=False", """xmpp_public_addresses='['"'"'192.0.2.1'"'"']'""", "xmpp_registration=invite"]
JSON = [
    """-e '{"xmpp_calls": false}'""",
    """-e '{"xmpp_public_addresses": ["192.0.2.1"]}'""",
    """-e '{"xmpp_registration": "invite"}'""",
]


def advised(places: Places) -> list[str]:
    """Return the settings as they are advised."""
    written = written_for(places)
    return [written(name, value) for name, value in ADVICE.items()]


def variables(inventory: Path | str) -> dict[str, Any]:
    """Return what Ansible knows of a host whose settings are in this inventory."""
    set_already = {"xmpp_calls": True, "xmpp_public_addresses": [], "xmpp_registration": "closed"}
    folder = str(Path(inventory).parent)
    return set_already | {"inventory_hostname": "a", "inventory_file": str(inventory), "inventory_dir": folder}


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("hosts.yml", "all: {hosts: {a: {xmpp_calls: true}}}\n", YAML),
        ("hosts", "a\n[all:vars]\nxmpp_calls=True\nxmpp_public_addresses=[]\nxmpp_registration=closed\n", INI),
        ("hosts", "a xmpp_calls=True xmpp_public_addresses=[] xmpp_registration=closed\n", HOST_LINE),
        ("hosts", "a\n", INI),  # not set yet
        ("hosts", "#!/bin/sh\necho '{}'\n", YAML),
    ],
    ids=["YAML", "INI", "INI, in the line of a host", "INI, nothing set", "a program"],
)
def test_advice_is_in_the_format_of_the_inventory(tmp_path: Path, name: str, text: str, lines: list[str]) -> None:
    (tmp_path / name).write_text(text)
    assert advised(Places(variables(tmp_path / name), tmp_path / "defaults")) == lines


def test_setting_beside_an_ini_inventory_stays_yaml(tmp_path: Path) -> None:
    """What is in a file of a group would win over the same setting for that group in the inventory."""
    (tmp_path / "hosts").write_text("a\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("xmpp_calls: true\n")
    places = Places(variables(tmp_path / "hosts"), tmp_path / "defaults")
    assert advised(places) == [YAML[0], *INI[1:]]
    assert places.find(("xmpp_calls",)) == str(tmp_path / "group_vars/all.yml:1")


def test_host_named_on_the_command_line_gets_yaml(tmp_path: Path) -> None:
    places = Places(variables("a,"), tmp_path / "defaults")
    assert (advised(places), places.find(("xmpp_calls",))) == (YAML, "your inventory")


@pytest.mark.parametrize("form", ['{"xmpp_calls": true}', "xmpp_calls=true"])
def test_setting_of_the_command_line_is_advised_for_it(tmp_path: Path, form: str) -> None:
    """As JSON: NAME=VALUE is a string there, whatever the value."""
    (tmp_path / "hosts").write_text("a\n")
    places = Places(variables(tmp_path / "hosts"), tmp_path / "defaults", dict.fromkeys(ADVICE, ""), [form])
    assert advised(places) == JSON


@pytest.mark.parametrize(
    ("inventory", "lines"),
    [
        ("a\n", ["xmpp_https_port=8443.", "xmpp_calls=False."]),
        ("a:\n", ["xmpp_https_port: 8443.", "xmpp_calls: false."]),
    ],
)
def test_what_frees_a_port(tmp_path: Path, inventory: str, lines: list[str]) -> None:
    (tmp_path / "hosts").write_text(inventory)
    ports = rendered(variables_of(tmp_path), "xmpp", "{{ xmpp_derived_ports }}")
    ways = {port["setting"] + "." for port in ports if port.get("setting")}
    assert len(ways) == len(lines)
    assert all(any(way.endswith(line) for way in ways) for line in lines)


def test_domains_are_kept_by_what_an_ini_inventory_reads(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("a\n")
    served = {"accounts": ["old.test"], "rooms": ["muc.old.test"]}
    population = {"old.test": {"accounts": 2}, "muc.old.test": {"rooms": 1}}
    facts = {"ansible_facts": {"xmpp_host": {"identity": {"served": served, "population": population}}}}
    settings = variables_of(tmp_path) | facts
    assert rendered(settings, "preflight", "{{ __preflight_keep }}") == ["xmpp_more_domains=['old.test']"]
    del served["accounts"]
    assert rendered(settings, "preflight", "{{ __preflight_keep }}") == ["xmpp_muc_domain=muc.old.test"]


def variables_of(folder: Path) -> dict[str, Any]:
    """Return what Ansible knows of a host of the inventory in a folder, which has no settings."""
    return {"inventory_hostname": "a", "inventory_file": str(folder / "hosts"), "inventory_dir": str(folder)}


@pytest.mark.parametrize(
    ("playbook", "line"),
    [
        ("backup.yml", f"xmpp_backup_repository={REPOSITORY}"),
        ("restore.yml", f"xmpp_backup_repository={REPOSITORY}"),
        ("invite.yml", "xmpp_registration=invite"),
    ],
)
def test_playbooks_advise_what_an_ini_inventory_reads(tmp_path: Path, playbook: str, line: str) -> None:
    """Before they go to the host, which does not exist."""
    inventory = tmp_path / "hosts"
    settings = ("xmpp_domain=friends.test", "xmpp_certificates=selfsigned", "xmpp_registration=closed")
    inventory.write_text("\n".join(("a ansible_host=192.0.2.1", "[all:vars]", *settings, "")))
    words = ("-i", inventory, f"playbooks/{playbook}")
    done = ansible_fork.run(*words, folder=ROOT, environment=ansible_fork.operators(COLUMNS="500"), merged=True)
    assert done.returncode
    told = " ".join(done.stdout.split())
    assert f"Set it in {inventory}" in told
    assert f"for example: {line}" in told
