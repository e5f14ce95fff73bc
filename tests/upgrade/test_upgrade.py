# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the last release, upgraded, is the same as one that was deployed by this tree, and has lost nothing."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from ..kit.clients import login
from ..kit.hosts import host_named
from ..kit.playbook import CHECKOUT
from ..kit.service import Account, Service

SECRETS = CHECKOUT / ".cache/molecule"
PLACES = "etc usr/local srv/xmpp/website srv/xmpp/well-known"
# What each host has of its own: keys, certificates, what Debian's packages and the bare host bring.
OWN = re.compile(
    r"(etc/xmpp/certificates/(?!settings\.json)|etc/ssl/|etc/letsencrypt/|etc/ssh/|etc/machine-id$"
    r"|etc/host(s|name)$|etc/resolv\.conf$"
    r"|etc/ejabberd/ejabberd\.(pem|yml)$|etc/(passwd|group|g?shadow|subuid|subgid)-?$|etc/ld\.so\.cache$|etc/\.pwd\.lock$"
    r"|etc/xmpp/packages|etc/mtab$|etc/turnserver\.conf)"
)
DOMAINS = {"upgraded": "service-a.test", "fresh": "service-b.test"}  # as in molecule/inventory/hosts.yml
SAID = "written before the upgrade"


@dataclass(frozen=True)
class File:
    """What a host has at a path, its own names replaced."""

    mode: str
    owner: str
    content: bytes


def files(host: Host, name: str) -> dict[str, File]:
    """Return the files that configure the host, by path."""
    domain = DOMAINS[name]
    secrets = {
        path.read_text(encoding="utf-8").strip(): path.stem
        for path in sorted(Path(SECRETS, name, "secrets", domain).glob("*.txt"))
    }
    told = Service.of(host)
    label = domain.removesuffix(".test")
    names = {
        domain: "DOMAIN",
        label: "LABEL",
        label.replace("-", "\\\\-"): "LABEL",
        told.address: "ADDRESS",
        f"conexizan-{name}": "HOST",
        **secrets,
    }
    if told.address6:
        names[told.address6] = "ADDRESS6"
    packed = host.run(f"tar --directory=/ --create {PLACES} | base64 --wrap=0")
    found = {}
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed.stdout))) as archive:
        for member in archive:
            if OWN.match(member.name):
                continue
            file = archive.extractfile(member) if member.isfile() else None
            content = file.read() if file else member.linkname.encode()
            for own, instead in names.items():
                content = content.replace(own.encode(), instead.encode())
            found[member.name] = File(f"{member.type!r} {member.mode:o}", f"{member.uname}:{member.gname}", content)
    return found


@pytest.fixture(scope="module")
def upgraded(pytestconfig: pytest.Config) -> Service:
    """The service that was upgraded."""
    return Service.of(host_named("upgraded", pytestconfig), DOMAINS["upgraded"])


def test_files_are_those_of_a_new_host(upgraded: Service, pytestconfig: pytest.Config) -> None:
    """No file of the release is left, none is missing, and each has the content, owner and mode that a new one gets."""
    old, new = files(upgraded.host, "upgraded"), files(host_named("fresh", pytestconfig), "fresh")
    assert len(new) > 300
    assert "etc/ejabberd/xmpp.yml" in new
    assert old.keys() - new.keys() == set(), "left by the release"
    assert new.keys() - old.keys() == set(), "missing"
    assert {path: (old[path], new[path]) for path in new if old[path] != new[path]} == {}


FILES_OF_ROLES = """
import json, pathlib
for path in sorted(pathlib.Path("/var/lib/xmpp/tree").glob("*.json")):
    if files := json.loads(path.read_text())["files"]:
        print(path.stem, *sorted(files))
"""


def test_roles_know_the_same_files(upgraded: Service, pytestconfig: pytest.Config) -> None:
    """Each file belongs to the role that installs it now, and nothing is left in other folders of the service."""
    for asked in (
        f"python3 -c '{FILES_OF_ROLES}'",
        "ls -d /run/xmpp-* /var/lib/systemd/timers/stamp-xmpp-* /var/lib/xmpp* /var/cache/xmpp*",
    ):
        assert upgraded.host.check_output(asked) == host_named("fresh", pytestconfig).check_output(asked)


def test_units_are_those_of_a_new_host(upgraded: Service, pytestconfig: pytest.Config) -> None:
    """The same units are enabled and run, and none has failed."""
    for asked in (
        "systemctl list-unit-files --state=enabled --no-legend --plain",
        "systemctl list-units --type=service,timer,socket --state=active --no-legend --plain"
        " | cut --delimiter=' ' --fields=1 | grep --invert-match @ | sort",
        "systemctl list-units --failed --no-legend --plain",
    ):
        assert upgraded.host.check_output(asked) == host_named("fresh", pytestconfig).check_output(asked)
    assert upgraded.host.check_output(asked) == ""


async def test_nothing_is_lost(upgraded: Service) -> None:
    """An account logs in with its password; its contact, the message that waited for it and its archive are there."""
    async with login(upgraded, Account("juliet", "by-any-other-name", DOMAINS["upgraded"])) as juliet:
        roster = await juliet.query("get", "<query xmlns='jabber:iq:roster'/>")
        assert f"romeo@{DOMAINS['upgraded']}" in [item.get("jid") for item in roster.iter("{jabber:iq:roster}item")]
        await juliet.online()
        await juliet.hear(SAID)
        assert SAID in await juliet.archive()
