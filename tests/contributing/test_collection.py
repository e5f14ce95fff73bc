# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare host deployed and operated from the installed collection, in a folder with nothing but an inventory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from ..kit import testbed
from ..kit.collection import installed, play, unpacked

pytestmark = pytest.mark.timeout(1800)

NAME = "collection"
DOMAIN = "friends.test"
Operator = Callable[..., str]


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Runs a playbook by its name in the collection, and returns what it says."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("empty")
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


def test_bare_host_is_deployed(operator: Operator) -> None:
    """Whole, and a second run has nothing to do; what comes next is said in the collection's own names."""
    said = operator("site")
    assert f"{DOMAIN} is deployed on one." in said
    assert "conexizan.xmpp.check" in said
    assert "playbooks/" not in said.partition(f"{DOMAIN} is deployed on one.")[2].partition("PLAY RECAP")[0]
    assert re.search(r"one +: ok=\d+ +changed=0 ", operator("site"))


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
