# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation has one type, word for word: README's way without a second machine, on a bare host that has
Debian's own Ansible, and there the commands of all pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from ..kit import testbed
from ..kit.documentation import ALL, GUIDES, PLAYBOOK, fences
from ..kit.playbook import packed

pytestmark = pytest.mark.timeout(1800)

NAME, DOMAIN, REPOSITORY = "docs", "docs.test", "/srv/backup"
INVENTORY = "inventories/home/hosts.yml"
SETTINGS = f"xmpp_domain: {DOMAIN}\\n    xmpp_certificates: selfsigned\\n    xmpp_backup_repository: {REPOSITORY}"
BLOCKS = [block for page in GUIDES for block in fences(page.read_text(encoding="utf-8"))]


def lines(start: str) -> list[str]:
    """All lines of blocks that begin so, each once, without what is explained beside them."""
    found = [re.sub(r" +#.*", "", line) for block in BLOCKS for line in block.splitlines() if line.startswith(start)]
    assert found, f"no line of the documentation begins with {start}"
    return list(dict.fromkeys(found))


def told(command: str) -> str:
    """A command that stands between backticks, if it does."""
    assert command in ALL
    return command


def host(command: str, given: bytes = b"", *, code: int = 0) -> str:
    """What a command says on the host, in the clone; fails if it ends with another code."""
    return testbed.ssh(NAME, f"mkdir -p clone && cd clone && {command}", given, code=code)


@pytest.fixture(scope="module", autouse=True)
def bare_host() -> Iterator[None]:
    """A host with a clone of this, and the inventory filled in; apt asks nobody."""
    testbed.up(NAME)
    try:
        host("tar --extract", packed())
        host("tee /etc/apt/apt.conf.d/99yes", b'APT::Get::Assume-Yes "true";')
        host(f"sed -i 's|xmpp_domain: .*|{SETTINGS}|' {INVENTORY}")
        # As docs/website.md shows it.
        (notice,) = (block for block in BLOCKS if "kind: maintenance" in block)
        host("cd inventories/home && mkdir notices && tee notices/2026-11-22-maintenance.md", notice.encode())
        host("apt-get update")
        yield
    finally:
        testbed.down(NAME)


def test_on_the_host_itself() -> None:
    for line in lines("sudo "):
        said = host(line)
    assert "failed=0" in said
    # What it ends with leads to the first login.
    card = said.partition(f"{DOMAIN} is deployed on home.")[2]
    assert f"First login  admin@{DOMAIN}, with the password in" in card
    (file,) = re.findall(r"^ +(\S+/account-admin\.txt)$", card, re.MULTILINE)
    assert len(host(f"cat {file}").strip()) == 24


def test_every_playbook_line_of_a_block() -> None:
    """With the connection said in the inventory instead, as README has it. Then site.yml has nothing to do."""
    host(f"sed -i 's/ansible_host: .*/ansible_connection: local/' {INVENTORY}")
    host("apt-get install jq")
    for line in lines(PLAYBOOK):
        # The domain is in no DNS, so the check must fail; behind a pipe nobody asks for its code.
        said = host(line, code=2 if line.endswith("check.yml") else 0)
        if line.endswith("site.yml"):
            assert "changed=0" in said
            assert "First login" in said
        elif "site.yml --" in line:
            assert "First login" not in said, "a part of it, or --check, deploys nothing whole"
        elif "dns.yml" in line:
            assert f"$ORIGIN {DOMAIN}." in said
        elif line.endswith("select(.banned)'"):
            assert said == "", "nobody is banned"
        elif "check.yml -e format=json" in line:
            rows = [json.loads(row) for row in re.findall(r"^\{.*?^\}", said, re.MULTILINE | re.DOTALL)]
            failed = [row["subject"] for row in rows if row["status"] == "fail"]
            assert failed, "the domain is in no DNS"
            assert [one for one in failed if not re.search(r" (A|AAAA|CNAME|SRV)\b|^name server$", one)] == []


def test_backup_is_read_by_hand() -> None:
    """With restic and sqlite3 alone."""
    assert f" UTC in {REPOSITORY}." in host(f"{PLAYBOOK}{told('playbooks/backup.yml')}")
    host("apt-get install sqlite3")
    (block,) = (block for block in BLOCKS if "restic snapshots" in block)
    steps = block.replace("REPOSITORY=…", f"REPOSITORY={REPOSITORY}").replace("friends.example", DOMAIN)
    host("cd inventories/home && bash -euo pipefail -s", steps.encode())
    assert host("sqlite3 inventories/home/xmpp.db 'select distinct username from users'").split() == ["admin"]
    # The authority of the host's own, which devices trust.
    assert host("ls inventories/home/restored/etc/xmpp/certificates").split() == ["ca.crt", "ca.key"]


def test_the_end() -> None:
    """It makes a last backup first."""
    before = host(f"ls {REPOSITORY}/snapshots").split()
    said = host(f"{PLAYBOOK}{told('playbooks/remove.yml -e sure=friends.example').replace('friends.example', DOMAIN)}")
    assert f"{DOMAIN} is removed from" in said
    assert set(host(f"ls {REPOSITORY}/snapshots").split()) - set(before)
    assert "ejabberd" not in host("systemctl list-units --all --plain --no-legend")
