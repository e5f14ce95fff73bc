# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that installs itself, and is then operated from the installed collection, in a folder with nothing but an
inventory."""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..kit import testbed
from ..kit.collection import installed, play, unpacked

pytestmark = pytest.mark.timeout(1800)

NAME = "collection"
DOMAIN = "friends.test"
Operator = Callable[..., str]


# A container has neither a screen nor a cable to pull; cloud-init leaves alone what the test bed has set up.
BARE = """
apt-get -y install --no-install-recommends cloud-init
echo 'apt: {preserve_sources_list: true}\nnetwork: {config: disabled}' >/etc/cloud/cloud.cfg.d/99-testbed.cfg
echo 'L+ /dev/tty1 - - - - /var/tmp/screen' >/etc/tmpfiles.d/screen.conf
touch /var/tmp/screen /etc/no-cable
cat >/etc/systemd/system/cable.service <<'END'
[Unit]
DefaultDependencies=no
Before=cloud-init-main.service
ConditionPathExists=/etc/no-cable
[Service]
Type=oneshot
RemainAfterExit=true
ExecStart=/bin/sh -c 'ip route save default >/run/route4 && ip route delete default'
ExecStart=/bin/sh -c 'ip -6 route save default >/run/route6 && ip -6 route flush default'
[Install]
WantedBy=sysinit.target
END
systemctl enable cable.service
mkdir -p /var/lib/cloud/seed/nocloud
tar --extract --directory=/var/lib/cloud/seed/nocloud
cloud-init schema --config-file /var/lib/cloud/seed/nocloud/user-data
"""
PLUG = "rm /etc/no-cable; ip route restore </run/route4; ip -6 route restore </run/route6"
HOME = "/root/conexizan"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operator's folder."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def operator(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Runs a playbook by its name in the collection, and returns what it says."""
    home = tmp_path_factory.mktemp("home")
    installed(unpacked(tmp_path_factory.mktemp("clone")), home)
    made = testbed.up(NAME)
    host = {
        "ansible_host": f"conexizan-{NAME}",
        "ansible_user": "root",
        "ansible_ssh_common_args": f"-F {made['ssh_config']}",
        "xmpp_domain": DOMAIN,
        "xmpp_certificates": "selfsigned",
        "xmpp_registration": "invite",
        "xmpp_backup_repository": "/srv/backup",
    }

    def run(playbook: str, *words: str, code: int = 0) -> str:
        extra = [part for word in words for part in ("-e", word)]
        got, said = play(home, folder, host, playbook, *extra, ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
        assert got == code, said
        return said

    yield run
    testbed.down(NAME)


def wait_on_host(condition: str, seconds: int) -> None:
    """Until a command succeeds there."""
    command = f"timeout {seconds} sh -c 'until {condition}; do sleep 0.3; done' || cat /var/tmp/screen"
    assert testbed.ssh(NAME, command) == ""


def test_bare_host_installs_itself(operator: Operator, folder: Path) -> None:
    """From its first boot, without a hand on it: without a network at first, and the power goes in the middle."""
    assert "user-data" in operator("selfinstall", "dir=seed")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as seed:
        seed.add(folder / "seed", ".")
    testbed.ssh(NAME, f"set -e\n{BARE}", stream.getvalue())
    testbed.power("cut", NAME)
    testbed.power("up", NAME)
    wait_on_host('grep -q "waits for the network" /var/tmp/screen', 60)
    testbed.ssh(NAME, ": >/var/tmp/screen; systemctl restart conexizan-selfinstall")
    wait_on_host('grep -q "waits for the network" /var/tmp/screen', 60)
    assert testbed.ssh(NAME, "ls /var/lib/xmpp || :") == "", "nothing is done without a network"
    testbed.ssh(NAME, PLUG)
    wait_on_host("test -d /var/lib/xmpp/tree", 300)
    testbed.power("cut", NAME)
    testbed.power("up", NAME)
    wait_on_host(f"test -e {HOME}/installed", 400)
    wait_on_host("! systemctl is-active --quiet conexizan-selfinstall", 20)
    screen = testbed.ssh(NAME, "cat /var/tmp/screen")
    assert f"{DOMAIN} is installed on this host." in screen
    (file,) = re.findall(r"root reads it in (\S+)", screen)
    password = testbed.ssh(NAME, f"cat {file}").strip()
    assert testbed.ssh(NAME, f"stat --format %U:%a {file}") == "root:600\n"
    assert re.search(rf"First login +admin@{DOMAIN}\s+Password +{password}\s", screen)
    assert screen.count("\x1b[97;40m") > 10, "a QR code"
    assert password not in testbed.ssh(NAME, "journalctl --no-pager")
    left = testbed.ssh(NAME, f"cd {HOME} && ls; find /etc/systemd -name 'conexizan-*'").split()
    assert left == ["ansible.cfg", "ansible_collections", "installed", "inventory", "unpacked"]
    # The domain is in no DNS, and the containers reach no push server. All else is well.
    said = testbed.ssh(NAME, f"cd {HOME} && ansible-playbook conexizan.xmpp.check -e format=json", code=2)
    rows = [json.loads(row) for row in re.findall(r"^    \{.*?^    \}", said, re.MULTILINE | re.DOTALL)]
    failed = {row["subject"] for row in rows if row["status"] == "fail"}
    assert len(rows) > 20
    assert {one for one in failed if not re.search(r" (A|AAAA|CNAME|SRV)\b|^name server$", one)} == set()


def test_operator_takes_over(operator: Operator, folder: Path) -> None:
    """With the secrets that were born on the host; then there is nothing to do. What comes next is said in the
    collection's own names."""
    secrets = testbed.ssh(NAME, f"tar --create --directory={HOME}/inventory secrets | base64")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(secrets))) as archive:
        archive.extractall(folder)
    said = operator("site")
    assert re.search(r"one +: ok=\d+ +changed=0 ", said)
    assert f"{DOMAIN} is deployed on one." in said
    assert "conexizan.xmpp.check" in said
    assert "playbooks/" not in said.partition(f"{DOMAIN} is deployed on one.")[2].partition("PLAY RECAP")[0]


# What each says when it did its work, or why there is nothing to do on this host.
@pytest.mark.parametrize(
    ("playbook", "words", "code", "wanted"),
    [
        ("user", ["create=maria"], 0, f"maria@{DOMAIN}"),
        ("user", [], 0, f"admin@{DOMAIN}"),
        ("room", [], 0, "failed=0"),
        ("invite", [], 0, f"https://{DOMAIN}/invite#"),
        ("notice", [], 0, "failed=0"),
        ("export", ["user=maria"], 0, f"maria@{DOMAIN}.xml"),
        ("import", [f"file=maria@{DOMAIN}.xml"], 0, f"maria@{DOMAIN}"),
        ("dns", [], 0, f"$ORIGIN {DOMAIN}."),
        # The domain is in no DNS.
        ("check", [], 2, f"_xmpp-client._tcp.{DOMAIN} SRV"),
        ("audit", ['{"needles": ["nobody@example.test"]}'], 0, "failed=0"),
        ("backup", [], 0, "one: a backup was made on "),
        ("restore", [f"replace={DOMAIN}"], 0, "UTC is restored, with "),
        ("demo", [], 0, "failed=0"),
        ("remove", [f"sure={DOMAIN}", "backup=false"], 0, "failed=0"),
    ],
)
def test_every_verb_runs(operator: Operator, playbook: str, words: list[str], code: int, wanted: str) -> None:
    """In this order: what was made is in the backup, and the last one takes the service off its host."""
    assert wanted in " ".join(operator(playbook, *words, code=code).split())
